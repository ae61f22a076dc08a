import { createNode, parseNode } from '@heddle/cli'
import { tunDataplane } from '@heddle/dataplane-tun'
import { nodeClock, textLogger } from '@heddle/io/node'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { createCni, PoolIpam } from '../../src/index.js'
import { appendLogStore, execPlugin, kernelInspector, nftTranslator, serveCni } from '../../src/node/index.js'
import { FORWARDER } from '../../../dataplane-tun/test/support/run-sources.js'
import type { LabOptions } from './node-lab.js'

/* A node with its plugin, in a process of its own inside a namespace that is its host; to be killed. */

const {
  folder,
  address,
  nodeAddresses,
  configuration = { vrfs: [], endpoints: [], nat: [] },
  networks = [],
  neighbor,
} = JSON.parse(process.argv[2]) as LabOptions & { folder: string; address: string }
const logger = textLogger({ stream: process.stderr, level: 'error' })
/** Milliseconds: a forwarder that runs from sources on a machine with much else to do takes ten seconds and more. */
const startTimeout = 60_000
const node = await createNode(
  parseNode(
    'node.yaml',
    JSON.stringify({
      node: { name: 'cni-test', address },
      socket: `${folder}/node.sock`,
      bgp: { as: 65000, ...(neighbor !== undefined && session(neighbor)) },
      vrfs: [
        ...['red', 'blue'].map((name, index) => ({
          name,
          rd: `65000:${index + 1}`,
          import: [`65000:${index + 1}`],
          export: [`65000:${index + 1}`],
        })),
        ...configuration.vrfs,
      ],
      endpoints: configuration.endpoints,
      nat: configuration.nat,
      dataplane: { kind: 'tun', underlayMtu: 1500 },
    }),
  ),
  {
    dataplane: async () =>
      tunDataplane({ addresses: [IpAddress.parse(address)], stateDir: `${folder}/state`, startTimeout, forwarder: FORWARDER, logger }),
    logger,
  },
)
const store = await appendLogStore(`${folder}/cni.log`)
const pools = [{ prefix: IpPrefix.parse('10.7.0.0/24') }, { prefix: IpPrefix.parse('fd07::/64') }]
const cni = await createCni({
  networks: [
    ...['red', 'blue'].map((name) => ({ name, vrf: name, pools })),
    ...['red', 'blue'].map((name) => ({
      name: `probed-${name}`,
      vrf: name,
      pools: [{ prefix: IpPrefix.parse('10.9.0.0/24') }, { prefix: IpPrefix.parse('fd09::/64') }],
      nodeAddress: true,
      ...(name === 'red' ? { report: 'node-address' as const } : {}),
    })),
    ...networks.map(({ prefix, gateway, ...network }) => ({
      ...network,
      pools: [{ prefix: IpPrefix.parse(prefix), ...(gateway === undefined ? {} : { gateway: IpAddress.parse(gateway) }) }],
    })),
    { name: 'small', vrf: 'red', pools: [{ prefix: IpPrefix.parse('10.8.0.0/28') }, { prefix: IpPrefix.parse('fd08::/64') }] },
  ],
  ipam: new PoolIpam({ store, quarantine: 0 }),
  endpoints: node.endpoints,
  store,
  inspector: kernelInspector(),
  delegate: execPlugin(),
  ...(nodeAddresses ? { nodeAddresses: { translator: await nftTranslator() } } : {}),
  clock: nodeClock,
  logger,
})
const listener = await serveCni(cni, `${folder}/cni.sock`)
process.once('SIGTERM', () => {
  void listener
    .close()
    .then(async () => node.stop())
    .then(async () => store.close())
    .then(() => process.exit(0))
})
process.stdout.write('ready\n')

/** Each of two nodes listens and connects. */
function session(neighbor: string): object {
  return { listen: [{ address }], neighbors: [{ address: neighbor, as: 65000, families: ['vpnv4-unicast', 'vpnv6-unicast'] }] }
}
