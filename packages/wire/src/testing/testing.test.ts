import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import {
  ByteReader,
  checksumHolds,
  decodeIpv4Packet,
  decodeIpv6Packet,
  ipv4Verdict,
  ipv6Verdict,
  pseudoHeaderSum,
  WireError,
} from '../index.js'
import { checkCodec, ipPacket } from './index.js'

test('every generated packet is sound, its transport checksum included', () => {
  fc.assert(
    fc.property(ipPacket(), (bytes) => {
      const isV4 = bytes[0] >>> 4 === 4
      expect(isV4 ? ipv4Verdict(bytes, 0, bytes.length) : ipv6Verdict(bytes, 0, bytes.length)).toBe('ok')
      const input = new ByteReader(bytes)
      const { payload, source, destination, protocol } = isV4
        ? (({ header, payload }) => ({ payload, ...header }))(decodeIpv4Packet(input))
        : (({ header, payload }) => ({ payload, ...header, protocol: header.nextHeader }))(decodeIpv6Packet(input))
      const sum = protocol === 1 ? 0 : pseudoHeaderSum(source, destination, protocol, payload.remaining)
      expect(checksumHolds(payload.bytes, 0, payload.remaining, sum)).toBe(true)
    }),
  )
})

it.each([
  { fault: 'size', size: 2, encode: 1, decode: 'u8' },
  { fault: 'round-trip', size: 1, encode: 1, decode: 'zero' },
  { fault: 'truncation', size: 1, encode: 1, decode: 'lax' },
  { fault: 'foreign-error', size: 1, encode: 1, decode: 'foreign' },
  { fault: 'overrun', size: 1, encode: 2, decode: 'u8' },
])('checkCodec finds a codec with the fault $fault', ({ fault, size, encode, decode }) => {
  const decoders: Record<string, (input: ByteReader) => number> = {
    u8: (input) => input.u8(),
    zero: (input) => input.u8() - input.bytes[0],
    lax: (input) => (input.remaining === 0 ? 1 : input.u8()),
    foreign: (input) => {
      if (input.remaining === 0) throw new RangeError('not a WireError')
      return input.u8()
    },
  }
  const check = (): void =>
    checkCodec({
      arbitrary: fc.integer({ min: 1, max: 255 }),
      size: () => size,
      encode: (value, out, offset) => {
        for (let octet = 0; octet < encode; octet++) out.setUint8(offset + octet, value === 0xa5 ? 1 : value)
        return offset + 1
      },
      decode: decoders[decode],
    })
  expect(check).toThrow(expect.objectContaining({ message: expect.stringContaining('Property failed') }))
  try {
    check()
  } catch (error) {
    expect(error).not.toBeInstanceOf(WireError)
    expect((error as Error).cause ?? error).toMatchObject({ code: fault })
  }
})
