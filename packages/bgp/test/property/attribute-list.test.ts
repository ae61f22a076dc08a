import { decodeMessage, encodeMessage, strongestHandling, walkUpdate, type DecodeOptions, type UpdateMessage } from '@heddle/bgp'
import { updateMessage } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const IBGP: DecodeOptions = { peerType: 'ibgp' }

/** UPDATEs that announce something, as octets, with the octets of each attribute but MP_REACH_NLRI and MP_UNREACH_NLRI. */
const announcing = updateMessage()
  .filter(({ announced }) => announced.length > 0)
  .map((message) => {
    const bytes = encodeMessage(message, { extended: true })
    const walked = walkUpdate(bytes, IBGP)
    if (!walked.ok) expect.unreachable()
    return { message, bytes, spans: walked.view.attributes }
  })

function routesOf({ announced, withdrawn }: UpdateMessage): unknown {
  return [announced.map(({ family, nlri }) => [family.name, nlri]), withdrawn.map(({ family, nlri }) => [family.name, nlri])]
}

test('whatever the value of an attribute, the routes are found, and at worst withdrawn (RFC 7606 §2)', () => {
  const damaged = announcing.chain(({ message, bytes, spans }) => {
    const values = spans.filter(({ length }) => length > 0)
    return fc.tuple(fc.constantFrom(...values), fc.nat(), fc.integer({ min: 1, max: 255 })).map(([{ offset, length }, at, change]) => ({
      message,
      bytes: bytes.with(offset + (at % length), bytes[offset + (at % length)] ^ change),
    }))
  })
  fc.assert(
    fc.property(damaged, ({ message, bytes }) => {
      const result = decodeMessage(bytes, IBGP)
      if (!result.ok || result.message.type !== 'update') expect.unreachable(JSON.stringify(result))
      expect(routesOf(result.message)).toEqual(routesOf(message))
      expect([undefined, 'attribute-discard', 'treat-as-withdraw']).toContain(strongestHandling(result.errors))
    }),
    { numRuns: 1000 },
  )
})

test('the order of attributes means nothing', () => {
  const reordered = announcing.chain(({ message, bytes, spans }) =>
    fc.shuffledSubarray([...spans], { minLength: spans.length }).map((order) => ({ message, bytes: withAttributes(bytes, spans, order) })),
  )
  fc.assert(
    fc.property(reordered, ({ message, bytes }) => {
      expect(decodeMessage(bytes, IBGP)).toEqual({ ok: true, message, errors: [] })
    }),
  )
})

test('an attribute twice costs nothing but the second (RFC 7606 §3 (g))', () => {
  const repeated = announcing.chain(({ message, bytes, spans }) =>
    fc.constantFrom(...spans).map((again) => ({ message, type: again.type, bytes: withAttributes(bytes, spans, [...spans, again]) })),
  )
  fc.assert(
    fc.property(repeated, ({ message, type, bytes }) => {
      expect(decodeMessage(bytes, IBGP)).toMatchObject({
        ok: true,
        message,
        errors: [{ code: 'bgp.attribute.repeated', path: `message/attributes/${type}`, handling: 'attribute-discard' }],
      })
    }),
  )
})

test('an attribute left out costs the routes at most, and only when it is mandatory (RFC 7606 §3 (d))', () => {
  const without = announcing.chain(({ message, bytes, spans }) =>
    fc.constantFrom(...spans).map((gone) => ({
      message,
      type: gone.type,
      bytes: withAttributes(
        bytes,
        spans,
        spans.filter((span) => span !== gone),
      ),
    })),
  )
  fc.assert(
    fc.property(without, ({ message, type, bytes }) => {
      const result = decodeMessage(bytes, IBGP)
      if (!result.ok || result.message.type !== 'update') expect.unreachable(JSON.stringify(result))
      expect(routesOf(result.message)).toEqual(routesOf(message))
      expect(strongestHandling(result.errors)).toBe([1, 2, 3].includes(type) ? 'treat-as-withdraw' : undefined)
    }),
  )
})

type Span = ReturnType<typeof spansOf>[number]

function spansOf(bytes: Uint8Array): readonly { readonly start: number; readonly offset: number; readonly length: number }[] {
  const walked = walkUpdate(bytes, IBGP)
  return walked.ok ? walked.view.attributes : []
}

/** The message with its attributes behind MP_REACH_NLRI and MP_UNREACH_NLRI replaced. */
function withAttributes(bytes: Uint8Array, old: readonly Span[], now: readonly Span[]): Uint8Array {
  const first = old[0].start
  const end = Math.max(...old.map(({ offset, length }) => offset + length))
  const list = now.flatMap(({ start, offset, length }) => [...bytes.subarray(start, offset + length)])
  const out = Uint8Array.of(...bytes.subarray(0, first), ...list, ...bytes.subarray(end))
  const grown = list.length - (end - first)
  const lengthAt = 21 + ((bytes[19] << 8) | bytes[20])
  patch(out, 16, grown)
  patch(out, lengthAt, grown)
  return out
}

function patch(bytes: Uint8Array, at: number, by: number): void {
  const value = ((bytes[at] << 8) | bytes[at + 1]) + by
  bytes[at] = value >>> 8
  bytes[at + 1] = value & 0xff
}
