import { expect, it } from 'vitest'
import { ByteReader, ERSPAN_HEADER_SIZE, WireError, decodeErspanHeader, encodeErspanHeader } from '../index.js'

const header = { session: 0x3a5, truncated: true, index: 0xf1234 }
const octets = Uint8Array.of(
  // version 1, VLAN 0
  0x10,
  0x00,
  // COS 0, En 0, T 1, session 0x3a5
  0x07,
  0xa5,
  // reserved 0, index
  0x00,
  0x0f,
  0x12,
  0x34,
)

it('writes and reads the fields where the draft has them', () => {
  const out = new Uint8Array(ERSPAN_HEADER_SIZE).fill(0xa5)
  expect(encodeErspanHeader(header, new DataView(out.buffer), 0)).toBe(ERSPAN_HEADER_SIZE)
  expect(out).toEqual(octets)
  expect(decodeErspanHeader(new ByteReader(octets, 'erspan'))).toEqual(header)
})

it('refuses another type, and what is cut', () => {
  const typeIII = octets.slice()
  typeIII[0] = 0x20
  expect(() => decodeErspanHeader(new ByteReader(typeIII, 'erspan'))).toThrow(/wire\.erspan\.version/)
  for (let length = 0; length < ERSPAN_HEADER_SIZE; length++) {
    expect(() => decodeErspanHeader(new ByteReader(octets.subarray(0, length), 'erspan'))).toThrow(WireError)
  }
})
