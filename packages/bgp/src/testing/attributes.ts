import fc, { type Arbitrary } from 'fast-check'
import type { AsPathSegment, PathAttributes, UnknownAttribute } from '../attribute/path-attributes.js'
import { ATTRIBUTE } from '../iana.js'
import { extendedCommunity, ipv6ExtendedCommunity } from './communities.js'
import { bfdDiscriminator, domainPath, linkStateAttribute, pmsiTunnel, prefixSidTlv, tunnel } from './overlay-attributes.js'
import { asNumber, ipv4Address, octets, word } from './values.js'

/** AS paths with segments of all types. */
export const asPath: Arbitrary<readonly AsPathSegment[]> = fc.array(
  fc.record({
    type: fc.constantFrom<AsPathSegment['type']>('sequence', 'set', 'confed-sequence', 'confed-set'),
    asns: fc.array(asNumber, { minLength: 1, maxLength: 12 }),
  }),
  { maxLength: 4 },
)

const TAKEN: ReadonlySet<number> = new Set(Object.values(ATTRIBUTE))

/** Attributes that nobody knows: optional, transitive or not, ordered by type. */
export const unknownAttributes: Arbitrary<readonly UnknownAttribute[]> = fc
  .uniqueArray(
    fc.record({
      type: fc.nat(255).filter((type) => !TAKEN.has(type)),
      flags: fc.constantFrom(0x80, 0xc0, 0xe0),
      value: octets({ maxLength: 300 }),
    }),
    { selector: ({ type }) => type, minLength: 1, maxLength: 3 },
  )
  .map((attributes) => attributes.toSorted((a, b) => a.type - b.type))

const flat = {
  origin: fc.constantFrom('igp', 'egp', 'incomplete'),
  asPath,
  med: word,
  localPref: word,
  atomicAggregate: fc.constant(true as const),
  aggregator: fc.record({ as: asNumber, address: ipv4Address }),
  communities: fc.array(word, { minLength: 1, maxLength: 5 }),
  originatorId: ipv4Address,
  clusterList: fc.array(ipv4Address, { minLength: 1, maxLength: 4 }),
  extendedCommunities: fc.array(extendedCommunity, { minLength: 1, maxLength: 6 }),
  pmsiTunnel,
  tunnelEncapsulation: fc.array(tunnel, { minLength: 1, maxLength: 2 }),
  ipv6ExtendedCommunities: fc.array(ipv6ExtendedCommunity, { minLength: 1, maxLength: 2 }),
  aigp: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  largeCommunities: fc.array(fc.record({ globalAdministrator: word, localData1: word, localData2: word }), {
    minLength: 1,
    maxLength: 4,
  }),
  linkState: linkStateAttribute,
  otc: asNumber,
  domainPath,
  bfdDiscriminator,
  prefixSid: fc.array(prefixSidTlv, { minLength: 1, maxLength: 2 }),
  unknown: unknownAttributes,
}

/** Path attributes in normal form, as an iBGP peer may send them; NEXT_HOP is not among them. */
export const pathAttributes: Arbitrary<PathAttributes> = fc.record(
  { ...flat, attrSet: fc.record({ originAs: word, attributes: fc.record(flat, { requiredKeys: [] }) }) },
  { requiredKeys: ['origin', 'asPath'] },
)
