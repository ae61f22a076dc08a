import {
  EMPTY,
  expectDelivered,
  greBefore,
  labelled,
  Lab,
  testIcmp,
  testPacket,
  testSegment,
  type Tables,
} from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EbpfHarnessWorld, ebpfHarness } from './support/ebpf-harness.js'
import { missing, titled } from './support/requirements.js'
import { PEERS } from './support/router.js'

/** Of every link. */
const MTU = 15_000
/** Octets: more than a jumbo frame of 9,000, beyond which sums once ended. */
const SIZE = 12_000
const [POOL, CLIENT, SERVER] = ['172.20.0.1', '10.0.0.1', '10.2.0.1']

/*
 *   port 1  red  10.0.0.1, to 10.2.0.1 by way of a pool ── port 2  blue  10.2.0.1
 */
const TABLES: Tables = {
  ...EMPTY,
  vrfs: [
    { id: 1, name: 'red' },
    { id: 2, name: 'blue' },
  ],
  ports: [1, 2].map((id) => ({ id, kind: 'endpoint', vrf: id, allowedSources: [], gateways: [], mtu: MTU })),
  nextHops: [
    { id: 1, action: { type: 'port', port: 1 } },
    { id: 2, action: { type: 'port', port: 2 } },
    { id: 3, action: { type: 'lookup', vrf: 2 } },
  ],
  groups: [1, 2, 3].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 0 })),
  tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }],
  labels: [{ label: 101, action: { type: 'pop-forward', port: 1 }, sources: 1 }],
  natPools: [{ id: 1, vrf: 1, outside: 2, address: IpAddress.parse(POOL), ports: { first: 1, last: 65_535 } }],
  routes: [
    { vrf: 1, prefix: CLIENT, group: 1 },
    { vrf: 1, prefix: SERVER, group: 3 },
    { vrf: 2, prefix: SERVER, group: 2 },
  ],
}

describe.skipIf(missing() !== '')(titled('packets of more than 10 KiB whose checksum is the router’s business'), () => {
  let world: EbpfHarnessWorld
  let lab: Lab
  beforeAll(async () => {
    world = new EbpfHarnessWorld()
    for (const end of ['ebpf-net', 'ebpf-router']) world.namespaces.in(end, ...`ip link set up0 mtu ${MTU}`.split(' '))
    lab = new Lab(await ebpfHarness(world))
    await lab.program(TABLES)
    await lab.attach(undefined, MTU)
  })
  afterAll(async () => {
    await lab?.harness.close()
    world?.close()
  })

  it('come by GRE with a checksum', async () => {
    const packet = testPacket({ source: SERVER, destination: CLIENT, size: SIZE })
    for (const checksum of [false, true]) {
      const input = {
        encapsulation: 'mpls-gre',
        source: PEERS[4][0],
        packet: greBefore(labelled([{ label: 101 }], packet), { checksum }),
      } as const
      expect(expectDelivered(await lab.fromUnderlay(input), 1)).toHaveLength(packet.length)
    }
  })

  it('are errors about a flow that a pool hides', async () => {
    const there = expectDelivered(await lab.fromPort(1, testSegment({ source: CLIENT, destination: SERVER, size: SIZE })), 2)
    const error = { source: SERVER, type: 3, code: 1 }
    const found = expectDelivered(await lab.fromPort(2, testIcmp({ ...error, destination: POOL, body: there })), 1)
    const quoted = testSegment({ source: CLIENT, destination: SERVER, size: SIZE, ttl: 63 })
    expect(found).toEqual(testIcmp({ ...error, destination: CLIENT, body: quoted, ttl: 63 }))
  })
})
