import { ByteWriter, IpAddress } from '@heddle/wire'
import fc, { type Arbitrary } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asPathLength } from '../attribute/as-path.js'
import { canonicalAttributes, decodeAttributeSet, type AttributeSet } from '../attribute/attribute-set.js'
import { DecisionFacts } from '../attribute/decision-facts.js'
import { MARK, marksOf } from '../attribute/marks.js'
import { NormalForm } from '../attribute/normal-form.js'
import { ORIGIN_CODE } from '../attribute/origin.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { WELL_KNOWN_COMMUNITY } from '../iana.js'
import type { DecodeOptions } from '../message/options.js'
import { UpdateScan, type ScannedField } from '../message/update-scan.js'
import { readNextHop } from '../message/update.js'
import { walkUpdate } from '../message/update-view.js'
import { packUpdates } from '../message/pack.js'
import { FAMILIES } from '../nlri/family.js'
import { isSoundNlri, isVisitable } from '../nlri/visit.js'
import { mutated, nextHop, nlri, pathAttributes } from '../testing/index.js'
import { decodeAttributes } from '../validate/attributes.js'
import { checkNlriFields, judgeUpdate } from '../validate/update.js'
import { exportSet, type ExportSignature, type RouteSource } from './export-rules.js'
import { importOctets } from './import-octets.js'
import { importSet, type ImportRules } from './import-rules.js'
import { isReflection, reflectOctets } from './reflect-octets.js'

/** Few numbers, so that loops and equal ones come about. */
const as = fc.constantFrom(65000, 65001, 4_200_000_000)
const identifier = fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3').map((text) => IpAddress.parse(text))
const community = fc.oneof(fc.constantFrom(...Object.values(WELL_KNOWN_COMMUNITY)), fc.nat(0xffff_ffff))

/** The attributes of everyday, which octets are enough for, and at times others among them. */
const everyday: Arbitrary<PathAttributes> = fc
  .record(
    {
      origin: fc.constantFrom('igp', 'egp', 'incomplete'),
      asPath: fc.array(fc.record({ type: fc.constantFrom('sequence', 'set'), asns: fc.array(as, { minLength: 1, maxLength: 4 }) }), {
        maxLength: 3,
      }),
      communities: fc.array(community, { minLength: 1, maxLength: 80 }),
      originatorId: identifier,
      clusterList: fc.array(identifier, { minLength: 1, maxLength: 70 }),
      localPref: fc.nat(200),
      all: fc.oneof({ weight: 5, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: pathAttributes }),
      some: pathAttributes.map(({ med, aggregator, atomicAggregate, extendedCommunities, largeCommunities }) => ({
        ...(med === undefined ? {} : { med }),
        ...(aggregator === undefined ? {} : { aggregator }),
        ...(atomicAggregate === undefined ? {} : { atomicAggregate }),
        ...(extendedCommunities === undefined ? {} : { extendedCommunities }),
        ...(largeCommunities === undefined ? {} : { largeCommunities }),
      })),
    },
    { requiredKeys: ['origin', 'asPath'] },
  )
  .map(({ all, some, ...rest }) => ({ ...all, ...some, ...rest }))

const visitable = fc.constantFrom(...FAMILIES.filter(isVisitable))
const PLAIN = { addPath: false, withdraw: false }
const placeOf = ({ family, from, to, mode: { addPath }, multiprotocol }: ScannedField) => ({
  family,
  offset: from,
  length: to - from,
  addPath,
  multiprotocol,
})
const hex = (bytes: Uint8Array | undefined): string => (bytes === undefined ? 'values' : Buffer.from(bytes).toString('hex'))

describe('octets say what values say', () => {
  test('of an UPDATE, however damaged: its attributes in canonical form', () => {
    const update = visitable
      .chain((family) =>
        fc.record({
          family: fc.constant(family),
          attributes: everyday,
          nextHop: fc.oneof(
            { weight: 3, arbitrary: nextHop(family).map(({ address }) => ({ address })) },
            { weight: 1, arbitrary: nextHop(family) },
          ),
          nlri: fc.array(nlri(family, { addPath: false, withdraw: false }), { minLength: 1, maxLength: 2 }),
        }),
      )
      .map((group) => packUpdates(group, { extended: true })[0])
    const normal = new NormalForm()
    const scan = new UpdateScan()
    let taken = 0
    fc.assert(
      fc.property(fc.oneof(update, update.chain(mutated)), fc.constantFrom('ibgp', 'ibgp', 'ebgp'), (bytes, peerType) => {
        const options: DecodeOptions = { peerType }
        if (!scan.read(bytes, options) || !normal.take(scan, { asn4: true, peerType })) return
        const walked = walkUpdate(bytes, options)
        if (!walked.ok) expect.unreachable()
        const { view } = walked
        expect(view.reach).toEqual(scan.announced.empty ? [] : [expect.objectContaining(placeOf(scan.announced))])
        expect(view.unreach).toEqual(scan.withdrawn.empty ? [] : [expect.objectContaining(placeOf(scan.withdrawn))])
        const { family, from, to } = scan.announced
        if (isVisitable(family))
          expect(isSoundNlri(family, bytes, from, to, PLAIN)).toBe(checkNlriFields({ ...view, unreach: [] }) === undefined)
        const { attributes, errors } = decodeAttributes(view, options)
        expect(judgeUpdate(view, attributes, errors)).toEqual([])
        for (const span of view.reach) {
          const octets = normal.of(scan)
          if (octets === undefined) continue
          taken++
          const { nextHop: own, ...rest } = attributes
          const hop = span.multiprotocol ? readNextHop(view, span) : { nextHop: { address: own! } }
          if ('code' in hop) expect.unreachable()
          expect(hex(octets.view())).toBe(hex(canonicalAttributes(rest, hop)))
        }
      }),
      { numRuns: 3000 },
    )
    expect(taken).toBeGreaterThan(200)
  })

  test('to the decision process', () => {
    const facts = new DecisionFacts()
    fc.assert(
      fc.property(fc.oneof(everyday, pathAttributes), (attributes) => {
        const {
          asPath = [],
          communities = [],
          clusterList = [],
          localPref = 100,
          med = 0,
          origin = 'incomplete',
          originatorId,
        } = attributes
        const canonical = canonicalAttributes(attributes)
        facts.read(canonical)
        const outside = asPath.find(({ type }) => type === 'sequence' || type === 'set')
        const marks = Object.entries(MARK).filter(([name]) => communities.includes(WELL_KNOWN_COMMUNITY[name as keyof typeof MARK]))
        expect(facts).toMatchObject({
          localPref,
          med,
          origin: ORIGIN_CODE[origin],
          neighborAs: outside?.type === 'sequence' ? outside.asns[0] : 0,
          originatorId: originatorId?.w0 ?? 0,
          asPathLength: asPathLength(asPath),
          clusterLength: clusterList.length,
        })
        expect(marksOf(canonical)).toBe(marks.reduce((bits, [, bit]) => bits | bit, 0))
      }),
    )
  })

  test('to the rules of import', () => {
    const rules = fc.record(
      {
        self: fc.record({ as, routerId: identifier.map(({ w0 }) => w0), clusterId: identifier.map(({ w0 }) => w0) }),
        peer: fc.constant('192.0.2.9'),
        peerAs: as,
        peerType: fc.constantFrom('ibgp', 'ebgp'),
        allowAsIn: fc.nat(2),
        asPathLimit: fc.nat(8),
        attributeLimit: fc.integer({ min: 64, max: 300 }),
        enforceFirstAs: fc.boolean(),
        gracefulShutdown: fc.boolean(),
      },
      { requiredKeys: ['self', 'peer', 'peerAs', 'peerType'] },
    ) as Arbitrary<ImportRules>
    let told = 0
    fc.assert(
      fc.property(setOf(everyday), visitable, rules, (set, family, rules) => {
        const canonical = canonicalAttributes(set.attributes, set)
        const verdict = importOctets(canonical, rules)
        if (verdict === 'values') return
        told++
        const result = importSet(set, family, undefined, rules, canonical.length)
        expect(verdict).toBe(result.invalid)
        expect(result.set).toBe(set)
      }),
      { numRuns: 2000 },
    )
    expect(told).toBeGreaterThan(200)
  })

  test('to a route reflector', () => {
    const source: Arbitrary<RouteSource> = fc.record({
      kind: fc.constantFrom('ibgp', 'ibgp', 'ebgp', 'local'),
      client: fc.boolean(),
      routerId: identifier,
    })
    const signature = fc.record(
      {
        peerType: fc.constantFrom('ibgp', 'ibgp', 'ebgp'),
        client: fc.boolean(),
        localAs: as,
        routerId: identifier,
        clusterId: identifier,
        localAddress: identifier,
        nextHop: fc.constantFrom('auto', 'self', 'unchanged'),
        extendedNextHop: fc.constant(new Set<number>()),
        gracefulShutdown: fc.boolean(),
        llgr: fc.boolean(),
      },
      { requiredKeys: ['peerType', 'client', 'localAs', 'routerId', 'clusterId', 'localAddress', 'nextHop', 'extendedNextHop'] },
    ) as Arbitrary<ExportSignature>
    let told = 0
    fc.assert(
      fc.property(
        visitable.chain((family) => fc.tuple(fc.constant(family), setOf(everyday, nextHop(family)))),
        source,
        signature,
        ([family, set], from, to) => {
          if (!isReflection(from, to, family)) return
          const canonical = canonicalAttributes(set.attributes, set)
          const out = new ByteWriter()
          const verdict = reflectOctets(canonical, family, from, to, out)
          if (verdict === 'values') return
          told++
          const result = exportSet(decodeAttributeSet(canonical), family, from, to)
          if ('refused' in result) expect(verdict).toBe('refused')
          else expect(hex(out.view())).toBe(hex(canonicalAttributes(result.set.attributes, result.set)))
        },
      ),
      { numRuns: 4000 },
    )
    expect(told).toBeGreaterThan(200)
  })
})

function setOf(
  attributes: Arbitrary<PathAttributes>,
  hop: Arbitrary<AttributeSet['nextHop']> = fc.constant(undefined),
): Arbitrary<AttributeSet> {
  return fc.tuple(attributes, hop).map(([attributes, nextHop]) => ({ attributes, ...(nextHop === undefined ? {} : { nextHop }) }))
}
