import type { PolicyObject, PolicyRule } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { startOverlay } from '../overlay.js'
import { labelled, testPacket, testSegment } from '../packets.js'
import { MOST_EXTENSIONS, partOf, testIcmp, withExtensions, withOptions, type TestExtension } from '../packets-of-flows.js'
import { only } from '../tables.js'

const needs = { offers: ['policy'] } as const
const ONE = '10.0.0.1'
const FAR = '10.1.0.1'
const WEB = { first: 80, last: 80 }

type Part = Pick<PolicyObject, 'direction' | 'rules'> & Partial<PolicyObject>

/** The overlay with policies of port 1, by default those that deny what no rule allows. */
async function startWith(lab: Lab, parts: readonly Part[], maxFlows?: number): Promise<(next: readonly Part[]) => Promise<void>> {
  const tables = await startOverlay(lab)
  const ports = tables.ports.map((port) => (port.id === 1 && maxFlows !== undefined ? { ...port, maxFlows } : port))
  const set = (list: readonly Part[]): Promise<void> =>
    lab.program({ ...tables, ports, policies: list.map((part, id) => ({ id, port: 1, defaultVerdict: 'deny', ...part })) })
  await set(parts)
  return set
}

function send(lab: Lab, packet: Uint8Array): Promise<Observed> {
  return lab.fromPort(1, packet)
}

function receive(lab: Lab, packet: Uint8Array, label = 101): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], packet) })
}

const syn = (port = 40_000): Uint8Array => testSegment({ source: ONE, destination: FAR, sourcePort: port })
const reply = (port = 40_000): Uint8Array =>
  testSegment({ source: FAR, destination: ONE, sourcePort: 80, destinationPort: port, flags: 18 })

export const policyCases: readonly ConformanceCase[] = [
  {
    name: 'policy: the first rule that fits counts, and the default where none does',
    needs,
    async run(lab) {
      const rules: PolicyRule[] = [
        { verdict: 'deny', peers: [IpPrefix.parse('10.1.0.0/31')], protocol: 17 },
        { verdict: 'allow', peers: [IpPrefix.parse('10.1.0.0/24'), IpPrefix.parse('fd01::/64')] },
        { verdict: 'deny' },
      ]
      await startWith(lab, [{ direction: 'egress', rules, defaultVerdict: 'allow' }])
      expectDropped(await send(lab, testPacket({ source: ONE, destination: FAR })), 'policy')
      expectSent(await send(lab, syn()), lab.peers[0])
      expectSent(await send(lab, testPacket({ source: 'fd00::1', destination: 'fd01::1' })), lab.peers[0])
      expectDropped(await send(lab, testPacket({ source: ONE, destination: '10.0.0.2' })), 'policy')
      expectDelivered(await lab.fromPort(2, testPacket({ source: '10.0.0.2', destination: ONE })), 1)
    },
  },
  {
    name: 'policy: replies pass against the rules, what is no reply does not',
    needs,
    async run(lab) {
      await startWith(lab, [
        { direction: 'egress', rules: [{ verdict: 'allow', protocol: 6, ports: [WEB] }] },
        { direction: 'ingress', rules: [] },
      ])
      for (const label of [101, 110]) {
        const port = 40_000 + label
        expectDropped(await receive(lab, reply(port), label), 'policy')
        expectSent(await send(lab, syn(port)), lab.peers[0])
        expectDelivered(await receive(lab, reply(port), label), 1)
        expectDropped(await receive(lab, reply(port + 1000), label), 'policy')
        expectDropped(await receive(lab, testPacket({ source: FAR, destination: ONE, sourcePort: 80, destinationPort: port })), 'policy')
      }
      expectDropped(await send(lab, testSegment({ source: ONE, destination: FAR, destinationPort: 81 })), 'policy')
    },
  },
  {
    name: 'policy: what may be opened from outside is answered, and nothing is opened from inside',
    needs,
    async run(lab) {
      await startWith(lab, [
        {
          direction: 'ingress',
          rules: [{ verdict: 'allow', protocol: 17, ports: [{ first: 53, last: 53 }], sourcePorts: [{ first: 1024, last: 65_535 }] }],
        },
        { direction: 'egress', rules: [] },
      ])
      const query = { source: FAR, destination: ONE, sourcePort: 5000, destinationPort: 53 }
      const answer = { source: ONE, destination: FAR, sourcePort: 53, destinationPort: 5000 }
      expectDropped(await send(lab, testPacket(answer)), 'policy')
      expectDropped(await receive(lab, testPacket({ ...query, sourcePort: 53 })), 'policy')
      expectDelivered(await receive(lab, testPacket(query)), 1)
      expectSent(await send(lab, testPacket(answer)), lab.peers[0])
    },
  },
  {
    name: 'policy: between two endpoints of one router, the one’s egress and the other’s ingress both count',
    needs,
    async run(lab) {
      const allow: PolicyRule = { verdict: 'allow', ports: [WEB] }
      const set = await startWith(lab, [
        { direction: 'egress', rules: [allow] },
        { port: 2, direction: 'ingress', rules: [] },
      ])
      const packet = testSegment({ source: ONE, destination: '10.0.0.2' })
      expectDropped(await send(lab, packet), 'policy')
      await set([
        { direction: 'egress', rules: [] },
        { port: 2, direction: 'ingress', rules: [allow] },
      ])
      expectDropped(await send(lab, packet), 'policy')
      await set([
        { direction: 'egress', rules: [allow] },
        { port: 2, direction: 'ingress', rules: [allow] },
        { port: 2, direction: 'egress', rules: [] },
      ])
      expectDelivered(await send(lab, packet), 2)
      const back = testSegment({ source: '10.0.0.2', destination: ONE, sourcePort: 80, destinationPort: 40_000, flags: 18 })
      expectDelivered(await lab.fromPort(2, back), 1)
      expectDropped(await lab.fromPort(2, testSegment({ source: '10.0.0.2', destination: ONE })), 'policy')
    },
  },
  {
    name: 'policy: ICMP is judged by type and code, an echo by its identifier',
    needs,
    async run(lab) {
      await startWith(lab, [
        { direction: 'egress', rules: [{ verdict: 'allow', protocol: 1, icmpTypes: [{ type: 8 }, { type: 13, code: 0 }] }] },
        { direction: 'ingress', rules: [] },
      ])
      const out = { source: ONE, destination: FAR }
      const back = { source: FAR, destination: ONE }
      expectSent(await send(lab, testIcmp({ ...out, type: 8, rest: 0x10_0001 })), lab.peers[0])
      expectDelivered(await receive(lab, testIcmp({ ...back, type: 0, rest: 0x10_0001 })), 1)
      expectDropped(await receive(lab, testIcmp({ ...back, type: 0, rest: 0x11_0001 })), 'policy')
      expectSent(await send(lab, testIcmp({ ...out, type: 13 })), lab.peers[0])
      expectDropped(await send(lab, testIcmp({ ...out, type: 13, code: 1 })), 'policy')
      expectDropped(await receive(lab, testIcmp({ ...back, type: 14 })), 'policy')
    },
  },
  {
    name: 'policy: an ICMP error about an allowed flow passes, one about anything else is judged',
    needs,
    async run(lab) {
      await startWith(lab, [
        { direction: 'egress', rules: [{ verdict: 'allow' }] },
        { direction: 'ingress', rules: [] },
      ])
      const about = (body: Uint8Array, type = 3): Uint8Array => testIcmp({ source: '10.1.0.7', destination: ONE, type, code: 4, body })
      expectDropped(await receive(lab, about(syn())), 'policy')
      expectSent(await send(lab, syn()), lab.peers[0])
      expectDelivered(await receive(lab, about(syn())), 1)
      expectDelivered(await receive(lab, about(syn().subarray(0, 28), 11)), 1)
      expectDropped(await receive(lab, about(syn().subarray(0, 27))), 'policy')
      expectDropped(await receive(lab, about(syn(40_001))), 'policy')
      expectDropped(await receive(lab, testIcmp({ source: '10.1.0.7', destination: ONE, type: 8, body: syn() })), 'policy')
    },
  },
  {
    name: 'policy: an ICMP error is related to a flow only if it goes to whom the packet came from that it quotes; any other is judged',
    needs,
    async run(lab) {
      const families = [
        { one: ONE, far: FAR, another: '10.0.0.2', router: '10.1.0.7', types: [3, 11] },
        { one: 'fd00::1', far: 'fd01::1', another: 'fd00::2', router: 'fd01::7', types: [1, 3] },
      ]
      const opens: PolicyRule[] = [
        { verdict: 'allow', protocol: 6, ports: [WEB], peers: families.map(({ far }) => IpPrefix.parse(far)) },
        { verdict: 'allow', protocol: 1, icmpTypes: [{ type: 11 }] },
        { verdict: 'allow', protocol: 58, icmpTypes: [{ type: 3 }] },
      ]
      for (const opener of ['egress', 'ingress'] as const) {
        await startWith(lab, [
          { direction: opener, rules: opens },
          { direction: opener === 'egress' ? 'ingress' : 'egress', rules: [] },
        ])
        for (const { one, far, another, router, types } of families) {
          const [unreachable, expired] = types
          const [client, server] = opener === 'egress' ? [one, far] : [far, one]
          const request = testSegment({ source: client, destination: server, sourcePort: 40_000 })
          const answer = testSegment({ source: server, destination: client, sourcePort: 80, destinationPort: 40_000, flags: 18 })
          const [out, back] = opener === 'egress' ? [request, answer] : [answer, request]
          const to = (destination: string, body: Uint8Array, type = unreachable): Promise<Observed> =>
            send(lab, testIcmp({ source: one, destination, type, body }))
          const from = (source: string, body: Uint8Array, type = unreachable): Promise<Observed> =>
            receive(lab, testIcmp({ source, destination: one, type, body }))
          if (opener === 'egress') expectSent(await send(lab, request), lab.peers[0])
          else expectDelivered(await receive(lab, request), 1)
          for (const quoted of [out, back]) expectDropped(await to(another, quoted), 'policy')
          expectDropped(await to(far, out), 'policy')
          expectSent(await to(far, back), lab.peers[0])
          for (const source of [far, router, another]) {
            expectDelivered(await from(source, out), 1)
            expectDropped(await from(source, back), 'policy')
          }
          if (opener === 'egress') expectDelivered(await to(another, back, expired), 2)
          else expectDelivered(await from(router, back, expired), 1)
        }
      }
    },
  },
  {
    name: 'policy: fragments follow their first one, and are dropped as fragment without it',
    needs,
    async run(lab) {
      await startWith(lab, [{ direction: 'egress', rules: [{ verdict: 'allow', ports: [{ first: 9, last: 9 }] }] }])
      for (const [source, destination] of [
        [ONE, FAR],
        ['fd00::1', 'fd01::1'],
      ]) {
        const [allowed, denied] = [9, 10].map((destinationPort) => testPacket({ source, destination, destinationPort, size: 40 }))
        expectDropped(await send(lab, partOf(allowed, { offset: 24 })), 'fragment')
        expectSent(await send(lab, partOf(allowed, { offset: 0, size: 24 })), lab.peers[0])
        expectSent(await send(lab, partOf(allowed, { offset: 24 })), lab.peers[0])
        expectDropped(await send(lab, partOf(allowed, { offset: 24, identification: 8 })), 'fragment')
        expectDropped(await send(lab, partOf(denied, { offset: 0, size: 24, identification: 9 })), 'policy')
        expectDropped(await send(lab, partOf(denied, { offset: 24, identification: 9 })), 'fragment')
        const segment = testSegment({ source, destination, size: 40 })
        expectDropped(await send(lab, partOf(segment, { offset: 0, size: 8 })), 'fragment')
        expectDropped(await send(lab, partOf(segment, { offset: 8 })), 'fragment')
      }
    },
  },
  {
    name: 'policy: fragments follow a first one whose ports are behind extension headers (RFC 8200 §4.5)',
    needs,
    async run(lab) {
      await startWith(lab, [{ direction: 'egress', rules: [{ verdict: 'allow', ports: [{ first: 9, last: 9 }] }] }])
      const packet = withOptions(testPacket({ source: 'fd00::1', destination: 'fd01::1', size: 40 }))
      expectDropped(await send(lab, partOf(packet, { offset: 24 })), 'fragment')
      for (const part of [{ offset: 0, size: 24 }, { offset: 24 }]) expectSent(await send(lab, partOf(packet, part)), lab.peers[0])
      const plain = testPacket({ source: 'fd00::1', destination: 'fd01::1', size: 40 })
      expectDropped(await send(lab, partOf(plain, { offset: 24 })), 'fragment')
    },
  },
  {
    name: 'policy: ports count behind extension headers; those of a packet with more of them than are looked through are not known',
    needs,
    async run(lab) {
      await startWith(lab, [
        { direction: 'egress', rules: [{ verdict: 'allow', ports: [{ first: 9, last: 9 }] }] },
        { direction: 'ingress', rules: [] },
      ])
      const ends = { source: 'fd00::1', destination: 'fd01::1' }
      const [allowed, denied] = [9, 10].map((destinationPort) => testPacket({ ...ends, destinationPort }))
      const replied = testPacket({ source: 'fd01::1', destination: 'fd00::1', sourcePort: 9, destinationPort: 40_000 })
      const chain = (count: number): readonly TestExtension[] =>
        ([0, 43, 60, 60, 43, 60, 60, 60, 60] as const).slice(0, count).map((protocol, index) => ({ protocol, units: index % 2 }))
      for (const count of [1, 3, MOST_EXTENSIONS]) {
        expectDropped(await send(lab, withExtensions(denied, chain(count))), 'policy')
        expectSent(await send(lab, withExtensions(allowed, chain(count))), lab.peers[0])
        // It is the flow of its ports, whatever stands before them.
        expectDelivered(await receive(lab, withExtensions(replied, chain(count))), 1)
        expectDelivered(await receive(lab, replied), 1)
      }
      const many = chain(MOST_EXTENSIONS + 1)
      // Hop-by-hop options stand first or not at all (RFC 8200 §4.1).
      for (const extensions of [many, [{ protocol: 60 }, { protocol: 0 }] as const]) {
        const packet = withExtensions(allowed, extensions)
        expectDropped(await send(lab, packet), 'fragment')
        expectDropped(await receive(lab, withExtensions(replied, extensions)), 'fragment')
        // Who has no policy is not asked for ports.
        const other = { source: 'fd00::2', destination: 'fd01::1' }
        expectSent(await lab.fromPort(2, withExtensions(testPacket(other), extensions)), lab.peers[0])
        expectDelivered(await receive(lab, withExtensions(testPacket({ source: 'fd01::1', destination: 'fd00::2' }), extensions), 102), 2)
      }
    },
  },
  {
    name: 'policy: flows that a changed policy does not allow any more end, the others go on',
    needs,
    async run(lab) {
      const set = await startWith(lab, [
        { direction: 'egress', rules: [{ verdict: 'allow' }] },
        { direction: 'ingress', rules: [] },
      ])
      expectSent(await send(lab, syn(40_000)), lab.peers[0])
      expectSent(await send(lab, syn(50_000)), lab.peers[0])
      await set([
        { direction: 'egress', rules: [{ verdict: 'allow', sourcePorts: [{ first: 50_000, last: 50_000 }] }] },
        { direction: 'ingress', rules: [] },
      ])
      expectDropped(await receive(lab, reply(40_000)), 'policy')
      expectDelivered(await receive(lab, reply(50_000)), 1)
      await set([])
      expectDelivered(await receive(lab, reply(40_000)), 1)
      await set([{ direction: 'ingress', rules: [] }])
      expectDropped(await receive(lab, reply(50_000)), 'policy')
    },
  },
  {
    name: 'policy: flows of a port end when one of its addresses goes, and outlive one that comes',
    needs,
    async run(lab) {
      const tables = await startOverlay(lab)
      const setSources = (...sources: readonly string[]): Promise<void> =>
        lab.program({
          ...tables,
          ports: tables.ports.map((port) =>
            port.id === 1 ? { ...port, allowedSources: sources.map((source) => IpPrefix.parse(source)) } : port,
          ),
          policies: [{ id: 0, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' }],
        })
      await setSources(ONE)
      expectSent(await send(lab, syn()), lab.peers[0])
      await setSources(ONE, '10.0.0.7')
      expectDelivered(await receive(lab, reply()), 1)
      // Whoever has the port now did not open the connection.
      await setSources('10.0.0.7')
      expectDropped(await receive(lab, reply()), 'policy')
      await setSources('10.0.0.7', ONE)
      expectDropped(await receive(lab, reply()), 'policy')
    },
  },
  {
    name: 'policy: a port remembers as many flows as it may, and known ones go on',
    needs,
    async run(lab) {
      await startWith(lab, [{ direction: 'egress', rules: [{ verdict: 'allow' }] }], 2)
      expectSent(await send(lab, syn(1)), lab.peers[0])
      expectSent(await send(lab, syn(2)), lab.peers[0])
      expectDropped(await send(lab, syn(3)), 'flow-limit')
      expectSent(await send(lab, syn(1)), lab.peers[0])
      expectDelivered(await receive(lab, reply(2)), 1)
    },
  },
  {
    name: 'policy: malformed policies are refused, two for one direction of a port too',
    needs,
    async run(lab) {
      await startWith(lab, [{ direction: 'egress', rules: [] }])
      const { dataplane } = lab.harness
      const policy: PolicyObject = { id: 7, port: 1, direction: 'ingress', rules: [], defaultVerdict: 'deny' }
      const bad: readonly (readonly [string, PolicyObject])[] = [
        ['dataplane.range', { ...policy, rules: [{ verdict: 'deny', protocol: 256 }] }],
        ['dataplane.range', { ...policy, rules: [{ verdict: 'deny', ports: [{ first: 2, last: 1 }] }] }],
        ['dataplane.range', { ...policy, rules: [{ verdict: 'deny', sourcePorts: [{ first: 0, last: 65_536 }] }] }],
        ['dataplane.range', { ...policy, rules: [{ verdict: 'deny', icmpTypes: [{ type: -1 }] }] }],
        ['dataplane.range', { ...policy, direction: 'egress' }],
        ['dataplane.dangling-reference', { ...policy, port: 99 }],
      ]
      for (const [code, object] of bad) {
        const report = await dataplane.apply(only(lab.generation + 1, { policies: { set: [object], remove: [] } }))
        checkEqual([report.status, ...report.failures.map((failure) => failure.code)], ['refused', code], JSON.stringify(object))
      }
      const report = await dataplane.apply(only(lab.generation + 1, { ports: { set: [], remove: [1] } }))
      checkEqual(report.status, 'refused', 'removing a port that has a policy')
    },
  },
]
