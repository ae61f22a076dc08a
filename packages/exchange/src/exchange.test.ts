import {
  TUNNEL_TYPE,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  IPV4_UNICAST,
  L2VPN_EVPN,
  jointLabelsCommunity,
  type ExtendedCommunity,
  type Nlri,
  type PathAttributes,
  type RouteAnnouncement,
  type VpnNlri,
} from '@heddle/bgp'
import { ENCAPSULATIONS, type Encapsulation, type VpnRoute, type VpnRouteKey } from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { fromBgp } from './from-bgp.js'
import { toBgp } from './to-bgp.js'

const PEER = '10.255.4.2'

const announcement = (change: Partial<RouteAnnouncement> = {}): RouteAnnouncement => ({
  kind: 'announce',
  family: VPNV4_UNICAST,
  nlri: { kind: 'vpn', labels: [1001], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('10.1.0.0/24') },
  pathId: 0,
  peer: PEER,
  attributes: {},
  nextHop: IpAddress.parse('10.255.1.2'),
  peerType: 'ibgp',
  peerRouterId: IpAddress.parse('10.255.4.2'),
  stale: false,
  ...change,
})

const routeOf = (change: RouteAnnouncement): VpnRoute => {
  const [out] = fromBgp([change])
  if (out?.kind !== 'announce') throw new TypeError('no announcement')
  return out.route
}

describe('from BGP', () => {
  it('reads what decides, with the defaults of RFC 4271', () => {
    const attributes: PathAttributes = {
      origin: 'igp',
      asPath: [
        { type: 'confed-sequence', asns: [64_512] },
        { type: 'sequence', asns: [65_001, 65_002] },
        { type: 'set', asns: [1, 2, 3] },
      ],
      med: 7,
      localPref: 200,
      clusterList: [IpAddress.parse('1.1.1.1')],
      originatorId: IpAddress.parse('0.0.0.9'),
    }
    expect(routeOf(announcement({ attributes, peerType: 'ebgp' })).preference).toEqual({
      localPref: 200,
      asPathLength: 3,
      origin: 0,
      med: 7,
      neighborAs: 65_001,
      external: true,
      clusterListLength: 1,
      originatorId: 9,
    })
    expect(routeOf(announcement()).preference).toEqual({
      localPref: 100,
      asPathLength: 0,
      origin: 2,
      med: 0,
      neighborAs: 0,
      external: false,
      clusterListLength: 0,
      originatorId: IpAddress.parse('10.255.4.2').w0,
    })
  })

  it('takes encapsulations from communities and the tunnel attribute, in order, and passes over those it does not know', () => {
    const types = [99, TUNNEL_TYPE.mplsInUdp, TUNNEL_TYPE.gre, TUNNEL_TYPE.mplsInGre, TUNNEL_TYPE.geneve]
    const extendedCommunities = types.map((tunnelType): ExtendedCommunity => ({ kind: 'encapsulation', tunnelType }))
    const tunnelEncapsulation = [{ type: TUNNEL_TYPE.vxlan, subTlvs: [] }]
    expect(routeOf(announcement({ attributes: { extendedCommunities, tunnelEncapsulation } })).encapsulations).toEqual([
      'mpls-udp',
      'mpls-gre',
      'vxlan',
    ])
    expect(routeOf(announcement()).encapsulations).toEqual([])
  })

  describe('believes of joint labels', () => {
    const told = (of: string, ...types: number[]): PathAttributes => ({
      extendedCommunities: [
        ...types.map((tunnelType): ExtendedCommunity => ({ kind: 'encapsulation', tunnelType })),
        jointLabelsCommunity(IpAddress.parse(of)),
      ],
    })
    const taken = (attributes: PathAttributes, nextHop: string): readonly string[] =>
      routeOf(announcement({ attributes, nextHop: IpAddress.parse(nextHop) })).encapsulations
    const { mplsInUdp, gre, vxlan } = TUNNEL_TYPE

    it.each(['10.255.1.2', '2001:db8::2', '::ffff:10.255.1.2'])('what is told of the next hop %s, before MPLS over UDP', (hop) => {
      expect(taken(told(hop, gre, mplsInUdp), hop)).toEqual(['mpls-gre', 'mpls-udp-joint', 'mpls-udp'])
    })

    it('what is told of an IPv4 next hop, where VPNv6 writes it as ::ffff:a.b.c.d', () => {
      expect(taken(told('10.255.1.2', mplsInUdp), '::ffff:10.255.1.2')).toEqual(['mpls-udp-joint', 'mpls-udp'])
    })

    it('what stands beside a tunnel encapsulation attribute', () => {
      const attributes = { ...told('10.255.1.2'), tunnelEncapsulation: [{ type: mplsInUdp, subTlvs: [] }] }
      expect(taken(attributes, '10.255.1.2')).toEqual(['mpls-udp-joint', 'mpls-udp'])
    })

    it('nothing that is told of another next hop, in whose place a router has come', () => {
      expect(taken(told('10.255.1.2', mplsInUdp), '10.255.1.3')).toEqual(['mpls-udp'])
      expect(taken(told('2001:db8::2', mplsInUdp), '2001:db8::3')).toEqual(['mpls-udp'])
      expect(taken(told('10.255.1.2', mplsInUdp), '2001:db8::2')).toEqual(['mpls-udp'])
    })

    it('nothing of who does not take MPLS over UDP, or says of no encapsulation that it takes it', () => {
      expect(taken(told('10.255.1.2', gre, vxlan), '10.255.1.2')).toEqual(['mpls-gre', 'vxlan'])
      expect(taken(told('10.255.1.2'), '10.255.1.2')).toEqual([])
    })
  })

  it('gives the IPv4 tunnel end of a VPNv6 next hop (RFC 4659 §3.2.1.2)', () => {
    const nlri = { kind: 'vpn', labels: [1002], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('2001:db8::/32') } as const
    const route = routeOf(announcement({ family: VPNV6_UNICAST, nlri, nextHop: IpAddress.parse('::ffff:10.255.1.2') }))
    expect(String(route.nextHop)).toBe('10.255.1.2')
  })

  it.each<[string, Partial<RouteAnnouncement>]>([
    [
      'without a label',
      { nlri: { kind: 'vpn', labels: [], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('10.1.0.0/24') } },
    ],
    [
      'with implicit null',
      { nlri: { kind: 'vpn', labels: [3], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('10.1.0.0/24') } },
    ],
    [
      'with a stack',
      { nlri: { kind: 'vpn', labels: [16, 17], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('10.1.0.0/24') } },
    ],
    ['whose next hop is nobody', { nextHop: IpAddress.parse('0.0.0.0') }],
  ])('withdraws a path %s, whatever it was before', (_name, change) => {
    expect(fromBgp([announcement(change)])).toMatchObject([{ kind: 'withdraw', source: PEER, pathId: 0 }])
  })

  describe('of an IP prefix route of EVPN', () => {
    const mac = MacAddress.parse('02:00:00:00:00:0b')
    const nlri = {
      kind: 'evpn',
      route: 'ip-prefix',
      rd: RouteDistinguisher.parse('65000:1'),
      esi: new Uint8Array(10),
      ethernetTag: 0,
      prefix: IpPrefix.parse('2001:db8::/32'),
      gateway: IpAddress.parse('::'),
      label: 0x12_3456,
    } as const
    const told = (...extendedCommunities: ExtendedCommunity[]): Pick<RouteAnnouncement, 'attributes'> => ({
      attributes: { extendedCommunities },
    })
    const encapsulation = (tunnelType: number): ExtendedCommunity => ({ kind: 'encapsulation', tunnelType })
    const [vxlan, router] = [encapsulation(TUNNEL_TYPE.vxlan), { kind: 'router-mac', mac } as const]
    const evpnRoute = (change: Partial<RouteAnnouncement>, more: object = {}): RouteAnnouncement =>
      announcement({ family: L2VPN_EVPN, nlri: { ...nlri, ...more }, ...change })

    it('reads VNI and router, beside what VPNv6 says of the same prefix', () => {
      const { rd, prefix, label, routerMac, encapsulations, evpn: isEvpn } = routeOf(evpnRoute(told(vxlan, router)))
      expect([String(rd), String(prefix), label, String(routerMac), encapsulations, isEvpn]).toEqual([
        '65000:1',
        '2001:db8::/32',
        0x12_3456,
        '02:00:00:00:00:0b',
        ['vxlan'],
        true,
      ])
    })

    it('reads who reads joint labels, unless VXLAN is told', () => {
      const joint = jointLabelsCommunity(IpAddress.parse('10.255.1.2'))
      const taken = (...communities: ExtendedCommunity[]): readonly string[] =>
        routeOf(evpnRoute(told(encapsulation(TUNNEL_TYPE.mplsInUdp), joint, ...communities))).encapsulations
      expect([taken(), taken(vxlan, router)]).toEqual([['mpls-udp-joint', 'mpls-udp'], ['vxlan']])
    })

    it('reads a label of MPLS where VXLAN is not told, and a VNI where both are', () => {
      const labelOf = (change: Pick<RouteAnnouncement, 'attributes'>): number => routeOf(evpnRoute(change)).label
      expect(labelOf(told())).toBe(0x1_2345)
      expect(labelOf(told(encapsulation(TUNNEL_TYPE.mplsInUdp), router))).toBe(0x1_2345)
      expect(labelOf(told(encapsulation(TUNNEL_TYPE.mplsInUdp), vxlan, router))).toBe(0x12_3456)
    })

    it.each<[string, RouteAnnouncement]>([
      ['that names no router behind VXLAN', evpnRoute(told(vxlan))],
      ['whose router has a group address', evpnRoute(told(vxlan, { kind: 'router-mac', mac: MacAddress.parse('03:00:00:00:00:01') }))],
      ['whose router has the address 0', evpnRoute(told(vxlan, { kind: 'router-mac', mac: MacAddress.of(0, 0) }))],
      ['that is of an encapsulation that the model does not know', evpnRoute(told(encapsulation(TUNNEL_TYPE.geneve), router))],
      ['that is reached by a gateway', evpnRoute(told(vxlan, router), { gateway: IpAddress.parse('2001:db8::1') })],
      ['that is reached by a segment', evpnRoute(told(vxlan, router), { esi: new Uint8Array(10).fill(1) })],
      ['of VNI 0', evpnRoute(told(vxlan, router), { label: 0 })],
      ['of a special-purpose label', evpnRoute(told(), { label: 3 << 4 })],
      ['without a next hop', evpnRoute({ ...told(vxlan, router), nextHop: IpAddress.parse('0.0.0.0') })],
    ])('withdraws one %s', (_name, change) => {
      expect(fromBgp([change])).toMatchObject([{ kind: 'withdraw', source: PEER, evpn: true }])
    })

    it('leaves one alone that has an Ethernet tag: it is not the one without', () => {
      expect(fromBgp([evpnRoute(told(vxlan, router), { ethernetTag: 7 })])).toEqual([])
      const { family, pathId, peer } = evpnRoute({})
      expect(fromBgp([{ kind: 'withdraw', family, pathId, peer, nlri: { ...nlri, ethernetTag: 7 } }])).toEqual([])
      expect(fromBgp([{ kind: 'withdraw', family, pathId, peer, nlri }])).toMatchObject([{ kind: 'withdraw', evpn: true }])
    })
  })

  it('passes over other families', () => {
    expect(fromBgp([announcement({ family: IPV4_UNICAST, nlri: { kind: 'unicast', prefix: IpPrefix.parse('10.0.0.0/8') } })])).toEqual([])
  })

  it('says what is stale', () => {
    expect(routeOf(announcement({ stale: true })).stale).toBe(true)
    expect(routeOf(announcement())).not.toHaveProperty('stale')
  })
})

const word = fc.nat({ max: 0xffffffff })
const address = fc.oneof(
  word.filter((w0) => w0 !== 0 && w0 >>> 28 !== 14).map((w0) => IpAddress.v4(w0)),
  fc.tuple(fc.integer({ min: 0x20000000, max: 0x3fffffff }), word, word, word).map((words) => IpAddress.v6(...words)),
)
const prefix = fc.oneof(
  fc.tuple(word, fc.nat(32)).map(([w0, length]) => IpPrefix.of(IpAddress.v4(w0), length)),
  fc.tuple(word, word, word, word, fc.nat(128)).map(([w0, w1, w2, w3, length]) => IpPrefix.of(IpAddress.v6(w0, w1, w2, w3), length)),
)
/** Who takes MPLS over UDP may take it with a joint label on top, too. */
const withJoint = (told: readonly Encapsulation[]): fc.Arbitrary<Encapsulation[]> =>
  fc.boolean().map((isJoint) => told.flatMap((one): Encapsulation[] => (isJoint && one === 'mpls-udp' ? ['mpls-udp-joint', one] : [one])))
const vpn: fc.Arbitrary<VpnRoute> = fc.record({
  source: fc.constant('local'),
  rd: fc.tuple(fc.nat(0x2ffff), word).map(([high, low]) => RouteDistinguisher.fromWords(high, low)),
  prefix,
  pathId: fc.constant(0),
  routeTargets: fc.array(
    fc.tuple(fc.nat(0xffff), word).map(([as, number]) => RouteTarget.of(0, as, number)),
    { maxLength: 4 },
  ),
  label: fc.integer({ min: 16, max: 0xfffff }),
  nextHop: address,
  encapsulations: fc
    .uniqueArray(fc.constantFrom(...ENCAPSULATIONS.filter((encapsulation) => encapsulation !== 'mpls-udp-joint')))
    .chain(withJoint),
  preference: fc.record({
    localPref: word,
    asPathLength: fc.constant(0),
    origin: fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 2),
    med: word,
    neighborAs: fc.constant(0),
    external: fc.constant(false),
    clusterListLength: fc.constant(0),
    originatorId: word,
  }),
})

/** Of EVPN: with a VNI, and with a label of MPLS. */
const evpn: fc.Arbitrary<VpnRoute> = fc.oneof(
  fc.tuple(vpn, fc.integer({ min: 1, max: 0xff_ffff }), fc.nat(0xff_ffff), fc.nat(0xff_ffff)).map(([one, label, high, low]): VpnRoute => ({
    ...one,
    evpn: true,
    label,
    encapsulations: ['vxlan'],
    routerMac: MacAddress.of(high & ~0x01_00_00, low | 1),
  })),
  fc
    .tuple(vpn, fc.uniqueArray(fc.constantFrom('mpls-udp' as const, 'mpls-gre' as const, 'mpls' as const)).chain(withJoint))
    .map(([one, encapsulations]): VpnRoute => ({ ...one, evpn: true, encapsulations })),
)
const route = fc.oneof(vpn, evpn)

test('what one side exports, the other imports', () => {
  fc.assert(
    fc.property(route, (sent) => {
      const { announce, withdraw } = toBgp([{ kind: 'announce', route: sent }])
      expect(withdraw).toEqual([])
      const [local] = announce
      const peerRouterId = IpAddress.v4(sent.preference.originatorId)
      const received = fromBgp([announcement({ ...local, nextHop: local.nextHop ?? IpAddress.v4(0), peer: 'local', peerRouterId })])
      expect(received).toEqual([{ kind: 'announce', route: sent }])
    }),
  )
})

test('who is told of joint labels alone is told of MPLS over UDP, once', () => {
  const [sent] = toBgp([{ kind: 'announce', route: { ...routeOf(announcement()), encapsulations: ['mpls-udp-joint'] } }]).announce
  const joint = jointLabelsCommunity(IpAddress.parse('10.255.1.2'))
  expect(sent.attributes?.extendedCommunities).toEqual([{ kind: 'encapsulation', tunnelType: TUNNEL_TYPE.mplsInUdp }, joint])
})

test('the last change of a route counts', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(route, fc.boolean()), { maxLength: 8 }), fc.nat(3), (steps, same) => {
      const changes = steps.map(([step, isAnnounced], index) => {
        const named = { ...step, rd: RouteDistinguisher.of(0, 1, index % (same + 1)), prefix: IpPrefix.parse('10.0.0.0/8') }
        return isAnnounced ? ({ kind: 'announce', route: named } as const) : ({ kind: 'withdraw', ...named } as const)
      })
      const { announce, withdraw } = toBgp(changes)
      const nameOf = ({ nlri }: { nlri: Nlri }): string => `${String((nlri as VpnNlri).rd)} ${nlri.kind}`
      const keyOf = ({ rd, evpn: isEvpn }: VpnRouteKey): string => `${rd} ${isEvpn === true ? 'evpn' : 'vpn'}`
      const last = new Map(changes.map((change) => [keyOf(change.kind === 'announce' ? change.route : change), change.kind]))
      for (const [rd, kind] of last) expect((kind === 'announce' ? announce : withdraw).map(nameOf)).toContain(rd)
      expect(announce.length + withdraw.length).toBe(last.size)
    }),
  )
})
