import type { PortObject, RateLimits } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { Observer } from '../observer.js'
import { TokenBucket } from '../oracle/rate.js'
import { startOverlay } from '../overlay.js'
import { echoRequest, labelled, TEST_PACKET_OVERHEAD, testPacket, testSegment } from '../packets.js'
import type { Tables } from '../tables.js'

const needs = { offers: ['rate-limit'] } as const
const ONE = '10.0.0.1'
const TWO = '10.0.0.2'
const FAR = '10.1.0.1'
const GATEWAY = '10.0.0.254'
/** Packets until one must have passed again, which takes 10 ms. */
const MOST_TRIES = 20_000

/** A limit that brings an octet back in eight seconds: cases stay some dozens away from where that would matter. */
const burst = (burstOctets: number): NonNullable<RateLimits['egress']> => ({ bitsPerSecond: 1, burstOctets })

/** IP packets of so many octets. */
const out = (octets: number, destination = FAR): Uint8Array =>
  testPacket({ source: ONE, destination, size: octets - TEST_PACKET_OVERHEAD[4] })
const back = (octets: number, source = FAR): Uint8Array => testPacket({ source, destination: ONE, size: octets - TEST_PACKET_OVERHEAD[4] })

interface Start {
  readonly tables: Tables
  /** Programs the overlay with other limits of ports, and whatever else. */
  readonly set: (limits: Readonly<Record<number, RateLimits>>, others?: Partial<Tables>) => Promise<void>
}

async function start(lab: Lab, limits: Readonly<Record<number, RateLimits>>): Promise<Start> {
  const tables = await startOverlay(lab, { gateways: [GATEWAY] })
  const set: Start['set'] = (next, others = {}) => {
    const { ports = tables.ports } = others
    const withLimits = (port: PortObject): PortObject => (next[port.id] === undefined ? port : { ...port, rateLimits: next[port.id] })
    return lab.program({ ...tables, ...others, ports: ports.map(withLimits) })
  }
  await set(limits)
  return { tables, set }
}

function receive(lab: Lab, packet: Uint8Array, label = 101): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], packet) })
}

export const rateLimitCases: readonly ConformanceCase[] = [
  {
    name: 'rate limit: what an endpoint sends at once passes while it is less than the burst, the last packet whole',
    needs,
    async run(lab) {
      const { set } = await start(lab, { 1: { egress: burst(2000) } })
      expectSent(await lab.fromPort(1, out(1000)), lab.peers[0])
      expectSent(await lab.fromPort(1, out(900)), lab.peers[0])
      expectSent(await lab.fromPort(1, out(1200)), lab.peers[0])
      for (const octets of [1200, 28]) expectDropped(await lab.fromPort(1, out(octets)), 'egress-rate')
      const six = testPacket({ source: 'fd00::1', destination: 'fd01::1' })
      expectDropped(await lab.fromPort(1, six), 'egress-rate')
      await set({ 1: { egress: burst(1) } })
      expectSent(await lab.fromPort(1, six), lab.peers[0])
      expectDropped(await lab.fromPort(1, six), 'egress-rate')
    },
  },
  {
    name: 'rate limit: what is delivered to an endpoint counts, whichever way it came',
    needs,
    async run(lab) {
      for (const label of [101, 110]) {
        await start(lab, { 1: { ingress: burst(1500 + label) } })
        expectDelivered(await receive(lab, back(1000), label), 1)
        expectDelivered(await lab.fromPort(2, back(1000, TWO)), 1)
        expectDropped(await receive(lab, back(28), label), 'ingress-rate')
        expectDropped(await lab.fromPort(2, back(28, TWO)), 'ingress-rate')
      }
    },
  },
  {
    name: 'rate limit: directions and ports each have their own',
    needs,
    async run(lab) {
      await start(lab, { 1: { egress: burst(50), ingress: burst(300) }, 2: { egress: burst(1200) } })
      const fromTwo = (destination: string): Uint8Array => testPacket({ source: TWO, destination, size: 500 })
      expectSent(await lab.fromPort(1, out(100)), lab.peers[0])
      expectDropped(await lab.fromPort(1, out(100)), 'egress-rate')
      expectDelivered(await receive(lab, back(200)), 1)
      expectSent(await lab.fromPort(2, fromTwo(FAR)), lab.peers[0])
      expectDelivered(await lab.fromPort(2, fromTwo(ONE)), 1)
      expectDropped(await receive(lab, back(200)), 'ingress-rate')
      // What the other end may not get has been sent all the same.
      expectDropped(await lab.fromPort(2, fromTwo(ONE)), 'ingress-rate')
      expectDropped(await lab.fromPort(2, fromTwo(FAR)), 'egress-rate')
      expectSent(await lab.fromPort(3, out(1000)), lab.peers[0])
      expectDelivered(await receive(lab, back(1000), 103), 3)
    },
  },
  {
    name: 'rate limit: what an endpoint may not send, and what cannot be delivered, counts for nothing; a ping to a gateway counts',
    needs,
    async run(lab) {
      await start(lab, { 1: { egress: burst(100), ingress: burst(50) } })
      expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.9', destination: FAR, size: 500 })), 'source-address')
      expectDropped(await receive(lab, testPacket({ source: FAR, destination: ONE, ttl: 1 })), 'ttl-expired')
      const ping = echoRequest(IpAddress.parse(ONE), IpAddress.parse(GATEWAY))
      for (let sent = 0; sent < 100; sent += ping.length) expectDelivered(await lab.fromPort(1, ping), 1)
      expectDropped(await lab.fromPort(1, ping), 'egress-rate')
      expectDelivered(await receive(lab, back(100)), 1)
      expectDropped(await receive(lab, back(100)), 'ingress-rate')
    },
  },
  {
    name: 'rate limit: what it drops opens no flow, and what a policy drops counts',
    needs: { offers: ['rate-limit', 'policy'] },
    async run(lab) {
      const allow = { verdict: 'allow', protocol: 6 } as const
      const policies = [
        { id: 1, port: 1, direction: 'egress', rules: [allow], defaultVerdict: 'deny' },
        { id: 2, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' },
      ] as const
      const { tables, set } = await start(lab, {})
      const ports = tables.ports.map((port) => (port.id === 1 ? { ...port, maxFlows: 2 } : port))
      const syn = (sourcePort: number): Uint8Array => testSegment({ source: ONE, destination: FAR, sourcePort })
      await set({ 1: { egress: burst(1), ingress: burst(1) } }, { ports, policies })
      expectSent(await lab.fromPort(1, syn(1)), lab.peers[0])
      expectDropped(await lab.fromPort(1, syn(2)), 'egress-rate')
      expectDropped(await receive(lab, back(100)), 'policy')
      expectDropped(await receive(lab, back(100)), 'ingress-rate')
      await set({}, { ports, policies })
      expectSent(await lab.fromPort(1, syn(3)), lab.peers[0])
      expectDropped(await lab.fromPort(1, syn(4)), 'flow-limit')
    },
  },
  {
    name: 'rate limit: one that is set again as it was goes on, another one begins with its burst, and none is none',
    needs,
    async run(lab) {
      const first = { egress: burst(50), ingress: burst(50) }
      const { tables, set } = await start(lab, { 1: first })
      expectSent(await lab.fromPort(1, out(100)), lab.peers[0])
      expectDelivered(await receive(lab, back(100)), 1)
      await set({ 1: first }, { routes: [...tables.routes, { vrf: 1, prefix: '10.9.0.0/16', group: 11 }] })
      expectDropped(await lab.fromPort(1, out(100, '10.9.0.1')), 'egress-rate')
      await set({ 1: { ...first, egress: burst(51) } })
      expectSent(await lab.fromPort(1, out(100)), lab.peers[0])
      expectDropped(await lab.fromPort(1, out(100)), 'egress-rate')
      expectDropped(await receive(lab, back(100)), 'ingress-rate')
      await set({})
      for (let packet = 0; packet < 5; packet++) expectSent(await lab.fromPort(1, out(1000)), lab.peers[0])
      expectDelivered(await receive(lab, back(1000)), 1)
      await set({ 1: first })
      expectSent(await lab.fromPort(1, out(100)), lab.peers[0])
      expectDropped(await lab.fromPort(1, out(100)), 'egress-rate')
      await lab.program({ ...tables, ports: tables.ports.filter(({ id }) => id === 3), nextHops: [], groups: [], labels: [], routes: [] })
      await set({ 1: first })
      await lab.attach()
      expectSent(await lab.fromPort(1, out(100)), lab.peers[0])
    },
  },
  {
    name: 'rate limit: a packet that it drops counts at the port that sent it',
    needs,
    async run(lab) {
      await start(lab, { 1: { egress: burst(1), ingress: burst(1) } })
      for (let packet = 0; packet < 3; packet++) await lab.fromPort(1, out(100))
      for (let packet = 0; packet < 3; packet++) await lab.fromPort(2, back(200, TWO))
      const { portIds, ports } = await lab.harness.dataplane.counters()
      const rowOf = (port: number): number[] => [...ports.subarray(portIds.indexOf(port) * 5, portIds.indexOf(port) * 5 + 5)]
      checkEqual(rowOf(1), [3, 300, 1, 200, 2], 'counters of port 1')
      checkEqual(rowOf(2), [3, 600, 0, 0, 2], 'counters of port 2')
    },
  },
  {
    name: 'rate limit: a trace tells the packet that it drops, and where',
    needs: { offers: ['rate-limit', 'trace'] },
    async run(lab) {
      await using observer = new Observer(lab)
      const { set } = await start(lab, {})
      await set({ 1: { egress: burst(1), ingress: burst(1) } }, { traces: [{ id: 1, filter: { ends: [IpPrefix.parse(ONE)] } }] })
      for (let packet = 0; packet < 2; packet++) {
        await lab.fromPort(1, out(100))
        await receive(lab, back(100))
      }
      const told = await observer.packets(4)
      checkEqual(
        told.map(({ outcome, reason = '', steps }) => [outcome, reason, outcome === 'drop' ? steps.at(-1)?.step : '']),
        [
          ['send', '', ''],
          ['deliver', '', ''],
          ['drop', 'egress-rate', 'port'],
          ['drop', 'ingress-rate', 'deliver'],
        ],
        'packets',
      )
    },
  },
  {
    name: 'rate limit: time brings back what passed',
    needs,
    async run(lab) {
      await start(lab, { 1: { egress: { bitsPerSecond: 800_000, burstOctets: 1000 } } })
      let passed = 0
      for (let tries = 0; passed < 3 && tries < MOST_TRIES; tries++) {
        const { outputs, drops } = await lab.fromPort(1, out(1000))
        checkEqual(outputs.length + (drops.get('egress-rate') ?? 0), 1, 'packets that passed or were dropped')
        passed += outputs.length
        lab.harness.advance?.(1)
      }
      checkEqual(passed, 3, `packets that passed of ${MOST_TRIES}`)
    },
  },
  {
    name: 'property: what passes as time goes by is what a bucket of tokens lets pass, packet by packet',
    needs: { offers: ['rate-limit'], features: ['clock'] },
    async run(lab) {
      const { set } = await start(lab, {})
      // Of these, no time of a packet is rounded.
      const limit = fc.record({
        bitsPerSecond: fc.constantFrom(1000, 64_000, 1_000_000, 8_000_000, 100_000_000),
        burstOctets: fc.integer({ min: 1, max: 5000 }),
      })
      const packet = fc.record({
        port: fc.constantFrom(1, 2),
        isOut: fc.boolean(),
        octets: fc.integer({ min: 28, max: 1400 }),
        milliseconds: fc.oneof(fc.constant(0), fc.constantFrom(1, 2, 10, 100, 1000, 60_000)),
      })
      const limits = fc.tuple(limit, limit, limit, limit)
      let now = 0n
      await fc.assert(
        fc.asyncProperty(limits, fc.array(packet, { minLength: 30, maxLength: 30 }), async ([a, b, c, d], packets) => {
          await set({})
          await set({ 1: { egress: a, ingress: b }, 2: { egress: c, ingress: d } })
          const buckets = [a, b, c, d].map(({ bitsPerSecond, burstOctets }) => new TokenBucket(bitsPerSecond, burstOctets))
          for (const { port, isOut, octets, milliseconds } of packets) {
            lab.harness.advance?.(milliseconds)
            now += BigInt(milliseconds) * 1_000_000n
            const own = port === 1 ? ONE : TWO
            const [source, destination] = isOut ? [own, FAR] : [FAR, own]
            const one = testPacket({ source, destination, size: octets - TEST_PACKET_OVERHEAD[4] })
            const observed = await (isOut ? lab.fromPort(port, one) : receive(lab, one, 100 + port))
            const passes = buckets[(port - 1) * 2 + (isOut ? 0 : 1)].take(now, octets)
            if (!passes) expectDropped(observed, isOut ? 'egress-rate' : 'ingress-rate')
            else if (isOut) expectSent(observed, lab.peers[0])
            else expectDelivered(observed, port)
          }
        }),
        { numRuns: Math.ceil(lab.runs / 8) },
      )
    },
  },
]
