import { ByteReader } from '@heddle/wire'
import { checkCodec } from '@heddle/wire/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeLabelStack,
  encodeLabelStack,
  isBottom,
  labelOf,
  labelStackDepth,
  labelStackSize,
  labelStackWord,
  labelStackWordAt,
  setLabelStackWordAt,
  trafficClassOf,
  ttlOf,
} from './label-stack.js'
import { labelStack, labelStackEntry } from './testing/index.js'

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (octet) => Number.parseInt(octet, 16))

describe('a label stack', () => {
  it('survives the wire at any depth, stays in its octets, and is refused when cut', () => {
    checkCodec({ arbitrary: labelStack(64), size: labelStackSize, encode: encodeLabelStack, decode: decodeLabelStack })
  })

  it.each([
    // label 20 bits | TC 3 | S 1 | TTL 8 (RFC 3032 §2.1)
    ['000101ff', [{ label: 16, trafficClass: 0, ttl: 255 }]],
    [
      '00010e40 fffff101',
      [
        { label: 16, trafficClass: 7, ttl: 64 },
        { label: 0xfffff, trafficClass: 0, ttl: 1 },
      ],
    ],
    ['00000100', [{ label: 0, trafficClass: 0, ttl: 0 }]],
  ])('is %s on the wire', (text, stack) => {
    const bytes = hex(text)
    expect(decodeLabelStack(new ByteReader(bytes))).toEqual(stack)
    const written = new Uint8Array(bytes.length).fill(0xa5)
    expect(encodeLabelStack(stack, new DataView(written.buffer), 0)).toBe(bytes.length)
    expect(written).toEqual(bytes)
  })

  it('ends at the first entry with S, and leaves what follows', () => {
    const input = new ByteReader(hex('000100ff 000111ff 45000014'))
    expect(decodeLabelStack(input).map(({ label }) => label)).toEqual([16, 17])
    expect(input.remaining).toBe(4)
  })

  it('is refused when no entry has S, however long it is', () => {
    const endless = new ByteReader(new Uint8Array(4000))
    expect(() => decodeLabelStack(endless)).toThrow(expect.objectContaining({ code: 'wire.truncated' }))
    expect(labelStackDepth(new Uint8Array(4000), 0, 4000)).toBe(-1)
  })

  it('reads as words as it reads as entries', () => {
    fc.assert(
      fc.property(labelStack(), fc.nat(5), (stack, at) => {
        const bytes = new Uint8Array(at + labelStackSize(stack) + 3).fill(0xff)
        encodeLabelStack(stack, new DataView(bytes.buffer), at)
        expect(labelStackDepth(bytes, at, bytes.length)).toBe(stack.length)
        expect(labelStackDepth(bytes, at, at + labelStackSize(stack) - 1)).toBe(-1)
        for (const [depth, entry] of stack.entries()) {
          const word = labelStackWordAt(bytes, at + depth * 4)
          expect({ label: labelOf(word), trafficClass: trafficClassOf(word), ttl: ttlOf(word) }).toEqual(entry)
          expect(isBottom(word)).toBe(depth === stack.length - 1)
        }
      }),
    )
  })

  it('writes a word as it reads it', () => {
    fc.assert(
      fc.property(labelStackEntry(), fc.boolean(), ({ label, trafficClass, ttl }, bottom) => {
        // By arithmetic instead of shifts.
        const word = label * 4096 + trafficClass * 512 + (bottom ? 256 : 0) + ttl
        expect(labelStackWord(label, trafficClass, bottom, ttl)).toBe(word)
        const bytes = new Uint8Array(6).fill(0xa5)
        setLabelStackWordAt(bytes, 1, word)
        expect(labelStackWordAt(bytes, 1)).toBe(word)
        expect([bytes[0], bytes[5]]).toEqual([0xa5, 0xa5])
      }),
    )
  })
})
