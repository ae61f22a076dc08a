import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { siteTransaction, UNDERLAY } from '../../../dataplane-tun/test/support/two-sites.js'
import { hairpin, hasEthtool } from './hairpin.js'
import type { SiteAgentOptions } from './site-agents.js'
import { watchTunnels } from './watched-path.js'

/*
 * An agent of site a, to be killed: `site-agent.ts OPTIONS`, as JSON. It takes over what it finds, programs it again as a restarted agent does, and says on a
 * line what programs the kernel has. By MPLS over UDP it sends on by XDP as well, unless it watches its tunnels. SIGTERM closes it, and what it has goes on.
 */
const { netns, pins, encapsulation, without = [], keeper } = JSON.parse(process.argv[2] ?? '') as SiteAgentOptions
const addresses = UNDERLAY.a.map((address) => IpAddress.parse(address))
const isHairpin = encapsulation === 'mpls-udp' && keeper === undefined
const dataplane = await ebpfDataplane({
  addresses,
  uplink: 'up0',
  underlayNetns: netns,
  pinDirectory: pins,
  fibBlocks: 2048,
  routes: 4096,
  xdp: hasEthtool && isHairpin ? 'native' : 'off',
  without,
  ...(keeper === undefined ? {} : { keeper }),
})
const { generation, devices } = await dataplane.dump()
const site = siteTransaction('a', generation + 1, 4, encapsulation)
const transactions = [keeper === undefined ? site : watchTunnels('a', site), ...(isHairpin ? [hairpin('a', generation + 2)] : [])]
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
