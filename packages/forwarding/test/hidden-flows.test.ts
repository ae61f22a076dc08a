// What a pool hides from an endpoint of the outside VRF at the same router: policies there, and ICMP errors from both ends.
import { DROP_REASONS, RouteBatch, type FibTransaction, type NextHopObject } from '@heddle/core'
import { partOf, testIcmp, testPacket } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { DELIVER, DROP, ForwardingEngine, HEADROOM, PacketOut, sharedFlowMemory } from '../src/index.js'
import { all, LIMITS, none } from './support/tables.js'

const [RED, BLUE] = [1, 2]
/* Those of IPv6 differ in the middle alone, as addresses of one plan do. */
const ENDS = {
  4: { client: '10.0.0.1', pool: '172.20.0.1', server: '10.200.0.9' },
  6: { client: '2001:db8:0:1::5', pool: '2001:db8:0:2::5', server: '2001:db8:0:3::9' },
} as const
const FAMILIES = [4, 6] as const

/** A client in red and a server in blue, which may be opened to and open nothing itself; nothing may be opened to the client. */
function tables(): FibTransaction {
  const routes = new RouteBatch()
  for (const family of FAMILIES) {
    routes.push(RED, IpPrefix.parse(ENDS[family].client), 1)
    routes.push(BLUE, IpPrefix.parse(ENDS[family].server), 2)
    routes.push(RED, IpPrefix.parse(ENDS[family].server), 3)
  }
  const port = (id: number, vrf: number) => ({ id, kind: 'endpoint' as const, vrf, allowedSources: [], gateways: [], mtu: 1500 })
  const group = (id: number) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })
  const hop = (id: number) => ({ id, action: { type: 'port' as const, port: id } })
  const address = (family: 4 | 6) => IpAddress.parse(ENDS[family].pool)
  return {
    generation: 1,
    vrfs: all({ id: RED, name: 'red' }, { id: BLUE, name: 'blue' }),
    ports: all(port(1, RED), port(2, BLUE)),
    nextHops: all<NextHopObject>(hop(1), hop(2), { id: 3, action: { type: 'lookup', vrf: BLUE } }),
    groups: all(group(1), group(2), group(3)),
    tunnelSources: none,
    labels: none,
    vnis: none,
    policies: all(
      { id: 1, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' },
      { id: 2, port: 2, direction: 'egress', rules: [], defaultVerdict: 'deny' },
      { id: 3, port: 2, direction: 'ingress', rules: [{ verdict: 'allow', protocol: 17 }], defaultVerdict: 'deny' },
    ),
    natPools: all(
      ...FAMILIES.map((family) => ({ id: family, vrf: RED, outside: BLUE, address: address(family), ports: { first: 5000, last: 5999 } })),
    ),
    routes,
  }
}

const nothing = {
  vrfs: none,
  ports: none,
  nextHops: none,
  groups: none,
  tunnelSources: none,
  labels: none,
  vnis: none,
  routes: new RouteBatch(),
}

describe.each(FAMILIES)('a flow of IPv%i that a pool hides from an endpoint of this router', (family) => {
  const { client, pool, server } = ENDS[family]
  const unreachable = family === 4 ? 3 : 1

  /** What comes out at the other port. */
  function setUp(): (port: number, packet: Uint8Array) => Uint8Array {
    const engine = new ForwardingEngine({ limits: LIMITS, clock: { now: () => 0 } })
    expect(engine.apply(tables())).toMatchObject({ status: 'applied' })
    const out = new PacketOut()
    const buffer = new Uint8Array(HEADROOM + 2048)
    return (port, packet) => {
      buffer.set(packet, HEADROOM)
      expect([engine.fromPort(port, buffer, HEADROOM, packet.length, out), out.reason]).toEqual([DELIVER, -1])
      expect(out.port).toBe(3 - port)
      return buffer.slice(out.offset, out.offset + out.length)
    }
  }
  const request = testPacket({ source: client, destination: server, sourcePort: 5001, destinationPort: 53 })
  const reply = testPacket({ source: server, destination: pool, sourcePort: 53, destinationPort: 5001 })
  const hidden = testPacket({ source: pool, destination: server, sourcePort: 5001, destinationPort: 53, ttl: 63 })

  it('is answered, whatever the server may not open', () => {
    const send = setUp()
    expect(send(1, request)).toEqual(testPacket({ source: pool, destination: server, sourcePort: 5001, destinationPort: 53, ttl: 63 }))
    expect(send(2, reply)).toEqual(testPacket({ source: server, destination: client, sourcePort: 53, destinationPort: 5001, ttl: 63 }))
  })

  it('is told of errors of the server', () => {
    const send = setUp()
    const there = send(1, request)
    send(2, testIcmp({ source: server, destination: pool, type: unreachable, body: there }))
  })

  it('is told of errors of the client', () => {
    const send = setUp()
    send(1, request)
    const back = send(2, reply)
    const error = send(1, testIcmp({ source: client, destination: server, type: unreachable, body: back }))
    const quoted = testPacket({ source: server, destination: pool, sourcePort: 53, destinationPort: 5001, ttl: 63 })
    expect(error).toEqual(testIcmp({ source: pool, destination: server, type: unreachable, body: quoted, ttl: 63 }))
  })

  // Another thread, which knew the pool still, opened the flow behind the transaction: what came back went to whoever has the client's address outside.
  it('is over once its pool is gone, whoever remembers it', () => {
    const flowMemory = sharedFlowMemory(LIMITS.flows)
    const [knowing, other] = [0, 1].map(() => {
      const engine = new ForwardingEngine({ limits: LIMITS, clock: { now: () => 0 }, flowMemory })
      expect(engine.apply(tables())).toMatchObject({ status: 'applied' })
      return engine
    })
    const gone: FibTransaction = { ...nothing, generation: 2, natPools: { set: [], remove: FAMILIES } }
    expect(other.apply(gone)).toMatchObject({ status: 'applied' })
    const out = new PacketOut()
    const buffer = new Uint8Array(HEADROOM + 2048)
    const send = (engine: ForwardingEngine, port: number, packet: Uint8Array): unknown => {
      buffer.set(packet, HEADROOM)
      const verdict = engine.fromPort(port, buffer, HEADROOM, packet.length, out)
      return verdict === DROP ? DROP_REASONS[out.reason] : verdict
    }
    const parts = [partOf(reply, { offset: 0, size: 16 }), partOf(reply, { offset: 16 })]
    const error = testIcmp({ source: server, destination: pool, type: unreachable, body: hidden })
    expect(send(knowing, 1, request)).toBe(DELIVER)
    for (const packet of [reply, ...parts, error]) expect(send(knowing, 2, packet)).toBe(DELIVER)
    for (const packet of [reply, ...parts, error]) expect(send(other, 2, packet)).toBe('nat-exhausted')
  })
})
