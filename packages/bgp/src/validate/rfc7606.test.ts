import { describe, expect, it } from 'vitest'
import { ATTRIBUTE_CASES, attributesOf, update } from '../../test/malformed/rfc7606-table.js'
import { decodeMessage, encodeMessage, strongestHandling, type DecodeOptions } from '../index.js'

describe.each(ATTRIBUTE_CASES)('$attribute from $peerType', ({ type, flags, value, peerType, outcome }) => {
  const { own, all: attributes } = attributesOf({ type, flags, value })
  const options: DecodeOptions = { peerType }

  it(`means ${outcome} with a route in the message`, () => {
    const result = decodeMessage(update('', attributes, '18c00002'), options)
    if (outcome === 'R') {
      expect(result).toMatchObject({ ok: false, error: { handling: 'session-reset', notification: { code: 3 } } })
      return
    }
    if (!result.ok) expect.unreachable(JSON.stringify(result.error))
    expect(result.message).toMatchObject({ announced: [{ nlri: [{ kind: 'unicast' }] }] })
    const strongest = strongestHandling(result.errors)
    if (outcome === 'W') expect(strongest).toBe('treat-as-withdraw')
    else expect([undefined, 'attribute-discard']).toContain(strongest)
    for (const error of result.errors) {
      expect(error.rfc).toMatch(/^(RFC \d+|draft-[a-z0-9-]+) §/)
      expect(error.offset).toBeGreaterThanOrEqual(23)
      expect(error.offset).toBeLessThanOrEqual(23 + attributes.length / 2)
    }
  })

  if (outcome === 'W')
    it('ends the session when no reachable route is in the message (RFC 7606 §5.2)', () => {
      const result = decodeMessage(update('18c00002', own, ''), options)
      expect(result).toMatchObject({ ok: false, error: { handling: 'session-reset', rfc: 'RFC 7606 §5.2' } })
    })

  if (outcome === 'D')
    it('leaves no trace of the attribute, unless it is one to pass on', () => {
      const result = decodeMessage(update('', attributes, '18c00002'), options)
      if (!result.ok || result.message.type !== 'update') expect.unreachable()
      const { unknown = [], ...known } = result.message.attributes
      expect(unknown.map(({ type }) => type)).toEqual(type > 200 ? [type] : [])
      expect(Object.keys(known).sort()).toEqual(['asPath', 'nextHop', 'origin'])
      if (type > 200) expect(hex(encodeMessage(result.message))).toContain(own)
    })
})

function octet(value: number): string {
  return value.toString(16).padStart(2, '0')
}

function hex(octets: Uint8Array): string {
  return [...octets].map(octet).join('')
}
