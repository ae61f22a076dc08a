import { decodeMessage, encodeMessage, type DecodeOptions } from '@heddle/bgp'
import { describe, expect, test } from 'vitest'
import { has, valuesOf } from './directory.js'
import { bytesOf, optionsOf, type Row } from './row.js'

const CORPUS = 'bgp-messages.jsonl.gz'
const MP_REACH = 14
const MP_UNREACH = 15

/** An UPDATE by its parts, read here and nowhere else: attributes in the order in which we write them, without the forms of their lengths. */
interface Parts {
  readonly withdrawn: string
  readonly attributes: ReadonlyMap<number, { readonly flags: number; readonly value: string }>
  readonly nlri: string
}

function partsOf(bytes: Uint8Array): Parts {
  const u16 = (at: number): number => (bytes[at] << 8) | bytes[at + 1]
  const hex = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex')
  const withdrawnEnd = 21 + u16(19)
  const end = withdrawnEnd + 2 + u16(withdrawnEnd)
  const attributes = new Map<number, { flags: number; value: string }>()
  for (let at = withdrawnEnd + 2; at < end;) {
    const [flags, type] = [bytes[at], bytes[at + 1]]
    const head = (flags & 0x10) === 0 ? 3 : 4
    const length = head === 3 ? bytes[at + 2] : u16(at + 2)
    if (!attributes.has(type)) attributes.set(type, { flags: flags & 0xe0, value: hex(at + head, at + head + length) })
    at += head + length
  }
  return { withdrawn: hex(21, withdrawnEnd), attributes, nlri: hex(end, bytes.length) }
}

/** What of an UPDATE is other octets, beside order and the forms of lengths. */
function differences(before: Uint8Array, after: Uint8Array): string[] {
  const [one, other] = [partsOf(before), partsOf(after)]
  const found: string[] = []
  if (one.withdrawn !== other.withdrawn) found.push('withdrawn')
  if (one.nlri !== other.nlri) found.push('nlri')
  for (const type of new Set([...one.attributes.keys(), ...other.attributes.keys()])) {
    const [a, b] = [one.attributes.get(type), other.attributes.get(type)]
    const safi = type === MP_REACH || type === MP_UNREACH ? ` safi ${Number.parseInt(a?.value.slice(4, 6) ?? '', 16)}` : ''
    if (a === undefined || b === undefined) found.push(`${type} ${a === undefined ? 'more' : 'less'}`)
    else if (a.value !== b.value) found.push(`${type}${safi}`)
    else if (a.flags !== b.flags) found.push(`${type} flags`)
  }
  return found
}

/** Why the normal form has other octets. */
const REASONS: readonly { readonly why: string; readonly applies: (difference: string) => boolean }[] = [
  {
    why: 'labels: the bottom of the stack is marked, the traffic class is 0, and a withdrawal without label has 0x800000 (RFC 8277 §2.4)',
    applies: (text) => /^1[45] safi (4|128)$/.test(text),
  },
  {
    why: 'prefixes: bits behind the length are cleared (RFC 4271 §4.3)',
    applies: (text) => text === 'nlri' || text === 'withdrawn' || /^1[45] safi (1|70)$/.test(text),
  },
  {
    why: 'AS4 companions are merged, and written for two-octet peers only where they say more (RFC 6793 §4.2.3)',
    applies: (text) => /^1[78]( less)?$/.test(text),
  },
]

describe.skipIf(!has(CORPUS))('what is valid is written with the same octets, or in normal form (skipped without HEDDLE_VECTORS)', () => {
  test('every difference has a reason', () => {
    const seen = { same: 0, reordered: 0, explained: 0, open: 0, flawed: 0 }
    for (const row of valuesOf<Row>(CORPUS)) {
      if (row.expectation !== 'valid') continue
      const options: DecodeOptions = optionsOf(row)
      const before = bytesOf(row)
      const result = decodeMessage(before, options)
      if (!result.ok) continue
      const after = encodeMessage(result.message, options)
      if (Buffer.compare(before, after) === 0) seen.same++
      else if (result.message.type === 'open') seen.open++ // all capabilities in one parameter (RFC 5492 §4)
      else if (result.errors.length > 0) seen.flawed++ // what is malformed is left out (RFC 7606 §2)
      else {
        expect(result.message.type, row.id).toBe('update')
        const found = differences(before, after)
        if (found.length === 0) seen.reordered++
        else seen.explained++
        const unexplained = found.filter((difference) => !REASONS.some(({ applies }) => applies(difference)))
        expect(unexplained, `${row.id} ${row.source}`).toEqual([])
      }
    }
    expect(seen.same).toBeGreaterThan(7600)
    expect(seen.reordered).toBeGreaterThan(21_000)
    expect(seen.explained).toBeLessThan(1200)
    expect(seen.flawed).toBeLessThan(250)
  })
})
