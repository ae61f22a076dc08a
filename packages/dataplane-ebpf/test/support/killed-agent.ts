import { RouteBatch } from '@heddle/core'
import { ebpfDataplane, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { emptyTransaction } from '../../../dataplane-tun/test/support/two-sites.js'
import { openHere } from './in-kernel.js'
import { WATCHED } from './watched-path.js'

/*
 * An agent in the process's network namespace that has an endpoint in each of some others, XDP, devices that merge, and a watched path. It says on a line what it
 * has in the kernel, and waits to be killed: `killed-agent.ts PINS WITHOUT NETNS…`, the script of its keeper in the environment.
 */
const [, , pinDirectory, without = '', ...netns] = process.argv
const { TEST_KEEPER: script = '' } = process.env
const dataplane = await ebpfDataplane({
  addresses: [WATCHED.local],
  uplink: 'up0',
  pinDirectory,
  keeper: { script, execArgv: [] },
  without: without.split(',').filter((name) => name !== '') as EbpfFeatureName[],
  xdp: 'native',
  fibBlocks: 1024,
  routes: 1024,
  flows: 1024,
})
const pods = netns.map((path, port) => ({ port, path, address: IpAddress.parse(`10.1.0.${port + 1}`) }))
const routes = new RouteBatch()
for (const { port, address } of pods) routes.push(1, IpPrefix.of(address), port)
const { status, failures } = await dataplane.apply({
  ...emptyTransaction(1),
  vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
  ports: {
    set: pods.map(({ port, address }) => ({
      id: port,
      kind: 'endpoint',
      vrf: 1,
      allowedSources: [IpPrefix.of(address)],
      gateways: [],
      mtu: 1400,
    })),
    remove: [],
  },
  nextHops: { set: pods.map(({ port }) => ({ id: port, action: { type: 'port', port } })), remove: [] },
  groups: { set: pods.map(({ port }) => ({ id: port, members: [{ nextHop: port, weight: 1 }], seed: 7 })), remove: [] },
  tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.of(WATCHED.remote)] }], remove: [] },
  vnis: { set: [{ vni: 7, vrf: 1, routerMac: MacAddress.parse('02:00:00:00:00:01'), sources: 1 }], remove: [] },
  liveness: { set: [WATCHED], remove: [] },
  routes,
})
if (status !== 'applied') throw new TypeError(`${status}: ${JSON.stringify(failures)}`)
for (const { port, path, address } of pods)
  await dataplane.attachPort(port, { netns: path, ifname: 'eth0', addresses: [address], mtu: 1400 })
process.stdout.write(`${JSON.stringify({ status, failures, numbers: openHere() })}\n`)
setInterval(() => undefined, 1_000_000)
