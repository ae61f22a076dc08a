import { encodeMessage } from '@heddle/bgp'
import { bgpMessage } from '@heddle/bgp/testing'
import { pcapngWriter } from '@heddle/dataplane-memory'
import { IpAddress, TCP_ACK, TCP_FIN, TCP_SYN } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BgpCapture, TracePackets, capturedToJson, type CapturedItem } from '../../src/index.js'
import { ENDS, LINKS, packetOf, pcapOf, type Segment } from './capture-files.js'

/** Puts each value up to some places behind where it was. */
function delayed<T>(values: readonly T[], delays: readonly number[]): T[] {
  return values
    .map((value, at) => ({ value, place: at + delays[at % delays.length] }))
    .sort((a, b) => a.place - b.place)
    .map(({ value }) => value)
}

function itemsOf(file: Uint8Array, piece: number): CapturedItem[] {
  const capture = new BgpCapture()
  const out: CapturedItem[] = []
  for (let at = 0; at < file.length; at += piece) out.push(...capture.push(file.subarray(at, at + piece)))
  return [...out, ...capture.end()]
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const encoded = bgpMessage().map((message) => encodeMessage(message, { extended: true }))

test('a session comes out whole, however its segments were cut, doubled, overlapped and put out of order', () => {
  const side = fc.record({ messages: fc.array(encoded, { maxLength: 6 }), initial: fc.integer({ min: 0, max: 0xffff_ffff }) })
  fc.assert(
    fc.property(
      side,
      side,
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 1460 }), overlap: fc.nat(200), twice: fc.boolean() }), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.array(fc.nat(6), { minLength: 1, maxLength: 9 }),
      fc.constantFrom(...LINKS),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 1, max: 5000 }),
      (first, second, cuts, delays, link, little, nano, piece) => {
        const sides = [first, second] as const
        const segments: Segment[] = sides.flatMap(({ messages, initial }, sender): Segment[] => {
          const stream = Uint8Array.from(messages.flatMap((message) => [...message]))
          const out: Segment[] = []
          const segment = (at: number, length: number): Segment => ({
            sender: sender === 0 ? 0 : 1,
            sequence: (initial + 1 + at) >>> 0,
            flags: TCP_ACK,
            payload: stream.slice(at, at + length),
          })
          for (let at = 0, index = 0; at < stream.length; index++) {
            const { size, overlap, twice } = cuts[index % cuts.length]
            const from = Math.max(0, at - overlap)
            out.push(segment(from, size + at - from))
            if (twice) out.push(segment(from, size + at - from))
            at += size
          }
          return out
        })
        const handshake = ([0, 1] as const).map((sender): Segment => ({
          sender,
          sequence: sides[sender].initial,
          flags: TCP_SYN,
          payload: new Uint8Array(),
        }))
        const packets = [...handshake, ...delayed(segments, delays)].map((segment) => packetOf(segment))
        const items = itemsOf(pcapOf(packets, link, little, nano), piece)
        for (const sender of [0, 1] as const) {
          const own = items.filter((item) => item.kind === 'bgp' && item.source.port === ENDS[sender].port)
          expect(own.map((item) => (item.kind === 'bgp' ? hex(item.pdu) : ''))).toEqual(sides[sender].messages.map(hex))
        }
        expect(items.filter(({ kind }) => kind !== 'bgp')).toEqual([])
      },
    ),
    { numRuns: 200 },
  )
})

test('a lost segment is a gap that is told, and the session goes on at the next message', () => {
  const messages = Array.from({ length: 40 }, (_, at) =>
    encodeMessage({ type: 'notification', code: 6, subcode: 2, data: new Uint8Array(at) }),
  )
  let sequence = 1
  const segments = messages.map((payload): Segment => {
    const segment: Segment = { sender: 0, sequence, flags: TCP_ACK, payload }
    sequence += payload.length
    return segment
  })
  const file = pcapOf(
    segments.filter((_, at) => at !== 10).map((segment) => packetOf(segment)),
    LINKS[0],
    true,
    false,
  )
  const items = itemsOf(file, 1000)
  expect(items.filter(({ kind }) => kind === 'bgp')).toHaveLength(39)
  expect(items.flatMap((item) => (item.kind === 'fault' ? [[item.error.code, item.error.offset]] : []))).toEqual([['bgp.stream.gap', 31]])
})

test('the end of one connection and the next one between the same ports are kept apart', () => {
  const open = encodeMessage({ type: 'keepalive' })
  const connection = (initial: number): Segment[] => [
    { sender: 0, sequence: initial, flags: TCP_SYN, payload: new Uint8Array() },
    { sender: 0, sequence: initial + 1, flags: TCP_ACK, payload: open.slice(0, 10) },
    { sender: 0, sequence: initial + 11, flags: TCP_ACK | TCP_FIN, payload: open.slice(10) },
  ]
  const items = itemsOf(
    pcapOf(
      [...connection(5), ...connection(4000).slice(0, 2), ...connection(9)].map((segment) => packetOf(segment)),
      LINKS[0],
      true,
      true,
    ),
    64,
  )
  expect(items.map((item) => (item.kind === 'fault' ? item.error.code : item.kind))).toEqual(['bgp', 'bgp.stream.truncated', 'bgp'])
})

test('what a trace is written as is read back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('sent' as const, 'received' as const), encoded), { maxLength: 12 }),
      fc.boolean(),
      (trace, six) => {
        const [local, remote] = (six ? ['2001:db8::1', '2001:db8::2'] : ['192.0.2.1', '192.0.2.2']).map((text) => IpAddress.parse(text))
        const packets = new TracePackets({ local, remote })
        const chunks: Uint8Array[] = []
        const writer = pcapngWriter((chunk) => chunks.push(chunk))
        const link = writer.addInterface('bgp', 'raw')
        for (const [direction, message] of trace) for (const packet of packets.packetsOf(direction, message)) writer.packet(link, 0, packet)
        const items = itemsOf(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])), 700)
        const back = items.map((item) =>
          item.kind === 'bgp' ? [item.source.address.equals(local) ? 'sent' : 'received', hex(item.pdu)] : [item.kind],
        )
        expect(back).toEqual(trace.map(([direction, message]) => [direction, hex(message)]))
      },
    ),
    { numRuns: 100 },
  )
})

/** A file with one thing wrong, anywhere. */
function damaged(file: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(file.length - 1)
  return fc.oneof(
    at.map((length) => file.slice(0, length)),
    fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([index, change]) => file.with(index, file[index] ^ change)),
    fc.tuple(at, fc.nat(40)).map(([from, size]) => Uint8Array.of(...file.subarray(0, from + size), ...file.subarray(from))),
    fc.tuple(at, fc.nat(40)).map(([from, size]) => Uint8Array.of(...file.subarray(0, from), ...file.subarray(from + size))),
  )
}

test('any octets are values and faults, and print', () => {
  const whole = fc
    .tuple(fc.array(encoded, { minLength: 1, maxLength: 3 }), fc.constantFrom(...LINKS), fc.boolean())
    .map(([messages, link, little]) => {
      const packets = messages.map((payload, at) => packetOf({ sender: 0, sequence: at, flags: TCP_ACK, payload }))
      return pcapOf(packets, link, little, false)
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), whole.chain(damaged)), fc.integer({ min: 1, max: 300 }), (file, piece) => {
      for (const item of itemsOf(file, piece)) {
        const printed = capturedToJson(item)
        expect(JSON.parse(JSON.stringify(printed))).toEqual(printed)
      }
    }),
    { numRuns: 500 },
  )
})
