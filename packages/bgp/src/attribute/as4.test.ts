import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { mergeAs4 } from './as4.js'
import type { AttributeDraft } from './attribute-codec.js'
import type { AsPathSegment } from './path-attributes.js'

const sequence = (...asns: number[]): AsPathSegment => ({ type: 'sequence', asns })
const set = (...asns: number[]): AsPathSegment => ({ type: 'set', asns })
const address = IpAddress.parse('192.0.2.1')

/** What a two-octet peer sent, and the path that was meant (RFC 6793 §4.2.3). */
const cases: { name: string; draft: AttributeDraft; asPath: readonly AsPathSegment[]; aggregatorAs?: number }[] = [
  {
    name: 'AS numbers that were too large come back',
    draft: { asPath: [sequence(23_456, 200, 23_456)], as4Path: [sequence(70_000, 200, 80_000)] },
    asPath: [sequence(70_000, 200, 80_000)],
  },
  {
    name: 'what two-octet speakers put in front stays in front',
    draft: { asPath: [sequence(300, 400, 23_456)], as4Path: [sequence(70_000)] },
    asPath: [sequence(300, 400, 70_000)],
  },
  {
    name: 'a set counts one',
    draft: { asPath: [sequence(300), set(1, 2), sequence(23_456)], as4Path: [set(70_000, 2), sequence(80_000)] },
    asPath: [sequence(300), set(70_000, 2), sequence(80_000)],
  },
  {
    name: 'confederation segments count nothing and stay in front',
    draft: { asPath: [{ type: 'confed-sequence', asns: [65_001] }, sequence(300, 23_456)], as4Path: [sequence(70_000)] },
    asPath: [{ type: 'confed-sequence', asns: [65_001] }, sequence(300, 70_000)],
  },
  {
    name: 'an AS4_PATH longer than the path is not believed',
    draft: { asPath: [sequence(300)], as4Path: [sequence(70_000, 80_000)] },
    asPath: [sequence(300)],
  },
  {
    name: 'an aggregator of two octets means that someone aggregated behind AS4_PATH',
    draft: {
      asPath: [sequence(300, 23_456)],
      as4Path: [sequence(70_000)],
      aggregator: { as: 300, address },
      as4Aggregator: { as: 70_000, address },
    },
    asPath: [sequence(300, 23_456)],
    aggregatorAs: 300,
  },
  {
    name: 'an aggregator of AS_TRANS is the one in AS4_AGGREGATOR',
    draft: {
      asPath: [sequence(23_456)],
      as4Path: [sequence(70_000)],
      aggregator: { as: 23_456, address },
      as4Aggregator: { as: 70_000, address },
    },
    asPath: [sequence(70_000)],
    aggregatorAs: 70_000,
  },
]

describe.each(cases)('AS4_PATH: $name', ({ draft, asPath, aggregatorAs }) => {
  it('from a two-octet peer', () => {
    const merged = { ...draft }
    mergeAs4(merged, false)
    expect(merged.asPath).toEqual(asPath)
    expect(merged.aggregator?.as).toBe(aggregatorAs)
    expect(Object.keys(merged)).not.toContain('as4Path')
    expect(Object.keys(merged)).not.toContain('as4Aggregator')
  })

  it('is dropped unread from a four-octet peer (§4.1)', () => {
    const merged = { ...draft }
    mergeAs4(merged, true)
    expect(merged.asPath).toEqual(draft.asPath)
    expect(merged.aggregator).toEqual(draft.aggregator)
    expect(Object.keys(merged)).not.toContain('as4Path')
  })
})
