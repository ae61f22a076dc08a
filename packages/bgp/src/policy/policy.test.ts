import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { AsPathSegment, PathAttributes } from '../attribute/path-attributes.js'
import { VPNV4_UNICAST } from '../nlri/family.js'
import { AsPathPattern } from './as-path-pattern.js'
import { compilePolicy, type PolicyRoute } from './compiled-policy.js'
import { PolicyError } from './policy-error.js'
import type { Policy, PolicyChange, PolicyMatch } from './policy.js'
import { formatPolicy, parsePolicy } from './policy-text.js'

const ATTRIBUTES: PathAttributes = {
  origin: 'igp',
  asPath: [{ type: 'sequence', asns: [65001, 65002, 65010] }],
  med: 5,
  localPref: 100,
  communities: [0xfde8_0064, 0xffff_ff01],
  largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
  extendedCommunities: [
    { kind: 'route-target', target: RouteTarget.parse('65000:1') },
    { kind: 'site-of-origin', type: 0, administrator: 65000, assigned: 9 },
    { kind: 'encapsulation', tunnelType: 13 },
    { kind: 'color', flags: 0, color: 100 },
  ],
  ipv6ExtendedCommunities: [{ kind: 'unknown', bytes: new Uint8Array(20).fill(0xab) }],
}
const ROUTE: PolicyRoute = {
  family: VPNV4_UNICAST,
  nlri: { kind: 'vpn', labels: [16], rd: RouteDistinguisher.parse('65000:7'), prefix: IpPrefix.parse('10.1.2.0/24') },
  set: { attributes: ATTRIBUTES, nextHop: { address: IpAddress.parse('192.0.2.1') } },
  peer: '192.0.2.9',
  source: 'ebgp',
  validation: 'not-found',
}

describe('a condition', () => {
  const cases: readonly (readonly [condition: PolicyMatch, expected: boolean])[] = [
    [{ family: ['vpnv4-unicast'] }, true],
    [{ family: ['vpnv6-unicast', 'l2vpn-evpn'] }, false],
    [{ prefix: ['10.1.2.0/24'] }, true],
    [{ prefix: ['10.0.0.0/8'] }, false],
    [{ prefix: ['10.0.0.0/8 ge 24'] }, true],
    [{ prefix: ['10.0.0.0/8 ge 25'] }, false],
    [{ prefix: ['10.0.0.0/8 le 23'] }, false],
    [{ prefix: ['10.0.0.0/8 ge 16 le 24'] }, true],
    [{ prefix: ['::/0 le 128', '10.1.0.0/16 le 24'] }, true],
    [{ rd: ['65000:7'] }, true],
    [{ rd: ['65000:8'] }, false],
    [{ community: ['65000:100'] }, true],
    [{ community: ['no-export'] }, true],
    [{ community: ['65000:*'] }, true],
    [{ community: ['65535:*'] }, true],
    [{ community: ['65000:101', '*:7'] }, false],
    [{ largeCommunity: ['65000:1:2'] }, true],
    [{ largeCommunity: ['65000:*:3'] }, false],
    [{ extendedCommunity: ['rt:65000:1'] }, true],
    [{ extendedCommunity: ['rt:*:2'] }, false],
    [{ extendedCommunity: ['soo:65000:*'] }, true],
    [{ extendedCommunity: ['encapsulation:13'] }, true],
    [{ extendedCommunity: ['color:100'] }, true],
    [{ extendedCommunity: ['0x0002fde800000001'] }, true],
    [{ ipv6Community: [`0x${'ab'.repeat(20)}`] }, true],
    [{ ipv6Community: [`0x${'ac'.repeat(20)}`] }, false],
    [{ asPath: ['^65001'] }, true],
    [{ asPath: ['^65002'] }, false],
    [{ nextHop: ['192.0.2.0/24'] }, true],
    [{ nextHop: ['192.0.2.2/32'] }, false],
    [{ peer: ['192.0.2.9'] }, true],
    [{ peer: ['local'] }, false],
    [{ source: ['ebgp'] }, true],
    [{ source: ['local', 'ibgp'] }, false],
    [{ origin: ['igp'] }, true],
    [{ origin: ['egp'] }, false],
    [{ validation: ['not-found'] }, true],
    [{ validation: ['invalid'] }, false],
    [{ community: ['65000:100'], peer: ['192.0.2.8'] }, false],
    [{}, true],
  ]
  it.each(cases.map(([match, expected]) => [JSON.stringify(match), match, expected] as const))('%s', (_name, match, expected) => {
    const verdict = (policy: Policy): string => compilePolicy(policy).apply(ROUTE).verdict
    expect(verdict({ terms: [{ match, verdict: 'accept' }] })).toBe(expected ? 'accept' : 'reject')
    // and the other way round, as an exception
    expect(verdict({ terms: [{ unless: match, verdict: 'accept' }] })).toBe(expected ? 'reject' : 'accept')
  })
})

describe('a change', () => {
  const cases: readonly (readonly [change: PolicyChange, expected: PathAttributes])[] = [
    [{ localPref: 200 }, { ...ATTRIBUTES, localPref: 200 }],
    [{ med: 7 }, { ...ATTRIBUTES, med: 7 }],
    [{ origin: 'egp' }, { ...ATTRIBUTES, origin: 'egp' }],
    [{ prepend: { as: 65000, times: 2 } }, { ...ATTRIBUTES, asPath: [{ type: 'sequence', asns: [65000, 65000, 65001, 65002, 65010] }] }],
    [{ community: { add: ['65000:100', 'no-peer'] } }, { ...ATTRIBUTES, communities: [0xfde8_0064, 0xffff_ff01, 0xffff_ff04] }],
    [{ community: { delete: ['65000:*'] } }, { ...ATTRIBUTES, communities: [0xffff_ff01] }],
    [{ community: { set: ['1:2'], add: ['1:3'] } }, { ...ATTRIBUTES, communities: [0x1_0002, 0x1_0003] }],
    [
      { largeCommunity: { add: ['1:2:3'] } },
      { ...ATTRIBUTES, largeCommunities: [...ATTRIBUTES.largeCommunities!, { globalAdministrator: 1, localData1: 2, localData2: 3 }] },
    ],
    [
      { extendedCommunity: { delete: ['soo:*:*', 'encapsulation:*', 'color:*'], add: ['rt:192.0.2.1:5'] } },
      {
        ...ATTRIBUTES,
        extendedCommunities: [ATTRIBUTES.extendedCommunities![0], { kind: 'route-target', target: RouteTarget.parse('192.0.2.1:5') }],
      },
    ],
  ]
  it.each(cases.map(([change, expected]) => [JSON.stringify(change), change, expected] as const))('%s', (_name, change, expected) => {
    const before = JSON.stringify(ROUTE.set)
    const result = compilePolicy({ terms: [{ change, verdict: 'accept' }] }).apply(ROUTE)
    expect(result.set.attributes).toEqual(expected)
    expect(JSON.stringify(ROUTE.set)).toBe(before)
  })

  it('takes out what is left empty', () => {
    const change: PolicyChange = { med: 'none', community: { delete: ['*:*'] }, ipv6Community: { set: [] } }
    const { set } = compilePolicy({ terms: [{ change }], otherwise: 'accept' }).apply(ROUTE)
    expect(Object.keys(set.attributes)).toEqual(
      Object.keys(ATTRIBUTES).filter((key) => !/^(med|communities|ipv6ExtendedCommunities)$/.test(key)),
    )
  })

  it('of the next hop is an address at once, or left to the session', () => {
    const apply = (nextHop: string) => compilePolicy({ terms: [{ change: { nextHop } }], otherwise: 'accept' }).apply(ROUTE)
    expect(String(apply('192.0.2.77').set.nextHop?.address)).toBe('192.0.2.77')
    expect(apply('192.0.2.77').nextHop).toBe('unchanged')
    expect(apply('self').nextHop).toBe('self')
  })
})

describe('terms', () => {
  it('are gone through in order, and each sees what those before it changed', () => {
    const policy: Policy = {
      terms: [
        { name: 'mark', match: { asPath: ['65010$'] }, change: { community: { add: ['65000:7'] } } },
        { name: 'marked', match: { community: ['65000:7'] }, change: { localPref: 7 }, verdict: 'next' },
        { name: 'end', match: { source: ['ebgp'] }, verdict: 'accept' },
        { name: 'never', verdict: 'reject' },
      ],
    }
    const { verdict, term, set } = compilePolicy(policy).apply(ROUTE)
    expect([verdict, term, set.attributes.localPref]).toEqual(['accept', 'end', 7])
  })

  it('that end with no verdict leave it to what is said for all others, which is reject', () => {
    expect(compilePolicy({ terms: [] }).apply(ROUTE)).toMatchObject({ verdict: 'reject', term: 'otherwise' })
    expect(compilePolicy({ terms: [], otherwise: 'accept' }).apply(ROUTE)).toMatchObject({ verdict: 'accept' })
  })

  it('say whether routes of equal attributes may end differently', () => {
    const depends = (match: PolicyMatch): boolean => compilePolicy({ terms: [{ unless: match }] }).dependsOnNlri
    expect(
      [{ prefix: ['::/0'] }, { rd: ['1:1'] }, { validation: ['valid'] }, { community: ['1:1'] }, {}].map((match) =>
        depends(match as PolicyMatch),
      ),
    ).toEqual([true, true, true, false, false])
  })
})

describe('what is no policy is refused with its place', () => {
  it.each([
    ['community', '65000-65010:*'],
    ['largeCommunity', '65000:1-2:*'],
    ['extendedCommunity', 'rt:65000-65010:*'],
    ['extendedCommunity', 'rt:*'],
    ['extendedCommunity', 'joint-label:*'],
    ['extendedCommunity', 'joint-labels:2001:*'],
    ['extendedCommunity', 'joint-labels:2001:db8::*'],
    ['extendedCommunity', '0x8a4a:*'],
    ['ipv6Community', '0x-*'],
  ])('and so is a pattern of %s that no text can match: %s', (name, pattern) => {
    for (const policy of [{ match: { [name]: [pattern] } }, { change: { [name]: { delete: [pattern] } } }]) {
      const cause = expect.objectContaining({ code: 'bgp.policy.pattern', message: expect.stringContaining(pattern) })
      expect(() => compilePolicy({ terms: [policy] })).toThrow(expect.objectContaining({ code: 'policy.value', cause }))
    }
  })

  it.each<[Policy, string]>([
    [{ terms: [{}, { match: { prefix: ['10.0.0.0/8', '10.0.0.1/8'] } }] }, 'terms[1].match.prefix[1]'],
    [{ terms: [{ match: { prefix: ['10.0.0.0/8 ge 7'] } }] }, 'terms[0].match.prefix[0]'],
    [{ terms: [{ match: { community: ['65536:1'] } }] }, 'terms[0].match.community[0]'],
    [{ terms: [{ unless: { asPath: ['('] } }] }, 'terms[0].unless.asPath[0]'],
    [{ terms: [{ match: { family: ['ipv5'] } }] }, 'terms[0].match.family[0]'],
    [{ terms: [{ change: { localPref: -1 } }] }, 'terms[0].change.localPref'],
    [{ terms: [{ change: { prepend: { as: 1, times: 33 } } }] }, 'terms[0].change.prepend.times'],
    [{ terms: [{ change: { nextHop: 'there' } }] }, 'terms[0].change.nextHop'],
    [{ terms: [{ change: { largeCommunity: { add: ['1:2'] } } }] }, 'terms[0].change.largeCommunity'],
  ])('%j', (policy, subject) => {
    expect(() => compilePolicy(policy)).toThrow(expect.objectContaining({ code: 'policy.value', subject }))
  })

  it.each([
    ['term a\n  wonder', 'line 2'],
    ['accept', 'line 1'],
    ['term a\n\n  match color 5', 'line 3'],
    ['otherwise maybe', 'line 1'],
    ['term a\n add prefix 10.0.0.0/8', 'line 2'],
    ['term a\n set origin here', 'line 2'],
  ])('%j', (text, subject) => {
    expect(() => parsePolicy(text)).toThrow(expect.objectContaining({ code: 'policy.syntax', subject }))
    expect(() => parsePolicy(text)).toThrow(PolicyError)
  })
})

test('the text form of the documentation', () => {
  const text = `
    policy customers  # of red
    term ours
      match prefix 10.0.0.0/8 ge 24, 192.168.0.0/16
      unless community no-export, 65000:*
      set local-pref 200
      add community 65000:200
      delete large-community 65000:1:*
      prepend 65000 2
      accept
    otherwise reject
  `
  expect(parsePolicy(text)).toEqual({
    name: 'customers',
    terms: [
      {
        name: 'ours',
        match: { prefix: ['10.0.0.0/8 ge 24', '192.168.0.0/16'] },
        unless: { community: ['no-export', '65000:*'] },
        change: {
          localPref: 200,
          community: { add: ['65000:200'] },
          largeCommunity: { delete: ['65000:1:*'] },
          prepend: { as: 65000, times: 2 },
        },
        verdict: 'accept',
      },
    ],
    otherwise: 'reject',
  })
})

const list = (value: fc.Arbitrary<string>): fc.Arbitrary<string[]> => fc.array(value, { minLength: 1, maxLength: 3 })
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<NonNullable<T[K]>> }) => fc.record(model, { requiredKeys: [] })
const number = fc.nat(0xffff)
const community = fc.oneof(
  fc.tuple(number, number).map(([a, b]) => `${a}:${b}`),
  fc.constantFrom('no-export', '65000:*', '*:1'),
)
const large = fc.tuple(number, number, number).map((parts) => parts.join(':'))
const extended = fc.tuple(fc.constantFrom('rt', 'soo'), number, number).map((parts) => parts.join(':'))
const match = record<PolicyMatch>({
  family: list(fc.constantFrom('vpnv4-unicast', 'l2vpn-evpn')),
  prefix: list(fc.tuple(fc.nat(24), fc.nat(8)).map(([length, more]) => `0.0.0.0/${length} ge ${length} le ${length + more}`)),
  rd: list(fc.tuple(number, number).map(([a, b]) => `${a}:${b}`)),
  community: list(community),
  largeCommunity: list(large),
  extendedCommunity: list(extended),
  ipv6Community: list(fc.constant(`0x${'01'.repeat(20)}`)),
  asPath: list(fc.constantFrom('^65001 .*$', '65001+ 65002?', '^$', '64512-65534')),
  nextHop: list(fc.constantFrom('192.0.2.0/24', '::/0')),
  peer: list(fc.constantFrom('local', '192.0.2.9')),
  source: fc.array(fc.constantFrom('local', 'ibgp', 'ebgp'), { minLength: 1 }),
  origin: fc.array(fc.constantFrom('igp', 'egp', 'incomplete'), { minLength: 1 }),
  validation: fc.array(fc.constantFrom('valid', 'invalid', 'not-found'), { minLength: 1 }),
})
const communityChanges = (value: fc.Arbitrary<string>) =>
  record({ set: list(value), delete: list(value), add: list(value) }).filter((change) => Object.keys(change).length > 0)
const plain = community.filter((text) => !text.includes('*'))
const change = record<PolicyChange>({
  localPref: fc.nat(0xffff_ffff),
  med: fc.oneof(fc.nat(0xffff_ffff), fc.constant('none' as const)),
  origin: fc.constantFrom('igp', 'egp', 'incomplete'),
  nextHop: fc.constantFrom('self', 'unchanged', '192.0.2.1', '2001:db8::1'),
  prepend: fc.record({ as: fc.nat(0xffff_ffff), times: fc.integer({ min: 1, max: 32 }) }),
  community: communityChanges(plain),
  largeCommunity: communityChanges(large),
  extendedCommunity: communityChanges(extended),
})
const filled = <T extends object>(value: fc.Arbitrary<T>): fc.Arbitrary<T> => value.filter((entry) => Object.keys(entry).length > 0)
const policy: fc.Arbitrary<Policy> = fc.record(
  {
    name: fc.constantFrom('customers', 'the others'),
    terms: fc.array(
      fc.record(
        {
          name: fc.constantFrom('a', 'term b'),
          match: filled(match),
          unless: filled(match),
          change: filled(change),
          verdict: fc.constantFrom('accept', 'reject', 'next'),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 4 },
    ),
    otherwise: fc.constantFrom('accept', 'reject'),
  },
  { requiredKeys: ['terms'] },
)

test('a policy survives its text form, and does the same', () => {
  fc.assert(
    fc.property(policy, (value) => {
      const again = parsePolicy(formatPolicy(value))
      expect(again).toEqual(value)
      const apply = (one: Policy): string => JSON.stringify(compilePolicy(one).apply(ROUTE))
      expect(apply(again)).toBe(apply(value))
    }),
  )
})

test('AS path patterns match what a regular expression over the path as text does', () => {
  const as = fc.integer({ min: 1, max: 4 })
  const sign = fc.constantFrom('', '', '?', '*', '+')
  const element = fc.tuple(
    fc.oneof(
      as.map(String),
      fc.constant('.'),
      fc.tuple(as, as).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    ),
    sign,
  )
  const pattern = fc.record({ start: fc.boolean(), end: fc.boolean(), elements: fc.array(element, { maxLength: 4 }) })
  const path = fc.array(as, { maxLength: 6 })
  // AS 1–4 as one digit and a blank each, so that an element is a character class
  const regular = ({ start, end, elements }: { start: boolean; end: boolean; elements: [string, string][] }): RegExp => {
    const body = elements.map(([what, count]) => `(?:${what === '.' ? '\\d' : `[${what}]`} )${count}`).join('')
    return new RegExp(`${start ? '^' : ''}${body}${end ? '$' : ''}`)
  }
  fc.assert(
    fc.property(pattern, path, (value, asns) => {
      const text = `${value.start ? '^' : ''}${value.elements.map((entry) => entry.join('')).join(' ')}${value.end ? '$' : ''}`
      const segments: AsPathSegment[] = asns.length === 0 ? [] : [{ type: 'sequence', asns }]
      const line = asns.map((one) => `${one} `).join('')
      expect(new AsPathPattern(text).matches(segments)).toBe(regular(value).test(line))
    }),
    { numRuns: 2000 },
  )
})

test('a pattern takes no longer the worse it is meant', () => {
  const asns = Array.from({ length: 255 }, () => 1)
  const path: AsPathSegment[] = Array.from({ length: 40 }, () => ({ type: 'sequence', asns }))
  // Of this thread's processor time: the machine may be busy.
  const started = process.threadCpuUsage()
  expect(new AsPathPattern(`${'.* '.repeat(60)}2$`).matches(path)).toBe(false)
  expect(process.threadCpuUsage(started).user).toBeLessThan(2_000_000)
})
