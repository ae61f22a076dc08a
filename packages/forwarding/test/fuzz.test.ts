import { DROP_REASONS, RouteBatch, type DataplaneEvent, type FibTransaction } from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import { DELIVER, DROP, FRAGMENT, ForwardingEngine, HEADROOM, PacketOut, SEND, probePacket, type Verdict } from '../src/index.js'

const PACKETS = process.env['HEDDLE_DEPTH'] === 'full' ? 50_000_000 : 2_000_000
const GUARD = 0xa5
const LARGEST = 2048
/** Octets behind a packet that must stay as they are. */
const BEHIND = 64

const limits = {
  vrfs: 8,
  ports: 8,
  nextHops: 16,
  groups: 16,
  groupMembers: 8,
  labels: 16,
  vnis: 4,
  routes: 64,
  labelStackDepth: 16,
  flows: 256,
}
const LOCAL = IpAddress.parse('192.0.2.1')
const PEER = IpAddress.parse('192.0.2.2')
/** A joint label, where it is on top with a TTL of at most 2. */
const JOINT = 49_152
const MAC = MacAddress.parse('02:00:00:00:00:01')
const all = <T>(set: readonly T[]): { readonly set: readonly T[]; readonly remove: readonly number[] } => ({ set, remove: [] })

/** Two tenants with everything that an engine can have: tunnels of each kind, a loop, services, a pool, policies, narrow ports. */
function tables(): FibTransaction {
  const routes = new RouteBatch()
  const tunnel = { type: 'tunnel', local: LOCAL, remote: PEER, ttlModel: 'uniform', trafficClassModel: 'uniform', ecn: 'normal' } as const
  for (const vrf of [1, 2]) {
    for (const [prefix, group] of [
      ['10.0.0.1', 1],
      ['10.0.0.2', 2],
      ['10.1.0.0/16', 3],
      ['10.2.0.0/16', 4],
      ['10.3.0.0/16', 5],
      ['10.4.0.0/16', 6 + vrf],
      ['10.5.0.0/16', 9],
      ['fd00::1', 1],
      ['fd01::/16', 3],
      ['::/0', 5],
    ] as const) {
      routes.push(vrf, IpPrefix.parse(prefix), group)
    }
  }
  const backends = ['10.0.0.2', '10.1.0.1'].map((address) => ({ address: IpAddress.parse(address), port: 8080, weight: 1 }))
  const gateways = [IpAddress.parse('10.0.0.254'), IpAddress.parse('fd00::254')]
  const rules = [
    { verdict: 'deny', ports: [{ first: 22, last: 22 }], mirror: 2 },
    { verdict: 'allow', protocol: 6 },
    { verdict: 'allow', icmpTypes: [{ type: 8 }] },
  ] as const
  return {
    generation: 1,
    vrfs: all([1, 2].map((id) => ({ id, name: `vrf ${id}` }))),
    ports: all(
      [1, 2, 3].map((id) => {
        const rest = { gateways, mtu: id === 2 ? 100 : 1500, clampMss: true, maxFlows: 100 }
        return { id, kind: 'endpoint' as const, vrf: id === 3 ? 2 : 1, allowedSources: [], ...rest }
      }),
    ),
    nextHops: all([
      { id: 1, action: { type: 'port', port: 1 } },
      { id: 2, action: { type: 'port', port: 2 } },
      { id: 3, action: { ...tunnel, encapsulation: 'mpls-udp', labels: [200, 201] } },
      { id: 4, action: { ...tunnel, encapsulation: 'vxlan', labels: [], vni: 7, routerMac: MAC } },
      { id: 5, action: { ...tunnel, encapsulation: 'mpls-gre', labels: [300] } },
      { id: 6, action: { ...tunnel, encapsulation: 'mpls', labels: [] } },
      { id: 7, action: { type: 'lookup', vrf: 2 } },
      { id: 8, action: { type: 'lookup', vrf: 1 } },
      { id: 9, action: { ...tunnel, encapsulation: 'mpls-udp-joint', labels: [400] } },
      { id: 10, action: { ...tunnel, encapsulation: 'mpls-udp-joint', labels: [] } },
    ]),
    groups: all([1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: id }))),
    tunnelSources: all([{ id: 1, prefixes: [IpPrefix.of(PEER)] }]),
    labels: all([
      { label: 100, action: { type: 'pop-forward', port: 1 }, sources: 1, trafficClassModel: 'uniform' },
      { label: 101, action: { type: 'pop-forward', port: 2 }, sources: 1 },
      { label: 110, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 },
      { label: 120, action: { type: 'swap', nextHop: 3 }, sources: 1 },
      { label: 121, action: { type: 'swap', nextHop: 6 }, sources: 1 },
      { label: 122, action: { type: 'swap', nextHop: 9 }, sources: 1 },
      { label: 123, action: { type: 'swap', nextHop: 10 }, sources: 1 },
    ]),
    vnis: all([{ vni: 7, vrf: 1, routerMac: MAC, sources: 1 }]),
    policies: all([
      { id: 1, port: 1, direction: 'egress', rules, defaultVerdict: 'allow' },
      { id: 2, port: 2, direction: 'ingress', rules, defaultVerdict: 'deny' },
    ]),
    services: all(
      (['tcp', 'udp'] as const).map((protocol, id) => ({
        id,
        vrf: 1,
        address: IpAddress.parse('10.9.0.1'),
        protocol,
        port: 80,
        backends,
        seed: 1,
        affinity: 1000,
      })),
    ),
    mirrors: all([
      { id: 1, ports: [{ port: 1, direction: 'both' }], snapLength: 200, sink: { type: 'erspan', local: LOCAL, remote: PEER, session: 1 } },
      { id: 2, ports: [{ port: 2, direction: 'egress' }], sink: { type: 'stream' } },
    ]),
    traces: all([{ id: 1, filter: { vrf: 1, port: 80, dropped: true } }]),
    natPools: all([{ id: 1, vrf: 1, outside: 2, address: IpAddress.parse('172.20.0.1'), ports: { first: 1000, last: 1003 } }]),
    routes,
  }
}

/** Numbers that look drawn, from a seed (xorshift32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Sound packets to begin with: what changes at random afterwards comes further than noise would. */
function seeds(): Uint8Array[] {
  const pairs = [
    ['10.0.0.1', '10.0.0.2'],
    ['10.0.0.1', '10.1.0.1'],
    ['10.0.0.1', '10.2.0.1'],
    ['10.0.0.1', '10.4.0.1'],
    ['10.0.0.1', '10.5.0.1'],
    ['10.0.0.1', '10.9.0.1'],
    ['fd00::2', 'fd00::1'],
    ['fd00::1', 'fd01::1'],
  ] as const
  return pairs.flatMap(([source, destination]) =>
    [28, 60, 90, 1400].flatMap((length) => {
      const packet = probePacket({
        source: IpAddress.parse(source),
        destination: IpAddress.parse(destination),
        destinationPort: 80,
        length,
      })
      const mayBeCut = packet.slice()
      if (mayBeCut[0] >>> 4 === 4) mayBeCut[6] = 0
      const variants = [6, 1, 58, 44, 0, 43, 60, 132, 50].map((protocol) => {
        const copy = mayBeCut.slice()
        copy[copy[0] >>> 4 === 4 ? 9 : 6] = protocol
        return copy
      })
      return [packet, ...variants]
    }),
  )
}

/** IPv4 header checksums are made right most of the time, or nothing would come past them. */
function repair(bytes: Uint8Array, at: number): void {
  const size = (bytes[at] & 15) * 4
  if (bytes[at] >>> 4 !== 4 || size < 20 || at + size > bytes.length) return
  bytes[at + 10] = bytes[at + 11] = 0
  let sum = 0
  for (let octet = 0; octet < size; octet += 2) sum += bytes[at + octet] * 256 + bytes[at + octet + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  bytes[at + 10] = (0xffff - sum) >> 8
  bytes[at + 11] = (0xffff - sum) & 255
}

test('no packet from anywhere makes the engine throw, write beyond its room, or go uncounted', { timeout: PACKETS / 10 }, () => {
  const draw = random(0x1234567)
  const packets = seeds()
  const whole = [[100], [101], [110], [120], [121], [122], [122, 200], [123], [123, 200], [0, 110], [1], [3], [14], [999], [110, 110], []]
  const joint = [[], [100], [110], [122], [123, 200], [JOINT, 100]].map((stack) => [JOINT, ...stack])
  const stacks = [...whole, ...joint, Array.from({ length: 20 }, () => 0)]
  let now = 0
  const told: Partial<Record<DataplaneEvent['type'], number>> = {}
  const make = (): ForwardingEngine => {
    const engine = new ForwardingEngine({
      limits,
      outer: 'full',
      underlayMtu: 1300,
      clock: { now: () => now },
      observe: ({ type }) => void (told[type] = (told[type] ?? 0) + 1),
    })
    expect(engine.apply(tables())).toMatchObject({ status: 'applied', failures: [] })
    return engine
  }
  const engine = make()
  const out = new PacketOut()
  const buffer = new Uint8Array(HEADROOM + LARGEST + 64)
  const part = new Uint8Array(HEADROOM + 1600)
  const verdicts = [0, 0, 0, 0]
  let count = 0
  const reasons = DROP_REASONS.map(() => 0)

  const check = (verdict: Verdict, room: Uint8Array): void => {
    verdicts[verdict]++
    if (verdict === DROP || verdict === FRAGMENT) return
    const isInside = out.offset >= 0 && out.length > 0 && out.offset + out.length <= room.length
    if (!isInside) expect.fail(`a packet at ${out.offset}, ${out.length} octets, of a buffer of ${room.length}`)
    if (verdict === DELIVER && ![1, 2, 3].includes(out.port)) expect.fail(`delivery to port ${out.port}`)
  }

  while (count < PACKETS) {
    for (let turn = 0; turn < 2000; turn++, count++) {
      now += draw(100)
      const packet = packets[draw(packets.length)].slice()
      const changes = draw(4)
      for (let change = 0; change < changes; change++) packet[draw(draw(4) === 0 ? packet.length : Math.min(packet.length, 64))] = draw(256)
      if (draw(8) > 0) repair(packet, 0)
      const cut = draw(10) === 0 ? packet.subarray(0, draw(packet.length)) : packet
      const isFromPort = draw(2) === 0
      const labels = isFromPort ? [] : stacks[draw(stacks.length)]
      const words = labels.flatMap((label, index) => [
        label >> 12,
        (label >> 4) & 255,
        ((label & 15) << 4) | (label === JOINT ? 0 : draw(8) << 1) | (index === labels.length - 1 ? 1 : 0),
        [255, 64, 2, 1, 0][draw(5)],
      ])
      const length = words.length + cut.length
      buffer.set(words, HEADROOM)
      buffer.set(cut, HEADROOM + words.length)
      buffer.fill(GUARD, HEADROOM + length, HEADROOM + length + BEHIND)
      let verdict: Verdict
      if (isFromPort) verdict = engine.fromPort(draw(5), buffer, HEADROOM, length, out)
      else if (draw(4) === 0) verdict = engine.fromWire(buffer, HEADROOM, length, out)
      else {
        const encapsulation = (['mpls-udp', 'mpls-gre', 'mpls', 'vxlan'] as const)[draw(4)]
        verdict = engine.fromUnderlay(encapsulation, draw(8) === 0 ? LOCAL : PEER, buffer, HEADROOM, length, out, length, draw(256))
      }
      check(verdict, buffer)
      for (let octet = HEADROOM + length; octet < HEADROOM + length + BEHIND; octet++) {
        if (buffer[octet] !== GUARD) expect.fail(`written at ${octet - HEADROOM}, behind a packet of ${length} octets`)
      }
      if (verdict === DROP && out.reason < 0) expect.fail('a drop without a reason')
      if (out.reason >= 0) reasons[out.reason]++
      if (verdict !== FRAGMENT) continue
      let parts = 0
      for (let next = engine.nextFragment(part, HEADROOM, out); next !== DROP; next = engine.nextFragment(part, HEADROOM, out)) {
        check(next, part)
        if (out.reason >= 0) reasons[out.reason]++
        if (++parts > LARGEST) expect.fail('a packet is cut without end')
      }
      while (engine.hasCopies) if (engine.nextCopy(part, HEADROOM, out) !== DROP) check(SEND, part)
    }
    // Each is counted once, under its own reason.
    expect([...engine.counters().drops]).toEqual(reasons)
  }
  expect(Math.min(told.mirrored ?? 0, told.traced ?? 0)).toBeGreaterThan(100)
  expect(Math.min(...verdicts), `${count} packets: ${verdicts.join()}`).toBeGreaterThan(100) // each way out was taken
})
