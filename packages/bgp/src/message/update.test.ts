import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import {
  FAMILIES,
  IPV4_UNICAST,
  IPV6_UNICAST,
  RTC,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  decodeMessage,
  encodeEndOfRib,
  encodeMessage,
  packUpdates,
  packWithdrawals,
  routeTargetMembership,
  withdrawMalformed,
  type UpdateMessage,
} from '../index.js'

const marker = Array.from({ length: 16 }, () => 0xff)
/** An UPDATE whose body is given as octets, or as hex a field. */
function framed(...body: (number | string)[]): Uint8Array {
  const octets = body.flatMap((part) => (typeof part === 'number' ? [part] : part.split(' ').map((octet) => Number.parseInt(octet, 16))))
  return Uint8Array.of(...marker, (19 + octets.length) >>> 8, (19 + octets.length) & 0xff, 2, ...octets)
}

const ORIGIN_IGP = '40 01 01 00'
const AS_PATH_EMPTY = '40 02 00'

const cases: { name: string; bytes: Uint8Array; update: UpdateMessage }[] = [
  {
    name: 'IPv4 unicast in the fields of RFC 4271',
    bytes: framed(
      '00 04', // withdrawn routes: 4 octets
      '18 c6 33 64', // 198.51.100.0/24
      '00 14', // attributes: 20 octets
      ORIGIN_IGP,
      '40 02 06 02 01 00 00 fd e8', // AS_PATH: sequence of 65,000
      '40 03 04 c0 00 02 01', // NEXT_HOP 192.0.2.1
      '19 0a 00 00 ff', // 10.0.0.128/25: the last seven bits do not count
    ),
    update: {
      type: 'update',
      withdrawn: [{ family: IPV4_UNICAST, nlri: [{ kind: 'unicast', prefix: IpPrefix.parse('198.51.100.0/24') }], multiprotocol: false }],
      attributes: { origin: 'igp', asPath: [{ type: 'sequence', asns: [65_000] }], nextHop: IpAddress.parse('192.0.2.1') },
      announced: [
        {
          family: IPV4_UNICAST,
          nextHop: { address: IpAddress.parse('192.0.2.1') },
          nlri: [{ kind: 'unicast', prefix: IpPrefix.parse('10.0.0.128/25') }],
          multiprotocol: false,
        },
      ],
    },
  },
  {
    name: 'VPNv4 with a route target and MPLS in UDP',
    bytes: framed(
      '00 00 00 44', // attributes: 68 octets
      '80 0e 20', // MP_REACH_NLRI: 32 octets
      '00 01 80', // VPNv4
      '0c 00 00 00 00 00 00 00 00 c0 00 02 01', // next hop: RD 0, 192.0.2.1
      '00', // reserved
      '70', // 112 bits: a label, an RD, 24 bits of prefix
      '00 01 01', // label 16, bottom
      '00 00 fd e8 00 00 00 01', // RD 65000:1
      '0a 00 00', // 10.0.0.0/24
      ORIGIN_IGP,
      AS_PATH_EMPTY,
      '40 05 04 00 00 00 64', // LOCAL_PREF 100
      'c0 10 10', // EXTENDED_COMMUNITIES: 16 octets
      '00 02 fd e8 00 00 00 01', // route target 65000:1
      '03 0c 00 00 00 00 00 0d', // encapsulation: MPLS in UDP
    ),
    update: {
      type: 'update',
      withdrawn: [],
      attributes: {
        origin: 'igp',
        asPath: [],
        localPref: 100,
        extendedCommunities: [
          { kind: 'route-target', target: RouteTarget.parse('65000:1') },
          { kind: 'encapsulation', tunnelType: 13 },
        ],
      },
      announced: [
        {
          family: VPNV4_UNICAST,
          nextHop: { address: IpAddress.parse('192.0.2.1') },
          nlri: [{ kind: 'vpn', labels: [16], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('10.0.0.0/24') }],
          multiprotocol: true,
        },
      ],
    },
  },
  {
    name: 'VPNv6 over an IPv4 core (RFC 4659 §3.2.1.2)',
    bytes: framed(
      '00 00 00 47', // attributes: 71 octets
      '80 0e 3d', // MP_REACH_NLRI: 61 octets
      '00 02 80', // VPNv6
      '18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 ff ff c0 00 02 01', // RD 0, ::ffff:192.0.2.1
      '00 98', // 152 bits: a label, an RD, 64 bits of prefix
      '00 01 11', // label 17
      '00 01 c0 00 02 01 00 02', // RD 192.0.2.1:2
      '20 01 0d b8 00 00 00 01', // 2001:db8:0:1::/64
      '58', // 88 bits: a label, an RD, nothing of the prefix
      '00 01 21', // label 18
      '00 02 00 01 11 70 00 03', // RD 70000:3
      ORIGIN_IGP,
      AS_PATH_EMPTY,
    ),
    update: {
      type: 'update',
      withdrawn: [],
      attributes: { origin: 'igp', asPath: [] },
      announced: [
        {
          family: VPNV6_UNICAST,
          nextHop: { address: IpAddress.parse('::ffff:192.0.2.1') },
          nlri: [
            { kind: 'vpn', labels: [17], rd: RouteDistinguisher.parse('192.0.2.1:2'), prefix: IpPrefix.parse('2001:db8:0:1::/64') },
            { kind: 'vpn', labels: [18], rd: RouteDistinguisher.parse('70000:3'), prefix: IpPrefix.parse('::/0') },
          ],
          multiprotocol: true,
        },
      ],
    },
  },
  {
    name: 'route target membership, one and the default',
    bytes: framed(
      '00 00 00 21', // attributes: 33 octets
      '80 0e 17', // MP_REACH_NLRI: 23 octets
      '00 01 84', // RTC
      '04 c0 00 02 01 00 60', // 96 bits
      '00 00 fd e8', // origin AS 65,000
      '00 02 fd e8 00 00 00 01', // route target 65000:1
      '00', // 0 bits: everything
      ORIGIN_IGP,
      AS_PATH_EMPTY,
    ),
    update: {
      type: 'update',
      withdrawn: [],
      attributes: { origin: 'igp', asPath: [] },
      announced: [
        {
          family: RTC,
          nextHop: { address: IpAddress.parse('192.0.2.1') },
          nlri: [routeTargetMembership(65_000, RouteTarget.parse('65000:1')), { kind: 'rtc', length: 0, originAs: 0, high: 0, low: 0 }],
          multiprotocol: true,
        },
      ],
    },
  },
]

describe.each(cases)('an UPDATE of $name', ({ bytes, update }) => {
  it('decodes', () => {
    expect(decodeMessage(bytes, { peerType: 'ibgp' })).toEqual({ ok: true, message: update, errors: [] })
  })

  it('encodes to what decodes the same', () => {
    expect(decodeMessage(encodeMessage(update), { peerType: 'ibgp' })).toEqual({ ok: true, message: update, errors: [] })
  })
})

describe.each(['800000', '000000', '000101'])('a VPNv4 route withdrawn with label field %s', (field) => {
  it('is withdrawn, whatever the label', () => {
    const label = [0, 2, 4].map((at) => Number.parseInt(field.slice(at, at + 2), 16))
    const bytes = framed(0, 0, 0, 20, 0x80, 0x0f, 0x11, 0, 1, 0x80, 0x68, ...label, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0x0a, 0)
    expect(decodeMessage(bytes)).toMatchObject({
      ok: true,
      message: {
        announced: [],
        withdrawn: [{ family: VPNV4_UNICAST, nlri: [{ labels: field === '000101' ? [16] : [], prefix: IpPrefix.parse('10.0.0.0/16') }] }],
      },
      errors: [],
    })
  })
})

test.each(FAMILIES)('End-of-RIB of $name is known as such (RFC 4724 §2)', (family) => {
  const result = decodeMessage(encodeEndOfRib(family))
  expect(result).toMatchObject({ ok: true, message: { endOfRib: family, announced: [] }, errors: [] })
})

test('an UPDATE that withdraws, or has attributes, ends no RIB', () => {
  const nlri = [{ kind: 'unicast' as const, prefix: IpPrefix.parse('2001:db8::/32') }]
  for (const bytes of [...packWithdrawals(IPV6_UNICAST, nlri), framed(0, 0, 0, 4, ORIGIN_IGP)]) {
    const result = decodeMessage(bytes)
    expect(result.ok && 'endOfRib' in result.message).toBe(false)
  }
})

test('MP_REACH_NLRI twice ends the session (RFC 7606 §3 (g))', () => {
  const reach = [0x80, 0x0e, 0x0d, 0, 1, 1, 4, 192, 0, 2, 1, 0, 24, 10, 0, 0]
  const bytes = framed(0, 0, 0, 7 + 32, ORIGIN_IGP, AS_PATH_EMPTY, ...reach, ...reach)
  expect(decodeMessage(bytes)).toMatchObject({
    ok: false,
    error: { code: 'bgp.attribute.repeated', rfc: 'RFC 7606 §3 (g)', handling: 'session-reset', notification: { code: 3, subcode: 1 } },
  })
})

test('any other attribute twice: the first counts', () => {
  const med = (value: number): number[] => [0x80, 4, 4, 0, 0, 0, value]
  const bytes = framed(0, 0, 0, 14 + 14, ORIGIN_IGP, AS_PATH_EMPTY, 0x40, 3, 4, 192, 0, 2, 1, ...med(1), ...med(2), 24, 10, 0, 0)
  expect(decodeMessage(bytes)).toMatchObject({
    ok: true,
    message: { attributes: { med: 1 } },
    errors: [{ code: 'bgp.attribute.repeated', handling: 'attribute-discard' }],
  })
})

test('what is treated as withdraw can be turned into a withdrawal', () => {
  const bytes = framed(0, 0, 0, 14, 0x40, 1, 1, 9, AS_PATH_EMPTY, 0x40, 3, 4, 192, 0, 2, 1, 24, 10, 0, 0)
  const result = decodeMessage(bytes)
  if (!result.ok || result.message.type !== 'update') expect.unreachable()
  const nlri = [{ kind: 'unicast', prefix: IpPrefix.parse('10.0.0.0/24') }]
  expect(result.message.announced).toMatchObject([{ nlri }])
  expect(withdrawMalformed(result.message, result.errors)).toEqual({
    type: 'update',
    withdrawn: [{ family: IPV4_UNICAST, nlri, multiprotocol: false }],
    attributes: {},
    announced: [],
  })
  expect(withdrawMalformed(result.message, [])).toBe(result.message)
})

test('IPv4 unicast behind an IPv6 next hop goes in MP_REACH_NLRI (RFC 8950 §3)', () => {
  const nextHop = { address: IpAddress.parse('2001:db8::1'), linkLocal: IpAddress.parse('fe80::1') }
  const [bytes] = packUpdates({
    family: IPV4_UNICAST,
    attributes: { origin: 'igp', asPath: [] },
    nextHop,
    nlri: [{ kind: 'unicast', prefix: IpPrefix.parse('10.0.0.0/8') }],
  })
  expect(decodeMessage(bytes)).toMatchObject({
    ok: true,
    message: { announced: [{ family: IPV4_UNICAST, nextHop, multiprotocol: true }] },
    errors: [],
  })
})

test('NEXT_HOP beside MP_REACH_NLRI alone means nothing, so an unusable one costs nothing (RFC 4760 §3)', () => {
  const reach = [0x80, 0x0e, 0x1a, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 1, 0xd, 0xb8]
  const bytes = framed(0, 0, 0, 14 + reach.length, ORIGIN_IGP, AS_PATH_EMPTY, 0x40, 3, 4, 0, 0, 0, 0, ...reach)
  expect(decodeMessage(bytes)).toMatchObject({ ok: true, errors: [{ code: 'bgp.attribute.next-hop', handling: 'attribute-discard' }] })
})

test('what does not fit is not written', () => {
  const communities = Array.from({ length: 1100 }, (_, index) => index)
  const group = {
    family: IPV4_UNICAST,
    attributes: { origin: 'igp' as const, asPath: [], communities },
    nextHop: { address: IpAddress.parse('192.0.2.1') },
    nlri: [{ kind: 'unicast' as const, prefix: IpPrefix.parse('10.0.0.0/8') }],
  }
  expect(() => packUpdates(group)).toThrow(expect.objectContaining({ code: 'bgp.update.too-large' }))
  expect(packUpdates(group, { extended: true })).toHaveLength(1)
  expect(() => packUpdates({ ...group, family: VPNV4_UNICAST })).toThrow(expect.objectContaining({ code: 'bgp.nlri.family' }))
})
