import {
  BmpStation,
  MrtStream,
  bmpToJson,
  decodeBmp,
  decodeMrt,
  encodeBmp,
  encodeMrt,
  mrtAttributes,
  mrtMessage,
  mrtNlri,
  mrtToJson,
  type CodecFault,
} from '@heddle/bgp'
import { bmpMessages, mrtRecords } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

/** Octets with one thing wrong; the length of the whole is made to fit again, so that the damage reaches what is behind it. */
function damaged(bytes: Uint8Array, refit: (bytes: Uint8Array) => Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(Math.max(0, bytes.length - 1))
  return fc
    .oneof(
      at.map((length) => bytes.slice(0, length)),
      fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([index, change]) => bytes.with(index, bytes[index] ^ change)),
      fc.tuple(at, fc.constantFrom(-1, 1)).map(([index, step]) => bytes.with(index, (bytes[index] + step) & 0xff)),
      fc.tuple(at, fc.nat(40)).map(([from, size]) => Uint8Array.of(...bytes.subarray(0, from + size), ...bytes.subarray(from))),
      fc.tuple(at, fc.nat(40)).map(([from, size]) => Uint8Array.of(...bytes.subarray(0, from), ...bytes.subarray(from + size))),
    )
    .chain((changed) => fc.constantFrom(changed, refit(changed)))
}

function patchU32(bytes: Uint8Array, at: number, value: number): Uint8Array {
  if (bytes.length < at + 4) return bytes
  const out = bytes.slice()
  new DataView(out.buffer).setUint32(at, value)
  return out
}

function expectFault({ code, offset, rfc }: CodecFault, size: number, prefix: RegExp): void {
  expect(code).toMatch(prefix)
  expect(offset).toBeGreaterThanOrEqual(0)
  expect(offset).toBeLessThanOrEqual(size)
  expect(rfc).toMatch(/^(RFC \d+|draft-[a-z0-9-]+) §/)
}

describe('a BMP message', () => {
  test('survives the wire, and prints', () => {
    fc.assert(
      fc.property(bmpMessages, (message) => {
        const bytes = encodeBmp(message)
        const result = decodeBmp(bytes)
        expect(result).toEqual({ ok: true, message })
        const printed = bmpToJson(new BmpStation().take(message))
        expect(JSON.parse(JSON.stringify(printed))).toEqual(printed)
      }),
      { numRuns: 300 },
    )
  })

  test('cut at any octet, is an error', () => {
    fc.assert(
      fc.property(bmpMessages, (message) => {
        const bytes = encodeBmp(message)
        for (let length = 0; length < Math.min(bytes.length, 200); length++) expect(decodeBmp(bytes.subarray(0, length)).ok).toBe(false)
      }),
      { numRuns: 40 },
    )
  })

  test('however damaged, is a value that encodes to the same octets, or an error', () => {
    const octets = bmpMessages.chain((message) => damaged(encodeBmp(message), (bytes) => patchU32(bytes, 1, bytes.length)))
    fc.assert(
      fc.property(octets, (bytes) => {
        const result = decodeBmp(bytes)
        if (!result.ok) return expectFault(result.error, bytes.length, /^bmp\.[a-z.-]+$/)
        expect(decodeBmp(encodeBmp(result.message))).toEqual(result)
        expect(bmpToJson(new BmpStation().take(result.message))).toBeTypeOf('object')
      }),
      { numRuns: 1500 },
    )
  })

  test('in a stream cut anywhere, comes out once and whole', () => {
    fc.assert(
      fc.property(fc.array(bmpMessages, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 700 }), (messages, step) => {
        const bytes = Uint8Array.from(messages.flatMap((message) => [...encodeBmp(message)]))
        const station = new BmpStation()
        const seen: unknown[] = []
        for (let at = 0; at < bytes.length; at += step)
          for (const item of station.push(bytes.slice(at, at + step))) seen.push('error' in item ? item.error : item.message)
        expect(seen).toEqual(messages)
        expect(station.pending).toBe(0)
      }),
      { numRuns: 60 },
    )
  })
})

describe('an MRT record', () => {
  test('survives the file, and prints', () => {
    fc.assert(
      fc.property(mrtRecords, (record) => {
        expect(decodeMrt(encodeMrt(record))).toMatchObject({ ok: true, record })
        const printed = mrtToJson(record)
        expect(JSON.parse(JSON.stringify(printed))).toEqual(printed)
        if (record.kind === 'message') expect(mrtMessage(record)).toMatchObject({ ok: true, errors: [] })
        if (record.kind === 'rib') {
          expect(mrtNlri(record)).not.toHaveProperty('handling')
          for (const entry of record.entries) expect(mrtAttributes(entry.attributes, record.family, true).errors).toEqual([])
        }
      }),
      { numRuns: 300 },
    )
  })

  test('cut at any octet, is an error', () => {
    fc.assert(
      fc.property(mrtRecords, (record) => {
        const bytes = encodeMrt(record)
        for (let length = 0; length < Math.min(bytes.length, 200); length++) expect(decodeMrt(bytes.subarray(0, length)).ok).toBe(false)
      }),
      { numRuns: 40 },
    )
  })

  test('however damaged, is a value that encodes to the same octets, or an error', () => {
    const octets = mrtRecords.chain((record) => damaged(encodeMrt(record), (bytes) => patchU32(bytes, 8, bytes.length - 12)))
    fc.assert(
      fc.property(octets, (bytes) => {
        const result = decodeMrt(bytes)
        if (!result.ok) return expectFault(result.error, bytes.length, /^(mrt|bgp\.nlri)\.[a-z.-]+$/)
        expect([...encodeMrt(result.record)]).toEqual([...bytes])
        expect(mrtToJson(result.record)).toBeTypeOf('object')
      }),
      { numRuns: 1500 },
    )
  })

  test('in a file read in pieces, comes out once and whole; a cut one is told at the end', () => {
    fc.assert(
      fc.property(fc.array(mrtRecords, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 700 }), (records, step) => {
        const bytes = Uint8Array.from(records.flatMap((record) => [...encodeMrt(record)]))
        const stream = new MrtStream()
        const seen: unknown[] = []
        for (let at = 0; at < bytes.length - 1; at += step)
          for (const result of stream.push(bytes.slice(at, Math.min(at + step, bytes.length - 1)))) if (result.ok) seen.push(result.record)
        expect(seen).toEqual(records.slice(0, -1))
        expect(stream.end()).toMatchObject({ ok: false, error: { code: 'mrt.truncated' } })
      }),
      { numRuns: 60 },
    )
  })
})
