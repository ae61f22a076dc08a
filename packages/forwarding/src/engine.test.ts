import { dropsOf, RouteBatch, type DropReason, type FibTransaction, type NextHopAction, type TraceObject } from '@heddle/core'
import { internetChecksum, IpAddress, IpPrefix, MacAddress, pseudoHeaderSum, udpChecksumHolds } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { DELIVER, DROP, EGRESS_STEPS, explain, ForwardingEngine, HEADROOM, PacketOut, probePacket, SEND } from './index.js'

const LIMITS = {
  vrfs: 10,
  ports: 10,
  nextHops: 10,
  groups: 10,
  groupMembers: 10,
  labels: 10,
  vnis: 10,
  routes: 100,
  labelStackDepth: 16,
}
const LOCAL = IpAddress.parse('192.0.2.1')
const REMOTE = IpAddress.parse('192.0.2.2')

/** VRF 1 with port 1 (10.0.0.1) and port 2 (10.0.0.2); 10.1.0.0/16 through `tunnel`; label 100 leads to port 1. */
function tables(tunnel: NextHopAction): FibTransaction {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('10.0.0.1/32'), 1)
  routes.push(1, IpPrefix.parse('10.0.0.2/32'), 2)
  routes.push(1, IpPrefix.parse('10.1.0.0/16'), 3)
  const port = (id: number): FibTransaction['ports']['set'][number] => ({
    id,
    kind: 'endpoint',
    vrf: 1,
    allowedSources: [IpPrefix.parse(`10.0.0.${id}/32`)],
    gateways: [IpAddress.parse('10.0.0.254')],
    mtu: 1400,
  })
  return {
    generation: 1,
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [port(1), port(2)], remove: [] },
    nextHops: {
      set: [
        { id: 1, action: { type: 'port', port: 1 } },
        { id: 2, action: { type: 'port', port: 2 } },
        { id: 3, action: tunnel },
      ],
      remove: [],
    },
    groups: { set: [1, 2, 3].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })), remove: [] },
    tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.of(REMOTE)] }], remove: [] },
    labels: { set: [{ label: 100, action: { type: 'pop-forward', port: 1 }, sources: 1 }], remove: [] },
    vnis: { set: [], remove: [] },
    routes,
  }
}

const common = { type: 'tunnel', local: LOCAL, remote: REMOTE, ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
const toUdp: NextHopAction = { ...common, encapsulation: 'mpls-udp', labels: [200] }

function engineWith(tunnel: NextHopAction, outer: 'socket' | 'full' = 'socket'): ForwardingEngine {
  const engine = new ForwardingEngine({ limits: LIMITS, outer })
  expect(engine.apply(tables(tunnel)).status).toBe('applied')
  return engine
}

/** Sends `packet` from port 1; everything around it is dirty. */
function send(engine: ForwardingEngine, packet: Uint8Array): { out: PacketOut; bytes: Uint8Array } {
  const buffer = new Uint8Array(HEADROOM + packet.length + 8).fill(0xa5)
  buffer.set(packet, HEADROOM)
  const out = new PacketOut()
  engine.fromPort(1, buffer, HEADROOM, packet.length, out)
  return { out, bytes: buffer.slice(out.offset, out.offset + out.length) }
}

function octets(text: string): number[] {
  return text.split(' ').map((octet) => Number.parseInt(octet, 16))
}

function probe(destination: string, ttl = 64, length = 28): Uint8Array {
  return probePacket({ source: IpAddress.parse('10.0.0.1'), destination: IpAddress.parse(destination), ttl, length })
}

describe('headers written before a packet', () => {
  const inner = [...probe('10.1.0.1', 63)]
  const rows: { name: string; tunnel: NextHopAction; outer: 'socket' | 'full'; headers: string[] }[] = [
    {
      name: 'MPLS over UDP, for a socket',
      tunnel: toUdp,
      outer: 'socket',
      headers: [
        '00 0c 81 ff', // label 200, TC 0, S 1, TTL 255
      ],
    },
    {
      name: 'MPLS over UDP, the whole packet',
      tunnel: toUdp,
      outer: 'full',
      headers: [
        '45 00 00 3c', // version 4, no options, TOS 0, length 60
        '00 00 40 00', // identification 0, DF
        '40 11 b6 ad', // TTL 64, UDP, checksum
        'c0 00 02 01', // from 192.0.2.1
        'c0 00 02 02', // to 192.0.2.2
        'ff ff 19 eb', // source port (entropy, not compared), destination port 6635
        '00 28 00 00', // length 40, no checksum
        '00 0c 81 ff', // label 200, TC 0, S 1, TTL 255
      ],
    },
    {
      name: 'MPLS over UDP with a joint label, for a socket',
      tunnel: { ...toUdp, encapsulation: 'mpls-udp-joint' },
      outer: 'socket',
      headers: [
        '0c 00 00 01', // label 49,152, TC 0, S 0, TTL 1: IPv4 behind one label
        '00 0c 81 ff', // label 200, TC 0, S 1, TTL 255
      ],
    },
    {
      name: 'MPLS over UDP with a joint label, the whole packet',
      tunnel: { ...toUdp, encapsulation: 'mpls-udp-joint' },
      outer: 'full',
      headers: [
        '45 00 00 40', // version 4, no options, TOS 0, length 64
        '00 00 40 00', // identification 0, DF
        '40 11 b6 a9', // TTL 64, UDP, checksum
        'c0 00 02 01', // from 192.0.2.1
        'c0 00 02 02', // to 192.0.2.2
        'ff ff 19 eb', // source port (entropy, not compared), destination port 6635
        '00 2c 00 00', // length 44, no checksum
        '0c 00 00 01', // label 49,152, TC 0, S 0, TTL 1: IPv4 behind one label
        '00 0c 81 ff', // label 200, TC 0, S 1, TTL 255
      ],
    },
    {
      name: 'two labels behind a joint one, for a socket',
      tunnel: { ...common, encapsulation: 'mpls-udp-joint', labels: [24_000, 200] },
      outer: 'socket',
      headers: [
        '0c 00 00 00', // label 49,152, TC 0, S 0, TTL 0
        '05 dc 00 ff', // label 24,000, TC 0, S 0, TTL 255
        '00 0c 81 ff', // label 200, TC 0, S 1, TTL 255
      ],
    },
    {
      name: 'two labels over GRE, for a socket',
      tunnel: { ...common, encapsulation: 'mpls-gre', labels: [24_000, 200] },
      outer: 'socket',
      headers: [
        '00 00 88 47', // no flags, MPLS unicast
        '05 dc 00 ff', // label 24,000, TC 0, S 0, TTL 255
        '00 0c 81 ff', // label 200, TC 0, S 1, TTL 255
      ],
    },
    {
      name: 'VXLAN, for a socket',
      tunnel: { ...common, encapsulation: 'vxlan', labels: [], vni: 5001, routerMac: MacAddress.parse('02:00:00:00:00:99') },
      outer: 'socket',
      headers: [
        '08 00 00 00', // VNI valid
        '00 13 89 00', // VNI 5001
        '02 00 00 00 00 99', // the far router
        '02 00 c0 00 02 01', // this router, made from its address
        '08 00', // IPv4
      ],
    },
  ]

  it.each(rows)('$name', ({ tunnel, outer, headers }) => {
    const { out, bytes } = send(engineWith(tunnel, outer), probe('10.1.0.1'))
    expect(out.verdict).toBe(SEND)
    expect(out.sourcePort).toBeGreaterThanOrEqual(49_152)
    const found = [...bytes]
    if (outer === 'full') found[20] = found[21] = 0xff
    expect(found).toEqual([...headers.flatMap(octets), ...inner])
  })
})

// A label that is swapped is written anew behind its headers: what stands before it, and the UDP checksum over IPv6, have to follow.
it.each([
  // label 0x45000 below begins like a header of IPv4, label 0x60000 like one of IPv6
  { name: 'the label was the bottom, IPv4 behind it', labels: [0x7d0], stack: '00 06 41 09', first: 0x45, joint: 1 },
  { name: 'the label was the bottom, IPv6 behind it', labels: [0x7d0], stack: '00 06 41 09', first: 0x60, joint: 2 },
  { name: 'the label was the bottom, neither behind it', labels: [0x7d0], stack: '00 06 41 09', first: 0x50, joint: 0 },
  { name: 'another label is below', labels: [0x7d0], stack: '00 06 40 09 45 00 01 40', first: 0x45, joint: 0 },
  { name: 'two labels take its place', labels: [0x7d1, 0x7d0], stack: '00 06 41 09', first: 0x45, joint: 0 },
  { name: 'it is taken away, and the bottom is below', labels: [], stack: '00 06 40 09 45 00 01 40', first: 0x45, joint: 1 },
  { name: 'it is taken away, and two are below', labels: [], stack: '00 06 40 09 45 00 00 40 60 00 01 40', first: 0x45, joint: 0 },
])('a joint label says what is in a packet that is sent on: $name', ({ labels, stack, first, joint }) => {
  const [local, remote] = [IpAddress.parse('2001:db8::1'), IpAddress.parse('2001:db8::2')]
  const tunnel: NextHopAction = { ...common, local, remote, encapsulation: 'mpls-udp-joint', labels }
  const engine = new ForwardingEngine({ limits: LIMITS, outer: 'full' })
  const swap = { label: 100, action: { type: 'swap', nextHop: 3 }, sources: 1 } as const
  expect(engine.apply({ ...tables(tunnel), labels: { set: [swap], remove: [] } }).status).toBe('applied')
  const packet = Uint8Array.from([...octets(stack), first, ...Array.from({ length: 40 }, (_, index) => index)])
  const buffer = new Uint8Array(HEADROOM + packet.length + 8).fill(0xa5)
  buffer.set(packet, HEADROOM)
  const out = new PacketOut()
  expect(engine.fromUnderlay('mpls-udp', REMOTE, buffer, HEADROOM, packet.length, out)).toBe(SEND)
  const sent = buffer.slice(out.offset, out.offset + out.length)
  expect([...sent.subarray(48, 52)]).toEqual([0x0c, 0, 0, joint])
  expect(udpChecksumHolds(sent, 40, sent.length - 40, pseudoHeaderSum(local, remote, 17, sent.length - 40))).toBe(true)
})

// What came to the top was taken to be a label, whatever was left: an octet behind the packet was made a TTL.
it.each([0, 1, 2, 3])('a label that is taken away above %i octets leaves what is behind the packet alone', (left) => {
  const engine = engineWith({ ...toUdp, labels: [] })
  const swap = { label: 100, action: { type: 'swap', nextHop: 3 }, sources: 1 } as const
  engine.apply({ ...tables({ ...toUdp, labels: [] }), generation: 2, labels: { set: [swap], remove: [] } })
  const buffer = new Uint8Array(HEADROOM + 12).fill(0xa5)
  buffer.set(octets('00 06 40 09'), HEADROOM)
  const out = new PacketOut()
  expect(engine.fromUnderlay('mpls-udp', REMOTE, buffer, HEADROOM, 4 + left, out)).toBe(SEND)
  expect(out.length).toBe(left)
  expect([...buffer.subarray(HEADROOM + 4)]).toEqual(Array(8).fill(0xa5))
})

it('reads joint labels where it carries MPLS over UDP, whether or not it sends them, in datagrams and in whole packets', () => {
  const packet = Uint8Array.from([0x0c, 0, 0, 1, 0x00, 0x06, 0x41, 0x40, ...probe('10.0.0.1')])
  const outer = octets('45 00 00 00 00 00 40 00 40 11 00 00 c0 00 02 02 c0 00 02 01 c0 00 19 eb 00 00 00 00')
  const whole = Uint8Array.from([...outer, ...packet])
  const view = new DataView(whole.buffer)
  view.setUint16(2, whole.length)
  view.setUint16(24, whole.length - 20)
  view.setUint16(10, internetChecksum(whole, 0, 20))
  for (const [encapsulations, verdict] of [
    [['mpls-udp'], DELIVER],
    [['mpls-udp', 'mpls-udp-joint'], DELIVER],
    [['mpls-gre', 'mpls-udp-joint'], DROP],
  ] as const) {
    const engine = new ForwardingEngine({ limits: LIMITS, encapsulations })
    engine.apply(tables({ ...toUdp, encapsulation: encapsulations[0] }))
    const buffer = new Uint8Array(HEADROOM + whole.length)
    const out = new PacketOut()
    buffer.set(packet, HEADROOM)
    expect(engine.fromUnderlay('mpls-udp', REMOTE, buffer, HEADROOM, packet.length, out)).toBe(verdict)
    buffer.set(whole, HEADROOM)
    expect(engine.fromWire(buffer, HEADROOM, whole.length, out)).toBe(verdict)
  }
})

describe('verdicts and counters', () => {
  const rows: { name: string; packet: Uint8Array; reason: DropReason }[] = [
    { name: 'no route', packet: probe('10.9.0.1'), reason: 'no-route' },
    {
      name: 'a foreign source',
      packet: probePacket({ source: IpAddress.parse('10.0.0.2'), destination: LOCAL }),
      reason: 'source-address',
    },
    { name: 'TTL 1', packet: probe('10.1.0.1', 1), reason: 'ttl-expired' },
    { name: 'an oversized packet', packet: probe('10.0.0.2', 64, 1401), reason: 'mtu-exceeded' },
    { name: 'a truncated packet', packet: probe('10.1.0.1').subarray(0, 27), reason: 'inner-malformed' },
    { name: 'loopback', packet: probe('127.0.0.1'), reason: 'destination-invalid' },
  ]

  it.each(rows)('$name is dropped as $reason and counted once', ({ packet, reason }) => {
    const engine = engineWith(toUdp)
    send(engine, packet)
    const counters = engine.counters()
    expect(dropsOf(counters, reason)).toBe(1)
    expect(counters.drops.reduce((sum, count) => sum + count, 0)).toBe(1)
    expect([...counters.ports.subarray(0, 5)][4]).toBe(1)
  })

  it('delivers between ports of one VRF, one hop less', () => {
    const engine = engineWith(toUdp)
    const { out, bytes } = send(engine, probe('10.0.0.2'))
    expect([out.verdict, out.port]).toEqual([DELIVER, 2])
    expect(bytes).toEqual(probe('10.0.0.2', 63))
  })

  it('judges a segmentation-offload packet by what will be on the wire', () => {
    const engine = engineWith(toUdp)
    const packet = probe('10.1.0.1', 64, 9000)
    const buffer = new Uint8Array(HEADROOM + packet.length)
    buffer.set(packet, HEADROOM)
    const out = new PacketOut()
    expect(engine.fromPort(1, buffer, HEADROOM, packet.length, out, 1400)).toBe(SEND)
    expect([out.length, out.segment]).toEqual([9004, 1404])
    buffer.set(packet, HEADROOM)
    expect(engine.fromPort(1, buffer, HEADROOM, packet.length, out, 1401)).not.toBe(SEND)
  })

  it('filters what goes to the host by a policy that came behind its port, and no longer when it went', () => {
    const engine = engineWith(toUdp)
    const nothing = { set: [], remove: [] }
    const routes = new RouteBatch()
    const none = {
      vrfs: nothing,
      ports: nothing,
      nextHops: nothing,
      groups: nothing,
      tunnelSources: nothing,
      labels: nothing,
      vnis: nothing,
    }
    const apply = (part: Partial<FibTransaction> & Pick<FibTransaction, 'generation'>): void =>
      expect(engine.apply({ ...none, routes: new RouteBatch(), ...part }).status).toBe('applied')
    routes.push(1, IpPrefix.parse('10.0.0.7/32'), 4)
    apply({
      generation: 2,
      ports: { set: [{ id: 7, kind: 'host', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }], remove: [] },
      nextHops: { set: [{ id: 4, action: { type: 'local' } }], remove: [] },
      groups: { set: [{ id: 4, members: [{ nextHop: 4, weight: 1 }], seed: 1 }], remove: [] },
      routes,
    })
    const toHost = (): number => send(engine, probe('10.0.0.7')).out.verdict
    expect(toHost()).toBe(DELIVER)
    apply({ generation: 3, policies: { set: [{ id: 1, port: 7, direction: 'ingress', rules: [], defaultVerdict: 'deny' }], remove: [] } })
    expect(toHost()).toBe(DROP)
    expect(dropsOf(engine.counters(), 'policy')).toBe(1)
    apply({ generation: 4, policies: { set: [], remove: [1] } })
    expect(toHost()).toBe(DELIVER)
  })

  it('drops a packet from a port that is not there', () => {
    const engine = engineWith(toUdp)
    const out = new PacketOut()
    expect(engine.fromPort(9, new Uint8Array(HEADROOM + 28), HEADROOM, 28, out)).toBe(DROP)
    expect(dropsOf(engine.counters(), 'port-down')).toBe(1)
  })
})

describe('ICMP errors to the sender', () => {
  it('time exceeded quotes the packet and comes from the gateway (RFC 792)', () => {
    const packet = probe('10.1.0.1', 1)
    const { out, bytes } = send(engineWith(toUdp), packet)
    expect([out.verdict, out.port, bytes[9]]).toEqual([DELIVER, 1, 1])
    expect(IpAddress.fromBytes(bytes.subarray(12, 16)).toString()).toBe('10.0.0.254')
    expect([...bytes.subarray(20, 22)]).toEqual([11, 0])
    expect(bytes.subarray(28)).toEqual(packet)
  })

  it('fragmentation needed names the MTU of the tunnel (RFC 1191)', () => {
    const engine = engineWith(toUdp)
    engine.underlayMtu = 1000
    const { out, bytes } = send(engine, probe('10.1.0.1', 64, 1200))
    expect(out.verdict).toBe(DELIVER)
    expect([...bytes.subarray(20, 22)]).toEqual([3, 4])
    expect(bytes[26] * 256 + bytes[27]).toBe(1000 - 32)
    expect(bytes.length).toBe(576)
  })

  it('names what the path to the tunnel’s far end takes where that is less, by tables of before and after', () => {
    const engine = new ForwardingEngine({ limits: LIMITS })
    const mtuTold = (): number => {
      const { out, bytes } = send(engine, probe('10.1.0.1', 64, 1200))
      return out.verdict === SEND ? 1500 - 32 : bytes[26] * 256 + bytes[27]
    }
    engine.setPathMtu(REMOTE, 1000)
    engine.apply(tables(toUdp))
    expect(mtuTold()).toBe(1000 - 32)
    engine.setPathMtu(LOCAL, 600)
    engine.setPathMtu(REMOTE, 900)
    expect(mtuTold()).toBe(900 - 32)
    expect(engine.state().pathMtus).toEqual([
      { remote: REMOTE, mtu: 900 },
      { remote: LOCAL, mtu: 600 },
    ])
    const loaded = new ForwardingEngine({ limits: LIMITS })
    loaded.load(engine.state())
    expect(loaded.state().pathMtus).toEqual(engine.state().pathMtus)
    engine.setPathMtu(REMOTE, undefined)
    expect(mtuTold()).toBe(1500 - 32)
  })

  it('is limited in rate', () => {
    const engine = new ForwardingEngine({ limits: LIMITS, clock: { now: () => 0 } })
    engine.apply(tables(toUdp))
    const verdicts = Array.from({ length: 150 }, () => send(engine, probe('10.1.0.1', 1)).out.verdict)
    expect(verdicts.filter((verdict) => verdict === DELIVER)).toHaveLength(100)
    expect(dropsOf(engine.counters(), 'ttl-expired')).toBe(150)
  })
})

describe('an engine that takes over what another one held', () => {
  it('forgot its traces, and took more than there is room for', () => {
    const trace = (id: number): TraceObject => ({ id, filter: { vrf: 1 } })
    const limits = { ...LIMITS, traces: 2 }
    const before = new ForwardingEngine({ limits })
    expect(before.apply({ ...tables(toUdp), traces: { set: [trace(1), trace(2)], remove: [] } }).status).toBe('applied')
    const engine = new ForwardingEngine({ limits })
    engine.load(before.state())
    expect(engine.state().traces).toEqual([trace(1), trace(2)])
    const third = { ...tables(toUdp), traces: { set: [trace(3)], remove: [] } }
    expect(engine.judge(third)).toMatchObject({ status: 'refused', failures: [{ object: { kind: 'trace' }, code: 'dataplane.limit' }] })
  })
})

describe('explain', () => {
  it('names the steps of the architecture in their order', () => {
    const { steps, outcome } = engineWith(toUdp).explain({ from: 'port', port: 1, packet: probe('10.1.0.1') })
    expect(steps.map(({ step }) => step)).toEqual(EGRESS_STEPS)
    expect(outcome).toMatchObject({ type: 'send', nextHop: 3, encapsulation: 'mpls-udp', remote: REMOTE })
    expect(steps.map(({ text }) => text).join('\n')).toContain('VRF 1 (red)')
  })

  it('tells where and why a packet ends', () => {
    const { steps, outcome } = engineWith(toUdp).explain({ from: 'port', port: 1, packet: probe('10.9.0.1') })
    expect(outcome).toEqual({ type: 'drop', reason: 'no-route' })
    expect(steps.at(-1)).toEqual({ step: 'lookup', text: 'no route to 10.9.0.1 in VRF 1 (red)' })
  })

  it('tells of a joint label that was passed over', () => {
    const source = REMOTE
    const behind = Uint8Array.from([0x00, 0x06, 0x41, 0x40, ...probe('10.0.0.1')])
    const answers = [
      { encapsulation: 'mpls-udp', packet: Uint8Array.from([0x0c, 0, 0, 1, ...behind]) } as const,
      { encapsulation: 'mpls-udp-joint', packet: behind } as const,
    ].map((input) => engineWith(toUdp).explain({ from: 'underlay', source, ...input }))
    expect(answers[0].steps[0]).toEqual({ step: 'parse outer', text: 'mpls-udp-joint from 192.0.2.2, 32 octets behind the headers' })
    expect(answers[0].outcome).toMatchObject({ type: 'deliver', port: 1 })
    expect(answers[1]).toEqual(answers[0])
  })

  // As the bottom of a stack the label is no joint label: who was told of it by an older release is served until it is taken away.
  it('serves the joint label that the process before had programmed, and has it taken away', () => {
    const before = { ...engineWith(toUdp).state(), devices: [] }
    const engine = new ForwardingEngine({ limits: LIMITS })
    engine.load({ ...before, labels: before.labels.map((object) => ({ ...object, label: 49_152 })) })
    const packet = Uint8Array.from([0x0c, 0x00, 0x01, 0x40, ...probe('10.0.0.1')])
    const outcome = () => engine.explain({ from: 'underlay', encapsulation: 'mpls-udp', source: REMOTE, packet }).outcome
    expect(outcome()).toMatchObject({ type: 'deliver', port: 1 })
    const none = { set: [], remove: [] }
    const around = { vrfs: none, ports: none, nextHops: none, groups: none, tunnelSources: none, vnis: none, routes: new RouteBatch() }
    expect(engine.apply({ ...around, generation: 2, labels: { set: [], remove: [49_152] } }).failures).toEqual([])
    expect(outcome()).toEqual({ type: 'drop', reason: 'label-unknown' })
    expect(engine.state().labels).toEqual([])
  })

  it('tells why a label is refused', () => {
    const packet = Uint8Array.from([0x00, 0x06, 0x41, 0x40, ...probe('10.0.0.1')])
    const source = IpAddress.parse('203.0.113.9')
    const { steps, outcome } = engineWith(toUdp).explain({ from: 'underlay', encapsulation: 'mpls-udp', source, packet })
    expect(outcome).toEqual({ type: 'drop', reason: 'tunnel-source' })
    expect(steps.at(-1)?.text).toBe('label 100 is not accepted from 203.0.113.9 (tunnel sources 1)')
  })

  it('counts nothing, and answers alike over the state alone', () => {
    const engine = engineWith(toUdp)
    const input = { from: 'port', port: 1, packet: probe('10.1.0.1') } as const
    const live = engine.explain(input)
    expect(engine.counters().ports.every((count) => count === 0)).toBe(true)
    const state = { ...engine.state(), devices: [] }
    expect(explain(state, input, { capabilities: { limits: LIMITS, encapsulations: ['mpls-udp'] } })).toEqual(live)
  })
})

// The runs of routes that were judged are kept for what is programmed: they are of one transaction alone.
it('programs the routes of the transaction that it is given, and not of the one that was judged last', () => {
  const engine = new ForwardingEngine({ limits: { ...LIMITS, routes: 2000 } })
  engine.apply(tables(toUdp))
  const hosts = (first: number): FibTransaction => {
    const routes = new RouteBatch()
    for (let host = 0; host < 600; host++) routes.pushWords(1, 4, first + host, 0, 0, 0, 32, 3)
    const none = { set: [], remove: [] }
    return { generation: 2, vrfs: none, ports: none, nextHops: none, groups: none, tunnelSources: none, labels: none, vnis: none, routes }
  }
  const [one, other] = [hosts(0x0a02_0000), hosts(0x0a03_0000)]
  for (const transaction of [one, other]) expect(engine.judge(transaction).status).toBe('applied')
  engine.commit(one)
  const { count, address } = engine.state().routes
  const programmed = Array.from({ length: count }, (_, row) => address[row * 4]).filter((w0) => w0 >= 0x0a02_0000)
  expect(programmed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, host) => 0x0a02_0000 + host))
})
