import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { siteTransaction, UNDERLAY } from '../../../dataplane-tun/test/support/two-sites.js'
import { hairpin, hasEthtool } from './hairpin.js'

/*
 * An agent of site a, to be killed: `site-agent.ts NETNS PINS`. It takes over what it finds, programs it again as a restarted agent does, and says on a
 * line what programs the kernel has.
 */
const [, , underlayNetns, pinDirectory] = process.argv
const addresses = UNDERLAY.a.map((address) => IpAddress.parse(address))
const xdp = hasEthtool ? 'native' : 'off'
const dataplane = await ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, pinDirectory, fibBlocks: 2048, routes: 4096, xdp })
const { generation, devices } = await dataplane.dump()
for (const transaction of [siteTransaction('a', generation + 1), hairpin('a', generation + 2)]) {
  const { status, failures } = await dataplane.apply(transaction)
  if (status !== 'applied' || failures.length > 0) throw new TypeError(JSON.stringify(failures))
}
for (const { port, ...request } of devices) await dataplane.attachPort(port, request)
const tags = Object.fromEntries(dataplane.inspect().programs.map(({ name, tag }) => [name, tag]))
process.stdout.write(`${JSON.stringify({ tags, devices: devices.length })}\n`)
setInterval(() => undefined, 1000)
