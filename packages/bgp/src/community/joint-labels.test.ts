import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  communityTexts,
  compilePolicy,
  decodeMessage,
  extendedCommunityWords,
  jointLabelsCommunity,
  packUpdates,
  readsJointLabels,
  type CommunityChange,
} from '../index.js'
import { extendedCommunity, ipv4Address, ipv6Address } from '../testing/index.js'
import { vpn } from '../../test/speaker/lab.js'

const cases: [nextHop: string, tail: number, low: number][] = [
  ['192.0.2.1', 0, 0xc000_0201],
  ['::ffff:192.0.2.1', 0, 0xc000_0201],
  ['255.255.255.255', 0, 0xffff_ffff],
  // the vectors of docs/adr/0025: FNV-1a 0xf97161b7a3be1c14 and 0x66070e5a0f232967
  ['2001:db8::1', 0x61b7 | 0x8000, 0xa3be_1c14 ^ 0xf971],
  ['2001:db8:0:1::1', 0x0e5a | 0x8000, 0x0f23_2967 ^ 0x6607],
]

describe.each(cases)('joint labels of %s', (text, tail, low) => {
  const nextHop = IpAddress.parse(text)

  it('are told by six octets', () => {
    expect(extendedCommunityWords(jointLabelsCommunity(nextHop))).toEqual([0x8a4a_0000 + tail, low >>> 0])
  })

  it('are read by it, and by no other next hop', () => {
    const told = [jointLabelsCommunity(IpAddress.parse('203.0.113.9')), jointLabelsCommunity(nextHop)]
    expect(readsJointLabels(told, nextHop)).toBe(true)
    expect(readsJointLabels(told, IpAddress.parse('198.51.100.1'))).toBe(false)
    expect(readsJointLabels(told, IpAddress.parse('2001:db8::2'))).toBe(false)
    expect(readsJointLabels([], nextHop)).toBe(false)
    expect(readsJointLabels(undefined, nextHop)).toBe(false)
  })
})

test('a community is true of the next hop that it was made of, and of none that differs in one bit', () => {
  const address = fc.oneof(ipv4Address, ipv6Address)
  fc.assert(
    fc.property(address, fc.nat(127), fc.array(extendedCommunity, { maxLength: 3 }), (nextHop, bit, others) => {
      const told = [...others.filter(({ kind }) => kind !== 'joint-labels'), jointLabelsCommunity(nextHop)]
      const octets = nextHop.toBytes()
      octets[(bit >>> 3) % octets.length] ^= 1 << (bit & 7)
      expect([readsJointLabels(told, nextHop), readsJointLabels(told, IpAddress.fromBytes(octets))]).toEqual([true, false])
    }),
  )
})

/** As docs/adr/0025 has it. */
function words(address: IpAddress): readonly [number, number] {
  const hash = address
    .toBytes()
    .reduce((state, octet) => BigInt.asUintN(64, (state ^ BigInt(octet)) * 0x100_0000_01b3n), 0xcbf2_9ce4_8422_2325n)
  const value = (BigInt.asUintN(48, hash) ^ (hash >> 48n)) | (1n << 47n)
  return [0x8a4a_0000 + Number(value >> 32n), Number(BigInt.asUintN(32, value))]
}

test('an IPv6 next hop is told by its FNV-1a hash, folded to 48 bits of which the first one is set', () => {
  fc.assert(
    fc.property(ipv6Address, (nextHop) => {
      fc.pre(nextHop.unmapped().family === 6)
      expect(extendedCommunityWords(jointLabelsCommunity(nextHop))).toEqual(words(nextHop))
    }),
  )
})

test('no two next hops of one address plan are told by the same octets', () => {
  const numbers = Array.from({ length: 48 }, (_, at) => at.toString(16))
  const plan = numbers.flatMap((site) =>
    numbers.flatMap((node) => [
      `2001:db8:0:${site}::${node}`,
      `2001:db8::${site}:${node}`,
      `2001:db8:${site}::${node}`,
      `2001:db8:${site}:${node}::`,
      `2001:db8:${site}:${node}::1`,
      `2001:db8::${site}:0:${node}`,
      `2001:db8::${node}:0:0:${site}`,
      `fd00:${site}::${node}`,
      `10.0.${Number(`0x${site}`)}.${Number(`0x${node}`)}`,
      `::10.0.${Number(`0x${site}`)}.${Number(`0x${node}`)}`,
    ]),
  )
  const addresses = new Map(plan.map((text) => [String(IpAddress.parse(text)), IpAddress.parse(text)]))
  const told = new Map([...addresses].map(([text, address]) => [extendedCommunityWords(jointLabelsCommunity(address)).join(' '), text]))
  expect(told.size).toBe(addresses.size)
  expect(addresses.size).toBeGreaterThan(20_000)
})

test.each([
  ['2001:db8:0:1::1', '2001:db8::1:1'],
  ['2001:db8:0:a::b', '2001:db8::a:b'],
  ['2001:db8::1', '2001:db8:0:0:1::'],
])('what is told of %s is not believed of %s, nor the other way', (...pair) => {
  const [one, other] = pair.map((text) => IpAddress.parse(text))
  expect([readsJointLabels([jointLabelsCommunity(one)], other), readsJointLabels([jointLabelsCommunity(other)], one)]).toEqual([
    false,
    false,
  ])
})

test('of an IPv6 next hop with a link-local address behind it, the global one counts', () => {
  const nextHop = { address: IpAddress.parse('2001:db8::1'), linkLocal: IpAddress.parse('fe80::1') }
  const { family, nlri } = vpn('2001:db8:7::/48')
  const extendedCommunities = [jointLabelsCommunity(nextHop.address)]
  const [update] = packUpdates({
    family,
    nextHop,
    attributes: { origin: 'igp', asPath: [], localPref: 100, extendedCommunities },
    nlri: [nlri],
  })
  const decoded = decodeMessage(update, { peerType: 'ibgp' })
  if (!decoded.ok || decoded.message.type !== 'update') throw new TypeError('no update')
  const [announced] = decoded.message.announced
  expect(announced.nextHop).toEqual(nextHop)
  expect(readsJointLabels(decoded.message.attributes.extendedCommunities, nextHop.address)).toBe(true)
  expect(readsJointLabels(decoded.message.attributes.extendedCommunities, nextHop.linkLocal)).toBe(false)
})

test('policies name it by its next hop, and by what any of them has', () => {
  const [four, six, color] = ['joint-labels:192.0.2.1', 'joint-labels:0xe1b7a3bee565', 'color:7']
  const after = (change: CommunityChange): readonly string[] => {
    const policy = compilePolicy({ terms: [{ change: { extendedCommunity: change }, verdict: 'accept' }] })
    const attributes = policy.apply({ family, nlri, set: { attributes: {} }, peer: '192.0.2.9', source: 'ibgp' }).set.attributes
    return communityTexts('extendedCommunity', attributes)
  }
  const { family, nlri } = vpn('10.0.0.0/8')
  const set = [color, 'joint-labels:192.0.2.1', 'joint-labels:2001:db8::1']
  expect(after({ set })).toEqual([color, four, six])
  expect(after({ set: ['0x8a4a0000c0000201'] })).toEqual([four])
  expect(after({ set: [six] })).toEqual([six])
  const matching = (pattern: string): boolean => {
    const policy = compilePolicy({ terms: [{ match: { extendedCommunity: [pattern] }, verdict: 'accept' }] })
    const attributes = { extendedCommunities: [jointLabelsCommunity(IpAddress.parse('2001:db8::1'))] }
    return policy.apply({ family, nlri, set: { attributes }, peer: '192.0.2.9', source: 'ibgp' }).verdict === 'accept'
  }
  expect(['joint-labels:*', 'joint-labels:2001:db8::1', six, four, 'color:*'].map(matching)).toEqual([true, true, true, false, false])
})

test.each(['joint-labels:', 'joint-labels:192.0.2', 'joint-labels:0x1234', 'joint-labels:0x20010db9000g'])('%s is none', (text) => {
  expect(() => compilePolicy({ terms: [{ match: { extendedCommunity: [text] } }] })).toThrow(
    expect.objectContaining({ cause: expect.objectContaining({ code: 'bgp.joint-labels.next-hop' }) }),
  )
})

test('one that has not six octets is refused', () => {
  const short = { kind: 'joint-labels', nextHop: Uint8Array.of(1, 2, 3) } as const
  expect(() => extendedCommunityWords(short)).toThrow(expect.objectContaining({ code: 'bgp.joint-labels.next-hop' }))
})
