import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BFD_PACKET_SIZE, BFD_STATES, ByteReader, WireError, decodeBfdPacket, encodeBfdPacket, type BfdPacket } from '../index.js'

const OCTETS = [
  0x21, // version 1, diagnostic 1: control detection time expired
  0xe0, // state up, poll
  0x03, // detect multiplier 3
  0x18, // length 24
  0x00, 0x00, 0x00, 0x07, // my discriminator
  0x00, 0x00, 0x00, 0x09, // your discriminator
  0x00, 0x04, 0x93, 0xe0, // desired min TX interval: 300 ms
  0x00, 0x0f, 0x42, 0x40, // required min RX interval: 1 s
  0x00, 0x00, 0x00, 0x00, // required min echo RX interval
] // prettier-ignore

const PACKET: BfdPacket = {
  diagnostic: 1,
  state: 'up',
  poll: true,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMultiplier: 3,
  myDiscriminator: 7,
  yourDiscriminator: 9,
  desiredMinTxInterval: 300_000,
  requiredMinRxInterval: 1_000_000,
  requiredMinEchoRxInterval: 0,
}

function encoded(packet: BfdPacket): Uint8Array {
  const bytes = new Uint8Array(BFD_PACKET_SIZE + 4).fill(0xa5)
  expect(encodeBfdPacket(packet, new DataView(bytes.buffer), 2)).toBe(2 + BFD_PACKET_SIZE)
  expect([bytes[1], bytes[26]]).toEqual([0xa5, 0xa5])
  return bytes.subarray(2, 2 + BFD_PACKET_SIZE)
}

test('a packet is what RFC 5880 §4.1 draws', () => {
  expect([...encoded(PACKET)]).toEqual(OCTETS)
  expect(decodeBfdPacket(new ByteReader(Uint8Array.from(OCTETS), 'bfd'))).toEqual(PACKET)
})

test('what is written is read again', () => {
  const word = fc.nat(0xffffffff)
  const packet: fc.Arbitrary<BfdPacket> = fc.record({
    diagnostic: fc.nat(31),
    state: fc.constantFrom(...BFD_STATES),
    poll: fc.boolean(),
    final: fc.boolean(),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    detectMultiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    desiredMinTxInterval: word,
    requiredMinRxInterval: word,
    requiredMinEchoRxInterval: word,
  })
  fc.assert(
    fc.property(packet, (one) => {
      expect(decodeBfdPacket(new ByteReader(encoded(one), 'bfd'))).toEqual(one)
    }),
  )
})

test.each([
  ['another version', 0, 0x01, 'wire.bfd.version'],
  ['a multiplier of zero', 2, 0, 'wire.bfd.multiplier'],
  ['a length below 24', 3, 23, 'wire.bfd.length'],
  ['a length beyond its container', 3, 25, 'wire.truncated'],
  ['the multipoint bit', 1, 0xc1, 'wire.bfd.multipoint'],
  ['authentication', 1, 0xc4, 'wire.bfd.authentication'],
  ['no discriminator of its own', 7, 0, 'wire.bfd.discriminator'],
  ['no discriminator of ours while up', 11, 0, 'wire.bfd.discriminator'],
])('a packet with %s is refused (RFC 5880 §6.8.6)', (_, at, octet, code) => {
  const bytes = Uint8Array.from(OCTETS)
  bytes[at] = octet
  expect(() => decodeBfdPacket(new ByteReader(bytes, 'bfd'))).toThrow(expect.objectContaining({ code }))
})

test('any octets are read, or refused by a WireError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeBfdPacket(new ByteReader(bytes, 'bfd'))
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }),
  )
})
