import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import type { AttributeSet } from '../attribute/attribute-set.js'
import { WELL_KNOWN_COMMUNITY } from '../iana.js'
import { IPV4_UNICAST, VPNV4_UNICAST, type Family } from '../nlri/family.js'
import { exportSet, type ExportSignature, type RouteSource } from './export-rules.js'

const ip = (text: string): IpAddress => IpAddress.parse(text)
const SELF = ip('192.0.2.1')
const FAR = { address: ip('192.0.2.77') }

const to = (more: Partial<ExportSignature> = {}): ExportSignature => ({
  peerType: 'ibgp',
  client: false,
  localAs: 65000,
  routerId: SELF,
  clusterId: SELF,
  localAddress: SELF,
  nextHop: 'auto',
  extendedNextHop: new Set(),
  ...more,
})
const from = (kind: RouteSource['kind'], client = false): RouteSource => ({ kind, client, routerId: ip('192.0.2.9') })
const set = (attributes: AttributeSet['attributes'] = {}, nextHop?: AttributeSet['nextHop']): AttributeSet => ({
  attributes: { origin: 'igp', asPath: [], ...attributes },
  ...(nextHop === undefined ? {} : { nextHop }),
})
/** The next hop with which a path goes out, or why it does not. */
const hop = (given: AttributeSet, family: Family, source: RouteSource, signature: ExportSignature): string => {
  const result = exportSet(given, family, source, signature)
  return 'refused' in result ? result.refused : String(result.set.nextHop?.address)
}

describe('next hop (RFC 4271 §5.1.3, RFC 4456 §10)', () => {
  it.each([
    ['of our own route without one: our address', set(), VPNV4_UNICAST, from('local'), to(), '192.0.2.1'],
    ['of our own route with one: that', set({}, FAR), VPNV4_UNICAST, from('local'), to(), '192.0.2.77'],
    ['reflected: kept', set({}, FAR), VPNV4_UNICAST, from('ibgp', true), to(), '192.0.2.77'],
    ['to another AS: our address', set({}, FAR), IPV4_UNICAST, from('ibgp'), to({ peerType: 'ebgp' }), '192.0.2.1'],
    [
      'of a labeled route to another AS: kept, the label is its',
      set({}, FAR),
      VPNV4_UNICAST,
      from('ibgp'),
      to({ peerType: 'ebgp' }),
      '192.0.2.77',
    ],
    ['where ours is asked for: ours', set({}, FAR), VPNV4_UNICAST, from('ebgp'), to({ nextHop: 'self' }), '192.0.2.1'],
    [
      'of IPv6 for an IPv4 family: not without RFC 8950',
      set({}, { address: ip('2001:db8::1') }),
      VPNV4_UNICAST,
      from('local'),
      to(),
      'next-hop-family',
    ],
    [
      'of IPv6 for an IPv4 family: with RFC 8950',
      set({}, { address: ip('2001:db8::1') }),
      VPNV4_UNICAST,
      from('local'),
      to({ extendedNextHop: new Set([VPNV4_UNICAST.key]) }),
      '2001:db8::1',
    ],
  ] as const)('%s', (_what, given, family, source, signature, expected) => {
    expect(hop(given, family, source, signature)).toBe(expected)
  })
})

describe('who is told what', () => {
  const { noExport, noAdvertise } = WELL_KNOWN_COMMUNITY
  it.each([
    ['non-client to non-client', set({}, FAR), from('ibgp'), to(), 'not-reflected'],
    ['non-client to client', set({}, FAR), from('ibgp'), to({ client: true }), '192.0.2.77'],
    ['client to non-client', set({}, FAR), from('ibgp', true), to(), '192.0.2.77'],
    ['external to internal', set({}, FAR), from('ebgp'), to(), '192.0.2.77'],
    ['NO_EXPORT within the AS', set({ communities: [noExport] }, FAR), from('local'), to(), '192.0.2.77'],
    ['NO_EXPORT beyond it', set({ communities: [noExport] }, FAR), from('local'), to({ peerType: 'ebgp' }), 'no-export'],
    ['NO_ADVERTISE', set({ communities: [noAdvertise] }, FAR), from('local'), to(), 'no-advertise'],
  ] as const)('%s', (_what, given, source, signature, expected) => {
    expect(hop(given, VPNV4_UNICAST, source, signature)).toBe(expected)
  })
})

describe('attributes', () => {
  const attributesOf = (given: AttributeSet, source: RouteSource, signature: ExportSignature): AttributeSet['attributes'] => {
    const result = exportSet(given, VPNV4_UNICAST, source, signature)
    return 'refused' in result ? {} : result.set.attributes
  }

  it('of a reflected route: originator and cluster (RFC 4456 §8)', () => {
    const once = attributesOf(set({}, FAR), from('ibgp', true), to())
    expect(once).toMatchObject({ originatorId: ip('192.0.2.9'), clusterList: [SELF], localPref: 100 })
    const twice = attributesOf(set(once, FAR), from('ibgp', true), to({ clusterId: ip('192.0.2.2') }))
    expect(twice).toMatchObject({ originatorId: ip('192.0.2.9'), clusterList: [ip('192.0.2.2'), SELF] })
  })

  it('beyond the AS: a longer path, and nothing that is internal (RFC 4271 §5.1)', () => {
    const inside = {
      localPref: 200,
      med: 5,
      originatorId: SELF,
      clusterList: [SELF],
      asPath: [{ type: 'confed-sequence', asns: [1] }],
    } as const
    expect(attributesOf(set(inside, FAR), from('ibgp', true), to({ peerType: 'ebgp' }))).toEqual({
      origin: 'igp',
      asPath: [{ type: 'sequence', asns: [65000] }],
    })
  })

  it('begin a new segment when the first one is full, or a set', () => {
    const full = Array.from({ length: 255 }, (_, at) => at + 1)
    const path = (asPath: NonNullable<AttributeSet['attributes']['asPath']>): unknown =>
      attributesOf(set({ asPath }, FAR), from('ebgp'), to({ peerType: 'ebgp' })).asPath
    expect(path([{ type: 'sequence', asns: full }])).toEqual([
      { type: 'sequence', asns: [65000] },
      { type: 'sequence', asns: full },
    ])
    expect(path([{ type: 'set', asns: [1, 2] }])).toEqual([
      { type: 'sequence', asns: [65000] },
      { type: 'set', asns: [1, 2] },
    ])
  })

  it('that are unknown go on when they are transitive, marked Partial (RFC 4271 §5)', () => {
    const unknown = [
      { type: 200, flags: 0xc0, value: new Uint8Array(1) },
      { type: 201, flags: 0x80, value: new Uint8Array(1) },
    ]
    const passed = [{ ...unknown[0], flags: 0xe0 }]
    expect(attributesOf(set({ unknown }, FAR), from('ebgp'), to({ peerType: 'ebgp' })).unknown).toEqual(passed)
    expect(attributesOf(set({ unknown }, FAR), from('ebgp'), to()).unknown).toEqual(passed)
    expect(attributesOf(set({ unknown }, FAR), from('local'), to()).unknown).toEqual(unknown)
  })
})
