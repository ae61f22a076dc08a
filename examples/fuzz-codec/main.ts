// A codec of one's own, tried with the arbitraries that Heddle exports. The codec writes what a route monitor keeps of each BGP message:
//
//      0               2                               6
//     +---------------+-------------------------------+------------- - -
//     |    length     |   time, seconds since 1970    |  TLVs
//     +---------------+-------------------------------+------------- - -
//
//     TLV: type (2 octets), length (2 octets), value
//     1  address of the peer, 4 or 16 octets
//     2  BGP message, from its marker on
import assert from 'node:assert/strict'
import { decodeMessage, encodeMessage } from '@heddle/bgp'
import { bgpMessage, mutated } from '@heddle/bgp/testing'
import { ByteReader, IpAddress } from '@heddle/wire'
import { checkCodec, ipAddress } from '@heddle/wire/testing'
import fc from 'fast-check'

interface MessageRecord {
  /** Seconds since 1970, 0–4,294,967,295. */
  readonly time: number
  readonly peer: IpAddress
  readonly message: Uint8Array
}

const FIXED_SIZE = 6
const TLV_SIZE = 4
const TLV_PEER = 1
const TLV_MESSAGE = 2

function recordSize({ peer, message }: MessageRecord): number {
  return FIXED_SIZE + TLV_SIZE + peer.toBytes().length + TLV_SIZE + message.length
}

function encodeRecord(record: MessageRecord, out: DataView, offset: number): number {
  out.setUint16(offset, recordSize(record) - 2)
  out.setUint32(offset + 2, record.time)
  let at = offset + FIXED_SIZE
  for (const [type, value] of [
    [TLV_PEER, record.peer.toBytes()],
    [TLV_MESSAGE, record.message],
  ] as const) {
    out.setUint16(at, type)
    out.setUint16(at + 2, value.length)
    new Uint8Array(out.buffer, out.byteOffset + at + TLV_SIZE).set(value)
    at += TLV_SIZE + value.length
  }
  return at
}

/** @throws WireError: every length becomes a reader that ends there, so nothing is read beyond it */
function decodeRecord(input: ByteReader): MessageRecord {
  const body = input.sub(input.u16(), 'record')
  const time = body.u32()
  let peer: IpAddress | undefined
  let message: Uint8Array | undefined
  while (body.remaining > 0) {
    const type = body.u16()
    const value = body.sub(body.u16(), `tlv ${type}`)
    if (type === TLV_PEER) {
      if (value.remaining !== 4 && value.remaining !== 16) value.fail('monitor.peer.length', 'monitor format: TLV 1')
      peer = IpAddress.fromBytes(value.rest())
    } else if (type === TLV_MESSAGE) message = value.rest()
  }
  if (peer === undefined || message === undefined) return body.fail('monitor.record.incomplete', 'monitor format: TLVs 1 and 2')
  return { time, peer, message }
}

const record = (message: fc.Arbitrary<Uint8Array>): fc.Arbitrary<MessageRecord> =>
  fc.record({ time: fc.nat(0xffff_ffff), peer: ipAddress(), message })

// 1. Round trips of any record, nothing written outside, every cut refused, random octets give a value or a WireError.
const codec = { size: recordSize, encode: encodeRecord, decode: decodeRecord }
checkCodec({ ...codec, arbitrary: record(fc.uint8Array({ maxLength: 200 })) })
console.log('the codec holds for any octets')

// 2. Records of BGP messages, whole ones and damaged ones: what was put in comes out, and the message inside gives a value or an error.
const encoded = bgpMessage().map((message) => encodeMessage(message))
checkCodec({ ...codec, arbitrary: record(encoded) })
let damaged = 0
fc.assert(
  fc.property(record(encoded.chain(mutated)), (value) => {
    const buffer = new Uint8Array(recordSize(value))
    encodeRecord(value, new DataView(buffer.buffer), 0)
    const { message } = decodeRecord(new ByteReader(buffer))
    assert.deepEqual(message, value.message)
    const result = decodeMessage(message)
    if (!result.ok || result.errors.length > 0) damaged++
  }),
  { numRuns: 500 },
)
assert(damaged > 0)
console.log(`of 500 damaged messages ${damaged} were told as such, and none made a decoder throw`)

// 3. What this finds: a decoder that believes lengths. It reads where nothing is, or takes half a message for a whole one.
const careless = (input: ByteReader): MessageRecord => {
  const bytes = input.rest()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const peerEnd = FIXED_SIZE + TLV_SIZE + view.getUint16(FIXED_SIZE + 2)
  const start = peerEnd + TLV_SIZE
  return {
    time: view.getUint32(2),
    peer: IpAddress.fromBytes(bytes.subarray(FIXED_SIZE + TLV_SIZE, peerEnd)),
    message: bytes.subarray(start, start + view.getUint16(peerEnd + 2)),
  }
}
assert.throws(
  () => checkCodec({ ...codec, decode: careless, arbitrary: record(encoded) }),
  (error: Error) => {
    console.log(`a careless decoder is found: ${(error.cause as Error).message}`)
    return true
  },
)
