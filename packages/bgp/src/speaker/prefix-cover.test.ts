import { ipv4Prefix, ipv6Prefix } from '../testing/values.js'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PrefixCover } from './prefix-cover.js'

it('says what a look at each of the prefixes says', () => {
  const any = fc.oneof(ipv4Prefix, ipv6Prefix)
  // prefixes that have something to do with each other: shorter ones of what is asked for, beside any
  const case_ = fc.tuple(any, fc.array(any, { maxLength: 5 }), fc.array(fc.nat(128), { maxLength: 3 }))
  fc.assert(
    fc.property(case_, ([asked, others, lengths]) => {
      const near = lengths.filter((length) => length <= (asked.family === 4 ? 32 : 128)).map((length) => IpPrefix.of(asked.address, length))
      const all = [...others, ...near]
      expect(new PrefixCover(all).covers(asked)).toBe(all.some((one) => one.family === asked.family && one.covers(asked)))
    }),
    { numRuns: 1000 },
  )
})
