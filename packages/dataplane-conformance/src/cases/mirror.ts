import type { MirrorObject, PolicyRule } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { arbitraryInput } from '../arbitrary/packets.js'
import { arbitraryMirrors } from '../arbitrary/mirrors.js'
import { arbitraryTables, PORTS } from '../arbitrary/tables.js'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab, type Observed } from '../lab.js'
import { checkCopies, Observer, type Copy } from '../observer.js'
import type { ErspanCopy } from '../oracle/erspan.js'
import { readIp } from '../oracle/ip.js'
import { startOverlay } from '../overlay.js'
import { echoRequest, labelled, testPacket, testSegment } from '../packets.js'
import { partOf, testIcmp } from '../packets-of-flows.js'
import { only, type Tables } from '../tables.js'
import { isLeftToHost, sendInput, surroundings } from './surroundings.js'

const needs = { offers: ['mirror'] } as const
const ONE = '10.0.0.1'
const FAR = '10.1.0.1'
const GATEWAY = '10.0.0.254'
const STREAM = { type: 'stream' } as const

/** The overlay with mirrors, and an observer of them. */
async function startWith(
  lab: Lab,
  mirrors: readonly MirrorObject[],
  rules?: readonly PolicyRule[],
  mtu = 1400,
): Promise<readonly [Observer, Tables]> {
  const observer = new Observer(lab)
  const tables = await startOverlay(lab, { gateways: [GATEWAY], mtu })
  const policy = (direction: 'egress' | 'ingress', id: number) =>
    ({ id, port: 1, direction, rules: rules ?? [], defaultVerdict: 'deny' }) as const
  const policies = rules === undefined ? {} : { policies: [policy('egress', 0), policy('ingress', 1)] }
  const all = { ...tables, mirrors, ...policies }
  await lab.program(all)
  return [observer, all]
}

function receive(lab: Lab, packet: Uint8Array): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 101 }], packet) })
}

/** The packet as it is after a router. */
function hopped(packet: Uint8Array): Uint8Array {
  const after = packet.slice()
  after[8]--
  const sum = after[10] * 256 + after[11] + 256
  after.set([((sum & 0xffff) + (sum >> 16)) >> 8, ((sum & 0xffff) + (sum >> 16)) & 255], 10)
  return after
}

function copiesOf(to: string, port: number, direction: Copy['direction'], packets: readonly Uint8Array[]): Copy[] {
  return packets.map((packet) => ({ to, port, direction, packet }))
}

export const mirrorCases: readonly ConformanceCase[] = [
  {
    name: 'mirror: a stream has what a port sends as it sent it, and what it gets as it gets it',
    needs,
    async run(lab) {
      const [observer] = await startWith(lab, [{ id: 7, ports: [{ port: 1, direction: 'both' }], sink: STREAM }])
      await using _ = observer
      const out = testPacket({ source: ONE, destination: FAR })
      const lost = testPacket({ source: ONE, destination: '10.77.0.1' })
      const spoofed = testPacket({ source: '10.9.9.9', destination: FAR })
      const back = testPacket({ source: FAR, destination: ONE })
      const near = testPacket({ source: '10.0.0.2', destination: ONE })
      const ping = echoRequest(IpAddress.parse(ONE), IpAddress.parse(GATEWAY))
      expectSent(await lab.fromPort(1, out), lab.peers[0])
      expectDropped(await lab.fromPort(1, lost), 'no-route')
      expectDropped(await lab.fromPort(1, spoofed), 'source-address')
      const pong = expectDelivered(await lab.fromPort(1, ping), 1)
      expectDelivered(await receive(lab, back), 1)
      expectDelivered(await lab.fromPort(2, near), 1)
      expectDelivered(await lab.fromPort(1, testPacket({ source: ONE, destination: '10.0.0.2' })), 2)
      const copies = await observer.copies(8)
      checkCopies(copies, [
        ...copiesOf('mirror 7', 1, 'egress', [out, lost, spoofed, ping, testPacket({ source: ONE, destination: '10.0.0.2' })]),
        ...copiesOf('mirror 7', 1, 'ingress', [pong, hopped(back), hopped(near)]),
      ])
    },
  },
  {
    name: 'mirror: copies count from 0 without a gap, and are cut to the snap length',
    needs,
    async run(lab) {
      const [observer, tables] = await startWith(lab, [{ id: 7, ports: [{ port: 1, direction: 'egress' }], snapLength: 30, sink: STREAM }])
      await using _ = observer
      const packet = testPacket({ source: ONE, destination: FAR, size: 100 })
      for (let turn = 0; turn < 3; turn++) await lab.fromPort(1, packet)
      await observer.streamed(3)
      const seen = observer.mirrored.map(({ sequence, length, packet: copy }) => ({ sequence, length, copy }))
      const expected = [0, 1, 2].map((sequence) => ({ sequence, length: 128, copy: packet.slice(0, 30) }))
      checkEqual(seen, expected, 'copies')
      const times = observer.mirrored.map(({ time }) => time)
      checkEqual(
        times,
        times.toSorted((a, b) => a - b),
        'times',
      )
      await lab.program({ ...tables, mirrors: [] })
      await lab.fromPort(1, packet)
      await lab.program({ ...tables, mirrors: [{ id: 7, ports: [{ port: 1, direction: 'egress' }], sink: STREAM }] })
      await lab.fromPort(1, packet)
      await observer.streamed(4)
      checkEqual([observer.mirrored[3].sequence, observer.mirrored[3].packet], [0, packet], 'first copy of a mirror that was made again')
    },
  },
  {
    name: 'mirror: a collector gets ERSPAN frames, cut to what the underlay takes, whatever becomes of the packet',
    needs: { ...needs, encapsulations: ['mpls-gre'] },
    async run(lab) {
      const sink = { type: 'erspan', local: lab.local, remote: lab.peers[1], session: 1023 } as const
      const [observer] = await startWith(lab, [{ id: 7, ports: [{ port: 1, direction: 'both' }], sink }], undefined, 1500)
      await using _ = observer
      const small = testPacket({ source: ONE, destination: FAR })
      const large = testPacket({ source: ONE, destination: FAR, size: 1472 })
      const back = testPacket({ source: FAR, destination: ONE })
      const frames = async (count: number): Promise<readonly ErspanCopy[]> => {
        const copies = await observer.collect(count)
        return copies.splice(0)
      }
      // Dataplanes sent it with different ones.
      const outer = lab.harness.features.has('outer-header') ? { ttl: 64 } : {}
      const common = { collector: String(lab.peers[1]), ...outer, session: 1023 }
      expectSent(await lab.fromPort(1, small), lab.peers[0])
      expectDelivered(await receive(lab, back), 1)
      checkEqual(
        await frames(2),
        [
          { ...common, sequence: 0, port: 1, direction: 'egress', isCut: false, packet: small },
          { ...common, sequence: 1, port: 1, direction: 'ingress', isCut: false, packet: hopped(back) },
        ],
        'frames',
      )
      expectDropped(await lab.fromPort(1, large), 'mtu-exceeded')
      const room = lab.harness.underlayMtu - (lab.family === 4 ? 20 : 40) - 30
      const [cut] = await frames(1)
      checkEqual(cut, { ...common, sequence: 2, port: 1, direction: 'egress', isCut: true, packet: large.slice(0, room) }, 'a long frame')
    },
  },
  {
    name: 'mirror: a rule copies the flows that it judges, both ways, with their errors and fragments, and those that it denies',
    needs: { offers: ['mirror', 'mirror-rules', 'policy'] },
    async run(lab) {
      const rules: PolicyRule[] = [
        { verdict: 'allow', protocol: 6, mirror: 7 },
        { verdict: 'deny', protocol: 17, ports: [{ first: 53, last: 53 }], mirror: 8 },
        { verdict: 'allow' },
      ]
      const mirrors = [7, 8].map((id) => ({ id, ports: [], sink: STREAM }))
      const [observer, tables] = await startWith(lab, mirrors, rules)
      await using _ = observer
      const syn = testSegment({ source: ONE, destination: FAR })
      const reply = testSegment({ source: FAR, destination: ONE, sourcePort: 80, destinationPort: 40_000, flags: 18 })
      const error = testIcmp({ source: '10.77.0.1', destination: ONE, type: 3, code: 1, body: hopped(syn) })
      const dns = testPacket({ source: ONE, destination: FAR, destinationPort: 53 })
      const whole = testSegment({ source: ONE, destination: FAR, sourcePort: 40_001, size: 120, dontFragment: false })
      const parts = [partOf(whole, { offset: 0, size: 64 }), partOf(whole, { offset: 64 })]
      expectSent(await lab.fromPort(1, syn), lab.peers[0])
      expectDelivered(await receive(lab, reply), 1)
      expectDelivered(await receive(lab, error), 1)
      expectDropped(await lab.fromPort(1, dns), 'policy')
      expectSent(await lab.fromPort(1, testPacket({ source: ONE, destination: FAR })), lab.peers[0])
      for (const part of parts) expectSent(await lab.fromPort(1, part), lab.peers[0])
      const first = await observer.copies(6)
      checkCopies(first, [
        ...copiesOf('mirror 7', 1, 'egress', [syn, ...parts]),
        ...copiesOf('mirror 7', 1, 'ingress', [reply, error]),
        ...copiesOf('mirror 8', 1, 'egress', [dns]),
      ])
      // A port's mirror copies a packet once, also when a rule names it; a flow goes on under the rules of today.
      await lab.program({ ...tables, mirrors: [{ id: 7, ports: [{ port: 1, direction: 'egress' }], sink: STREAM }, mirrors[1]] })
      expectSent(await lab.fromPort(1, syn), lab.peers[0])
      expectDelivered(await receive(lab, reply), 1)
      const second = await observer.copies(2)
      checkCopies(second, [...copiesOf('mirror 7', 1, 'egress', [syn]), ...copiesOf('mirror 7', 1, 'ingress', [reply])])
      const plain = tables.policies?.map((policy) => ({ ...policy, rules: [{ verdict: 'allow' } as const] })) ?? []
      await lab.program({ ...tables, policies: plain })
      expectDelivered(await receive(lab, reply), 1)
      expectSent(await lab.fromPort(1, dns), lab.peers[0])
      // Copies come in the order of their packets: had there been one of those, it would come before this.
      await lab.program({
        ...tables,
        mirrors: [{ id: 7, ports: [{ port: 1, direction: 'egress' }], sink: STREAM }, mirrors[1]],
        policies: plain,
      })
      expectSent(await lab.fromPort(1, syn), lab.peers[0])
      checkCopies(await observer.copies(1), copiesOf('mirror 7', 1, 'egress', [syn]))
    },
  },
  {
    name: 'mirror: what names a port or a mirror that is not there, and what no header holds, is refused',
    needs,
    async run(lab) {
      const tables = await startOverlay(lab)
      const { dataplane } = lab.harness
      let generation = lab.generation
      const codes = async (part: Parameters<typeof only>[1]): Promise<string[]> => {
        const { failures } = await dataplane.apply(only(++generation, part))
        return failures.map(({ object, code }) => `${object.kind} ${object.key} ${code}`)
      }
      const mirror = { id: 7, ports: [{ port: 1, direction: 'both' }], sink: STREAM } as const
      checkEqual(
        await codes({ mirrors: { set: [{ ...mirror, ports: [{ port: 99, direction: 'both' }] }], remove: [] } }),
        ['mirror 7 dataplane.dangling-reference'],
        'no port',
      )
      const erspan = { type: 'erspan', local: lab.local, remote: lab.peers[0], session: 1024 } as const
      const offersGre = dataplane.capabilities.encapsulations.includes('mpls-gre')
      const refusal = offersGre ? 'dataplane.range' : 'dataplane.unsupported'
      checkEqual((await codes({ mirrors: { set: [{ ...mirror, sink: erspan }], remove: [] } }))[0], `mirror 7 ${refusal}`, 'session')
      checkEqual(await codes({ mirrors: { set: [{ ...mirror, snapLength: 0 }], remove: [] } }), ['mirror 7 dataplane.range'], 'snap length')
      checkEqual(await codes({ mirrors: { set: [mirror], remove: [] } }), [], 'a mirror')
      const gone = await codes({ ports: { set: [], remove: [1] } })
      checkEqual(gone.includes('mirror 7 dataplane.dangling-reference'), true, 'a port that is mirrored')
      await codes({ mirrors: { set: [], remove: [7] } })
      checkEqual((await lab.dump()).mirrors ?? [], [], 'mirrors after removal')
      checkEqual(tables.ports.length, (await lab.dump()).ports.length, 'ports')
    },
  },
  {
    name: 'property: a mirror copies just what its ports send and get',
    needs,
    async run(lab) {
      const around = surroundings(lab)
      const tables = fc.tuple(arbitraryTables(around), arbitraryMirrors(PORTS, around)).map(([rest, mirrors]) => ({ ...rest, mirrors }))
      await using observer = new Observer(lab)
      await fc.assert(
        fc.asyncProperty(tables, fc.array(arbitraryInput(around), { minLength: 10, maxLength: 10 }), async (drawn, inputs) => {
          await lab.program(drawn)
          await lab.attach()
          for (const input of inputs) {
            if (isLeftToHost(lab, drawn, input)) continue
            const { outputs } = await sendInput(lab, input)
            const sent = input.from === 'port' ? readIp(input.packet) : 'no-route'
            const passed: Omit<Copy, 'to'>[] = outputs.flatMap((output) =>
              output.type === 'delivered' ? [{ port: output.port, direction: 'ingress', packet: output.packet }] : [],
            )
            if (input.from === 'port' && typeof sent !== 'string')
              passed.push({ port: input.port, direction: 'egress', packet: sent.bytes })
            const expected = drawn.mirrors.flatMap((mirror) =>
              passed.filter((copy) => mirrors(mirror, copy)).map((copy) => ({ to: sinkName(mirror), ...copy })),
            )
            const copies = await observer.copies(expected.length)
            checkCopies(copies, expected)
          }
        }),
        { numRuns: lab.runs },
      )
    },
  },
]

function mirrors({ ports }: MirrorObject, { port, direction }: Omit<Copy, 'to'>): boolean {
  return ports.some((source) => source.port === port && [direction, 'both'].includes(source.direction))
}

function sinkName({ id, sink }: MirrorObject): string {
  return sink.type === 'stream' ? `mirror ${id}` : `${sink.remote} session ${sink.session}`
}
