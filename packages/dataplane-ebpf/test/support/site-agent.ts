import type { Encapsulation } from '@heddle/core'
import { ebpfDataplane, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { siteTransaction, UNDERLAY } from '../../../dataplane-tun/test/support/two-sites.js'
import { hairpin, hasEthtool } from './hairpin.js'

/*
 * An agent of site a, to be killed: `site-agent.ts NETNS PINS ENCAPSULATION WITHOUT…`. It takes over what it finds, programs it again as a restarted agent does, and
 * says on a line what programs the kernel has. By MPLS over UDP it sends on by XDP as well. SIGTERM closes it, and what it has goes on.
 */
const [underlayNetns, pinDirectory, encapsulation, ...without] = process.argv.slice(2) as [
  string,
  string,
  Encapsulation,
  ...EbpfFeatureName[],
]
const addresses = UNDERLAY.a.map((address) => IpAddress.parse(address))
const isHairpin = encapsulation === 'mpls-udp'
const xdp = hasEthtool && isHairpin ? 'native' : 'off'
const dataplane = await ebpfDataplane({
  addresses,
  uplink: 'up0',
  underlayNetns,
  pinDirectory,
  fibBlocks: 2048,
  routes: 4096,
  xdp,
  without,
})
const { generation, devices } = await dataplane.dump()
const transactions = [siteTransaction('a', generation + 1, 4, encapsulation), ...(isHairpin ? [hairpin('a', generation + 2)] : [])]
for (const transaction of transactions) {
  const { status, failures } = await dataplane.apply(transaction)
  if (status !== 'applied' || failures.length > 0) throw new TypeError(JSON.stringify(failures))
}
for (const { port, ...request } of devices) await dataplane.attachPort(port, request)
const tags = Object.fromEntries(dataplane.inspect().programs.map(({ name, tag }) => [name, tag]))
process.stdout.write(`${JSON.stringify({ tags, devices: devices.length })}\n`)
process.once('SIGTERM', () => void dataplane.close({ keep: true }).then(() => process.stdin.destroy()))
// Whoever has started it may be killed, too.
process.stdin.on('end', () => process.exit()).resume()
