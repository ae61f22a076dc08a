// How long flows are remembered, through the engine: a reply that comes too late is judged as the first packet of a flow of its own.
import { RouteBatch, type FibTransaction } from '@heddle/core'
import { testSegment, testPacket } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, it } from 'vitest'
import { DELIVER, DROP, ForwardingEngine, HEADROOM, PacketOut, type Verdict } from '../src/index.js'
import { all, LIMITS, none } from './support/tables.js'

const [A, B, VIP] = ['10.0.0.1', '10.0.0.2', '10.0.0.9']

/** Two endpoints, to the first of which nothing may be opened; a service whose only backend is the second. */
function tables(): FibTransaction {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse(A), 1)
  routes.push(1, IpPrefix.parse(B), 2)
  const port = (id: number) => ({ id, kind: 'endpoint' as const, vrf: 1, allowedSources: [], gateways: [], mtu: 1500 })
  const group = (id: number) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })
  const hop = (id: number) => ({ id, action: { type: 'port' as const, port: id } })
  const service = {
    id: 1,
    vrf: 1,
    address: IpAddress.parse(VIP),
    port: 53,
    backends: [{ address: IpAddress.parse(B), port: 53, weight: 1 }],
    seed: 1,
  }
  return {
    generation: 1,
    vrfs: all({ id: 1, name: 'red' }),
    ports: all(port(1), port(2)),
    nextHops: all(hop(1), hop(2)),
    groups: all(group(1), group(2)),
    tunnelSources: none,
    labels: none,
    vnis: none,
    policies: all({ id: 1, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' }),
    services: all({ ...service, protocol: 'udp' as const }),
    routes,
  }
}

function setUp(): {
  readonly send: (port: number, packet: Uint8Array) => Verdict
  readonly wait: (seconds: number) => void
  readonly out: PacketOut
  readonly engine: ForwardingEngine
} {
  let now = 0
  const engine = new ForwardingEngine({ limits: LIMITS, clock: { now: () => now } })
  expect(engine.apply(tables())).toMatchObject({ status: 'applied' })
  const out = new PacketOut()
  const buffer = new Uint8Array(HEADROOM + 2048)
  return {
    out,
    engine,
    wait: (seconds) => void (now += seconds * 1000),
    send: (port, packet) => {
      buffer.set(packet, HEADROOM)
      return engine.fromPort(port, buffer, HEADROOM, packet.length, out)
    },
  }
}

const udp = (reply: boolean): Uint8Array =>
  reply
    ? testPacket({ source: B, destination: A, sourcePort: 53, destinationPort: 40_000 })
    : testPacket({ source: A, destination: B, sourcePort: 40_000, destinationPort: 53 })
const tcp = (reply: boolean, flags: number): Uint8Array =>
  reply
    ? testSegment({ source: B, destination: A, sourcePort: 80, destinationPort: 40_000, flags })
    : testSegment({ source: A, destination: B, flags })
const [SYN, SYN_ACK, ACK, FIN_ACK, RST] = [2, 18, 16, 17, 4]

it('lets a reply pass while its flow is remembered, and no longer', () => {
  const { send, wait } = setUp()
  expect(send(1, udp(false))).toBe(DELIVER)
  wait(20)
  expect(send(2, udp(true))).toBe(DELIVER)
  // Each packet prolongs the flow.
  for (let turn = 0; turn < 10; turn++) {
    wait(25)
    expect(send(2, udp(true))).toBe(DELIVER)
  }
  wait(3600)
  expect(send(2, udp(true))).toBe(DROP)
})

it('remembers a connection that was answered for longer than one that was not, and one that ended hardly', () => {
  const { send, wait } = setUp()
  send(1, tcp(false, SYN))
  wait(600)
  expect(send(2, tcp(true, SYN_ACK))).toBe(DROP)

  const established = setUp()
  established.send(1, tcp(false, SYN))
  expect(established.send(2, tcp(true, SYN_ACK))).toBe(DELIVER)
  established.send(1, tcp(false, ACK))
  established.wait(3600)
  expect(established.send(2, tcp(true, ACK))).toBe(DELIVER)

  for (const ends of [[tcp(false, FIN_ACK), tcp(true, FIN_ACK)], [tcp(false, RST)]]) {
    const ended = setUp()
    ended.send(1, tcp(false, SYN))
    ended.send(2, tcp(true, SYN_ACK))
    ended.send(1, tcp(false, ACK))
    for (const [index, packet] of ends.entries()) expect(ended.send(index + 1, packet)).toBe(DELIVER)
    ended.wait(600)
    expect(ended.send(2, tcp(true, ACK))).toBe(DROP)
  }
})

it('remembers a connection for as long as any that begins by the ports of one that ended', () => {
  const { send, wait } = setUp()
  for (const last of [RST, ACK]) {
    expect(send(1, tcp(false, SYN))).toBe(DELIVER)
    expect(send(2, tcp(true, SYN_ACK))).toBe(DELIVER)
    expect(send(1, tcp(false, last))).toBe(DELIVER)
  }
  wait(3600)
  expect(send(2, tcp(true, ACK))).toBe(DELIVER)

  // One that is not answered is not.
  send(1, tcp(false, FIN_ACK))
  send(1, tcp(false, SYN))
  wait(600)
  expect(send(2, tcp(true, ACK))).toBe(DROP)
})

it('ends what is quiet sooner where a port has more than half of what it may, but for connections, and lets others be opened in its place', () => {
  const { send, wait, engine } = setUp()
  const [port] = tables().ports.set
  const { routes: _, ...rest } = tables()
  const change = { ...rest, generation: 2, routes: new RouteBatch(), ports: all({ ...port, maxFlows: 3 }) }
  expect(engine.apply({ ...change, vrfs: none, nextHops: none, groups: none, policies: none, services: none })).toMatchObject({
    status: 'applied',
  })
  const open = (sourcePort: number): Verdict => send(1, testPacket({ source: A, destination: B, sourcePort, destinationPort: 53 }))
  const isRefused = (sourcePort: number): boolean => open(sourcePort) === DROP
  send(1, tcp(false, SYN))
  expect(send(2, tcp(true, SYN_ACK))).toBe(DELIVER)
  expect([1, 2, 3, 4].map(open)).toEqual([DELIVER, DELIVER, DROP, DROP])
  wait(18)
  // A refused one takes some away that have ended: each slot of the table is looked at in the end.
  for (let turn = 0; turn < 1000; turn++) expect(isRefused(3)).toBe(true)
  wait(1)
  let refused = 0
  while (isRefused(3) && refused < 100_000) refused++
  expect(refused).toBeLessThan(20_000)
  expect(send(2, tcp(true, ACK))).toBe(DELIVER)
})

it('gives the addresses of a service back while the flow is remembered, and not to a reply that comes too late', () => {
  const { send, wait, out } = setUp()
  expect(send(1, testPacket({ source: A, destination: VIP, sourcePort: 40_000, destinationPort: 53 }))).toBe(DELIVER)
  expect(out.port).toBe(2)
  wait(10)
  expect(send(2, udp(true))).toBe(DELIVER)
  wait(3600)
  expect(send(2, udp(true))).toBe(DROP)
})
