import { describe, expect, test } from 'vitest'
import { NlriCursor } from './visit.js'
import {
  IPV4_LABELED_UNICAST,
  IPV4_UNICAST,
  IPV6_UNICAST,
  L2VPN_EVPN,
  RTC,
  VPNV4_UNICAST,
  checkNlri,
  isVisitable,
  visitNlri,
  type Family,
} from '../index.js'

const ANNOUNCED = { addPath: false, withdraw: false }
const WITHDRAWN = { addPath: false, withdraw: true }
const WITH_PATHS = { addPath: true, withdraw: false }

function entries(family: Family, mode: typeof ANNOUNCED, ...octets: number[]): NlriCursor[] {
  const seen: NlriCursor[] = []
  expect(visitNlri(family, Uint8Array.from(octets), mode, (entry) => seen.push(Object.assign(new NlriCursor(), entry)))).toBeUndefined()
  return seen
}

test('IPv4 prefixes of every length of octets, bits behind them cleared', () => {
  const seen = entries(IPV4_UNICAST, ANNOUNCED, 0, 1, 0xff, 8, 0x0a, 9, 0x0a, 0xff, 23, 1, 2, 3, 32, 192, 0, 2, 1)
  expect(seen.map(({ length, w0 }) => `${w0.toString(16)}/${length}`)).toEqual([
    '0/0',
    '80000000/1',
    'a000000/8',
    'a800000/9',
    '1020200/23',
    'c0000201/32',
  ])
  expect(seen.map(({ start, end }) => [start, end])).toEqual([
    [0, 1],
    [1, 3],
    [3, 5],
    [5, 8],
    [8, 12],
    [12, 17],
  ])
})

test('IPv6 prefixes across words', () => {
  const [entry] = entries(IPV6_UNICAST, ANNOUNCED, 65, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0xff)
  expect(entry).toMatchObject({ length: 65, w0: 0x2001_0db8, w1: 1, w2: 0x8000_0000, w3: 0 })
})

test('path identifiers', () => {
  const seen = entries(IPV4_UNICAST, WITH_PATHS, 0, 0, 0, 7, 8, 10, 0xff, 0xff, 0xff, 0xff, 0)
  expect(seen).toMatchObject([
    { pathId: 7, w0: 0x0a00_0000 },
    { pathId: 0xffff_ffff, length: 0 },
  ])
})

describe('labels', () => {
  const rd = [0, 0, 0xfd, 0xe8, 0, 0, 0, 1]

  test.each([
    { name: 'one', labels: [0, 1, 1], count: 1, label: 16 },
    { name: 'a stack of two', labels: [0, 1, 0, 0, 1, 0x11], count: 2, label: 16 },
    { name: 'one without the bottom mark', labels: [0, 1, 0], count: 1, label: 16 },
    { name: 'explicit null without the bottom mark', labels: [0, 0, 0], count: 1, label: 0 },
    { name: 'the largest', labels: [0xff, 0xff, 0xf1], count: 1, label: 0xf_ffff },
  ])('announced: $name', ({ labels, count, label }) => {
    const bits = labels.length * 8 + 64 + 8
    expect(entries(VPNV4_UNICAST, ANNOUNCED, bits, ...labels, ...rd, 10)).toMatchObject([
      { labelCount: count, label, rdHigh: 0xfde8, rdLow: 1, length: 8, w0: 0x0a00_0000 },
    ])
  })

  test.each([
    { name: '0x800000', labels: [0x80, 0, 0], count: 0, label: 0 },
    { name: '0x000000', labels: [0, 0, 0], count: 0, label: 0 },
    { name: '0x800000 with a traffic class', labels: [0x80, 0, 6], count: 0, label: 0 },
    { name: 'the label it had', labels: [0, 1, 1], count: 1, label: 16 },
  ])('withdrawn: $name', ({ labels, count, label }) => {
    expect(entries(VPNV4_UNICAST, WITHDRAWN, 96, ...labels, ...rd, 10)).toMatchObject([{ labelCount: count, label, rdLow: 1, length: 8 }])
  })
})

test.each([
  { name: 'IPv4 longer than 32 bits', family: IPV4_UNICAST, octets: [33, 10, 0, 0, 1, 0], code: 'bgp.nlri.length', offset: 0 },
  { name: 'a prefix cut off', family: IPV4_UNICAST, octets: [8, 10, 24, 10, 0], code: 'bgp.nlri.truncated', offset: 2 },
  { name: 'too few bits for a label', family: IPV4_LABELED_UNICAST, octets: [23, 0, 1, 1], code: 'bgp.nlri.label', offset: 0 },
  {
    name: 'too few bits for an RD',
    family: VPNV4_UNICAST,
    octets: [87, 0, 1, 1, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1],
    code: 'bgp.nlri.label',
    offset: 0,
  },
  {
    name: 'VPNv4 longer than 120 bits',
    family: VPNV4_UNICAST,
    octets: [121, 0, 1, 1, ...Array.from({ length: 13 }, () => 0)],
    code: 'bgp.nlri.length',
    offset: 0,
  },
  { name: 'a membership of 31 bits', family: RTC, octets: [31, 0, 0, 0, 0], code: 'bgp.nlri.length', offset: 0 },
  {
    name: 'a membership of 97 bits',
    family: RTC,
    octets: [97, ...Array.from({ length: 13 }, () => 0)],
    code: 'bgp.nlri.length',
    offset: 0,
  },
  { name: 'a family that has no prefixes', family: L2VPN_EVPN, octets: [], code: undefined, offset: 0 },
])('$name is a fault at its octet', ({ family, octets, code, offset }) => {
  const fault = checkNlri(family, Uint8Array.from(octets), ANNOUNCED)
  if (isVisitable(family)) expect(fault).toMatchObject({ code, offset })
  else expect(fault).toBeDefined()
})

test('a path identifier cut off is a fault', () => {
  expect(checkNlri(IPV4_UNICAST, Uint8Array.of(0, 0, 0, 1), WITH_PATHS)).toMatchObject({ code: 'bgp.nlri.truncated', offset: 0 })
})
