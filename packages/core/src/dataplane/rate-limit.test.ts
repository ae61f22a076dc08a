import { expect, test } from 'vitest'
import { defaultBurst, isSameRateLimit, rateLimitProblems, type RateLimits } from './rate-limit.js'

const most = { bitsPerSecond: 1e15, burstOctets: 536_870_911 }

test.each<[string, RateLimits, string[]]>([
  ['none', {}, []],
  ['the least', { egress: { bitsPerSecond: 1, burstOctets: 1 } }, []],
  ['the most, both ways', { egress: most, ingress: most }, []],
  ['no rate', { egress: { bitsPerSecond: 0, burstOctets: 1 } }, ['egress bitsPerSecond 0 is not within 1–1000000000000000']],
  [
    'a burst that is no integer',
    { ingress: { bitsPerSecond: 8, burstOctets: 1.5 } },
    ['ingress burstOctets 1.5 is not within 1–536870911'],
  ],
  [
    'too fast',
    { ingress: { ...most, bitsPerSecond: 1e15 + 1 } },
    ['ingress bitsPerSecond 1000000000000001 is not within 1–1000000000000000'],
  ],
  ['a burst that is too long', { egress: { ...most, burstOctets: 2 ** 29 } }, ['egress burstOctets 536870912 is not within 1–536870911']],
])('limits that are %s', (_, limits, problems) => {
  expect(rateLimitProblems(limits)).toEqual(problems)
})

test('limits are the same when both figures are', () => {
  expect(isSameRateLimit(undefined, undefined)).toBe(true)
  expect(isSameRateLimit(most, { ...most })).toBe(true)
  expect(isSameRateLimit(most, undefined)).toBe(false)
  expect(isSameRateLimit(most, { ...most, burstOctets: 1 })).toBe(false)
})

test.each([
  [1, 262_144],
  [10_000_000, 262_144],
  [100_000_000, 1_250_000],
  [1e15, 536_870_911],
])('at %d bit/s, a burst that nobody said is %d octets', (bitsPerSecond, burstOctets) => {
  expect(defaultBurst(bitsPerSecond)).toBe(burstOctets)
  expect(rateLimitProblems({ egress: { bitsPerSecond, burstOctets } })).toEqual([])
})
