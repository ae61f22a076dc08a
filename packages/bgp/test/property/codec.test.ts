import {
  canonicalAttributes,
  checkNlri,
  decodeAttributeSet,
  decodeMessage,
  encodeMessage,
  extendedCommunityFromWords,
  extendedCommunityWords,
  familyKey,
  isVisitable,
  messageToJson,
  negotiate,
  packUpdates,
  packWithdrawals,
  visitNlri,
  walkUpdate,
  type DecodeOptions,
  type Nlri,
  type PathAttributes,
  type UpdateMessage,
} from '@heddle/bgp'
import {
  bgpMessage,
  hostAddress,
  mutated,
  nextHop,
  nlri,
  openMessage,
  pathAttributes,
  typedFamily,
  updateMessage,
} from '@heddle/bgp/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const IBGP: DecodeOptions = { peerType: 'ibgp' }

describe.each([
  { name: 'without path identifiers', addPath: false },
  { name: 'with path identifiers', addPath: true },
])('a message $name', ({ addPath }) => {
  const options: DecodeOptions = addPath ? { ...IBGP, addPath: 'all' } : IBGP

  test('survives the wire', () => {
    fc.assert(
      fc.property(bgpMessage({ addPath }), (message) => {
        const encoded = encodeMessage(message, { ...options, extended: true })
        expect(decodeMessage(encoded, options)).toEqual({ ok: true, message, errors: [] })
      }),
      { numRuns: 500 },
    )
  })

  test('however damaged, is a value or an error, and what it says of offsets lies within', () => {
    const damaged = bgpMessage({ addPath }).chain((message) => mutated(encodeMessage(message, { ...options, extended: true })))
    fc.assert(
      fc.property(damaged, (bytes) => judge(bytes, options)),
      { numRuns: 1500 },
    )
  })

  test('cut at any octet, is an error', () => {
    fc.assert(
      fc.property(bgpMessage({ addPath }), (message) => {
        const encoded = encodeMessage(message, { ...options, extended: true })
        for (let length = 0; length < encoded.length; length++) expect(decodeMessage(encoded.subarray(0, length), options).ok).toBe(false)
      }),
      { numRuns: 50 },
    )
  })
})

test('any octets behind a header are a value or an error', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.uint8Array({ maxLength: 120 }), fc.boolean(), (type, body, asn4) => {
      const length = 19 + body.length
      judge(Uint8Array.of(...Array.from({ length: 16 }, () => 0xff), length >>> 8, length & 0xff, type, ...body), { asn4 })
    }),
    { numRuns: 3000 },
  )
})

test('any octets are a value or an error', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => judge(bytes, {})))
})

test('a two-octet peer gets whole AS numbers through', () => {
  const path = fc.array(fc.integer({ min: 1, max: 0xffff_ffff }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(path, fc.option(fc.integer({ min: 1, max: 0xffff_ffff })), hostAddress, (asns, aggregator, address) => {
      const attributes: PathAttributes = {
        origin: 'igp',
        asPath: [{ type: 'sequence', asns }],
        nextHop: address,
        ...(aggregator === null ? {} : { aggregator: { as: aggregator, address } }),
      }
      // AS_TRANS in an aggregator beside a whole path, or the other way round, is where RFC 6793 §4.2.3 gives up
      fc.pre(aggregator === null || aggregator > 0xffff || asns.every((as) => as <= 0xffff))
      const message: UpdateMessage = { type: 'update', withdrawn: [], attributes, announced: [] }
      expect(decodeMessage(encodeMessage(message, { asn4: false }), { asn4: false })).toEqual({ ok: true, message, errors: [] })
    }),
  )
})

test('the visitor sees what the values say', () => {
  const field = typedFamily.filter(isVisitable).chain((family) =>
    fc.record({
      family: fc.constant(family),
      entries: fc.array(nlri(family, { addPath: true, withdraw: false }), { minLength: 1, maxLength: 6 }),
    }),
  )
  fc.assert(
    fc.property(field, ({ family, entries }) => {
      const [message] = packWithdrawalsOrUpdates(family, entries)
      const walked = walkUpdate(message, { addPath: 'all' })
      if (!walked.ok) expect.unreachable()
      const [span] = walked.view.reach
      const bytes = message.subarray(span.offset, span.offset + span.length)
      expect(checkNlri(family, bytes, { addPath: true, withdraw: false })).toBeUndefined()
      let index = 0
      visitNlri(family, bytes, { addPath: true, withdraw: false }, (entry) => {
        const value = entries[index++]
        expect(entry.pathId).toBe(value.kind === 'raw' ? 0 : value.pathId)
        if (value.kind === 'rtc')
          expect([entry.length, entry.w0, entry.w1, entry.w2]).toEqual([value.length, value.originAs, value.high, value.low])
        if (value.kind === 'unicast' || value.kind === 'labeled-unicast' || value.kind === 'vpn') {
          const { address, length } = value.prefix
          expect([entry.length, entry.w0, entry.w1, entry.w2, entry.w3]).toEqual([length, address.w0, address.w1, address.w2, address.w3])
        }
        if (value.kind === 'labeled-unicast' || value.kind === 'vpn')
          expect([entry.labelCount, entry.label]).toEqual([value.labels.length, value.labels[0]])
        if (value.kind === 'vpn') expect([entry.rdHigh, entry.rdLow]).toEqual([value.rd.high, value.rd.low])
      })
      expect(index).toBe(entries.length)
    }),
  )

  function packWithdrawalsOrUpdates(family: Parameters<typeof packUpdates>[0]['family'], entries: readonly Nlri[]): Uint8Array[] {
    const [address] = fc.sample(nextHop(family), 1)
    return packUpdates({ family, attributes: { origin: 'igp', asPath: [] }, nextHop: address, nlri: entries }, { addPath: 'all' })
  }
})

test('packing loses no route, keeps the order and the limit, and fills messages', () => {
  const group = typedFamily.chain((family) =>
    fc.record({
      family: fc.constant(family),
      attributes: pathAttributes,
      hop: nextHop(family),
      some: fc.array(nlri(family, { addPath: false, withdraw: false }), { minLength: 1, maxLength: 20 }),
      times: fc.integer({ min: 1, max: 40 }),
    }),
  )
  fc.assert(
    fc.property(group, fc.boolean(), ({ family, attributes, hop, some, times }, extended) => {
      const routes = Array.from({ length: times }, () => some).flat()
      const messages = packUpdates({ family, attributes, nextHop: hop, nlri: routes }, { extended })
      const limit = extended ? 65_535 : 4096
      const seen = messages.flatMap((bytes, index) => {
        expect(bytes.length).toBeLessThanOrEqual(limit)
        if (index < messages.length - 1) expect(bytes.length).toBeGreaterThan(limit - 300)
        const result = decodeMessage(bytes, IBGP)
        if (!result.ok || result.message.type !== 'update') expect.unreachable()
        const [announcement] = result.message.announced
        if (!announcement.multiprotocol) return announcement.nlri
        expect(announcement.nextHop).toEqual(hop)
        expect(result.message.attributes).toEqual(attributes)
        return announcement.nlri
      })
      expect(seen).toEqual(routes)

      const withdrawn = packWithdrawals(family, routes, { extended }).flatMap((bytes) => {
        const result = decodeMessage(bytes, IBGP)
        if (!result.ok || result.message.type !== 'update') expect.unreachable()
        return result.message.withdrawn.flatMap((group) => group.nlri)
      })
      expect(withdrawn.length).toBe(routes.length)
    }),
    { numRuns: 60 },
  )
})

test('an attribute set is one byte string, and comes back from it', () => {
  fc.assert(
    fc.property(updateMessage(), ({ attributes, announced }) => {
      const { nextHop: own, ...rest } = attributes
      for (const { nextHop } of announced) {
        const hop = nextHop === undefined ? {} : { nextHop }
        const bytes = canonicalAttributes(attributes, hop)
        expect(decodeAttributeSet(bytes)).toEqual({ attributes: rest, ...hop })
        const shuffled: PathAttributes = Object.fromEntries(Object.entries(attributes).reverse())
        expect(canonicalAttributes(shuffled, hop)).toEqual(bytes)
      }
      if (own !== undefined) expect(decodeAttributeSet(canonicalAttributes(attributes)).nextHop).toEqual({ address: own })
    }),
  )
})

test('any eight octets survive as an extended community', () => {
  const word = fc.nat(0xffff_ffff)
  const likely = fc
    .tuple(fc.constantFrom(0, 1, 2, 3, 6, 0x40, 0x43, 0x80), fc.nat(0x10), fc.nat(0xffff))
    .map(([type, subtype, tail]) => ((type << 24) | (subtype << 16) | tail) >>> 0)
  fc.assert(
    fc.property(fc.oneof(word, likely), fc.oneof(word, fc.nat(20)), (high, low) => {
      expect(extendedCommunityWords(extendedCommunityFromWords(high, low))).toEqual([high, low])
    }),
    { numRuns: 2000 },
  )
})

test('both ends negotiate the same session', () => {
  fc.assert(
    fc.property(openMessage, openMessage, (left, right) => {
      const here = negotiate(left, right)
      const there = negotiate(right, left)
      expect(new Set(here.families.map(({ key }) => key))).toEqual(new Set(there.families.map(({ key }) => key)))
      expect(here.addPath.send).toEqual(there.addPath.receive)
      expect(here.addPath.receive).toEqual(there.addPath.send)
      for (const key of ['asn4', 'peerType', 'extendedMessage', 'routeRefresh', 'enhancedRouteRefresh', 'holdTime'] as const) {
        expect(here[key]).toBe(there[key])
      }
      expect(here.gracefulRestart === undefined).toBe(there.gracefulRestart === undefined)
    }),
  )
})

/** Fails unless decoding ends in a value or an error whose place is in the message; a value must print, and encode to what decodes to itself. */
function judge(bytes: Uint8Array, options: DecodeOptions): void {
  const result = decodeMessage(bytes, options)
  for (const error of result.ok ? result.errors : [result.error]) {
    expect(error.offset).toBeGreaterThanOrEqual(0)
    expect(error.offset).toBeLessThanOrEqual(bytes.length)
    expect(error.code).toMatch(/^bgp\.[a-z0-9.-]+$/)
    expect(error.rfc).toMatch(/^(RFC \d+|draft-[a-z0-9-]+) §/)
  }
  if (!result.ok) return
  expect(JSON.parse(JSON.stringify(messageToJson(result.message)))).toEqual(messageToJson(result.message))
  if (result.errors.length > 0 || result.message.type === 'notification') return
  const again = decodeMessage(encodeMessage(result.message, { ...options, extended: true }), options)
  expect(again).toMatchObject({ ok: true })
  if (again.ok) expect(again.message).toEqual(result.message)
}

test('families have one key each', () => {
  fc.assert(
    fc.property(fc.nat(0xffff), fc.nat(0xff), (afi, safi) => {
      expect([familyKey(afi, safi) >>> 8, familyKey(afi, safi) & 0xff]).toEqual([afi, safi])
    }),
  )
})
