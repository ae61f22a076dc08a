import { ByteReader, IpAddress, IpPrefix, MacAddress, checksumHolds, decodeArpPacket, pseudoHeaderSumAtIpv6 } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NEIGHBOUR_ANSWER_SIZE, answerNeighbour, type LinkPort } from '../index.js'

const PORT: LinkPort = {
  mac: MacAddress.parse('02:00:00:00:00:fe'),
  gateways: [IpAddress.parse('10.0.0.254'), IpAddress.parse('fe80::1')],
  own: [IpPrefix.parse('10.0.0.1/32'), IpPrefix.parse('fd00::1/128'), IpPrefix.parse('10.0.0.0/24')],
}
const POD = MacAddress.parse('02:00:00:00:00:01')

function ask(frame: readonly number[]): number[] {
  const bytes = new Uint8Array(8 + Math.max(frame.length, NEIGHBOUR_ANSWER_SIZE)).fill(0xa5)
  bytes.set(frame, 8)
  const length = answerNeighbour(bytes, 8, frame.length, PORT)
  expect(bytes.subarray(0, 8)).toEqual(new Uint8Array(8).fill(0xa5))
  return [...bytes.subarray(8, 8 + length)]
}

function arp(sender: string, target: string, operation = 1): number[] {
  const [from, to] = [sender, target].map((text) => [...IpAddress.parse(text).toBytes()])
  const ethernet = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...POD.toBytes(), 0x08, 0x06]
  return [...ethernet, 0, 1, 8, 0, 6, 4, 0, operation, ...POD.toBytes(), ...from, 0, 0, 0, 0, 0, 0, ...to]
}

describe('ARP', () => {
  it.each([
    ['the gateway', '10.0.0.1', '10.0.0.254'],
    ['a neighbour', '10.0.0.1', '10.0.0.9'],
    ['the gateway, by a probe', '0.0.0.0', '10.0.0.254'],
  ])('is answered for %s', (_, sender, target) => {
    const answer = ask(arp(sender, target))
    expect(answer.slice(0, 14)).toEqual([...POD.toBytes(), ...PORT.mac.toBytes(), 0x08, 0x06])
    expect(decodeArpPacket(new ByteReader(Uint8Array.from(answer.slice(14)), 'arp'))).toMatchObject({
      senderMac: PORT.mac,
      senderAddress: IpAddress.parse(target),
      targetMac: POD,
      targetAddress: IpAddress.parse(sender),
    })
  })

  it.each([
    ['the endpoint itself', arp('10.0.0.9', '10.0.0.1')],
    ['a probe for another address (RFC 5227 §2.1)', arp('0.0.0.0', '10.0.0.9')],
    ['an announcement (RFC 5227 §2.3)', arp('10.0.0.254', '10.0.0.254')],
    ['a reply', arp('10.0.0.1', '10.0.0.9', 2)],
    ['half a packet', arp('10.0.0.1', '10.0.0.9').slice(0, 41)],
  ])('is not answered: %s', (_, frame) => {
    expect(ask(frame)).toEqual([])
  })
})

/** A neighbor solicitation with a source link-layer address option. */
function solicitation(source: string, target: string, hopLimit = 255): number[] {
  const asked = [...IpAddress.parse(target).toBytes()]
  const ip = [0x60, 0, 0, 0, 0, 32, 58, hopLimit, ...IpAddress.parse(source).toBytes(), ...IpAddress.parse('ff02::1:ff00:1').toBytes()]
  const icmp = [135, 0, 0, 0, 0, 0, 0, 0, ...asked, 1, 1, ...POD.toBytes()]
  let sum = 58 + 32
  for (const words of [ip.slice(8), icmp]) for (let at = 0; at < words.length; at += 2) sum += words[at] * 256 + words[at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  icmp[2] = (0xffff - sum) >> 8
  icmp[3] = (0xffff - sum) & 255
  return [0x33, 0x33, 0xff, 0, 0, 1, ...POD.toBytes(), 0x86, 0xdd, ...ip, ...icmp]
}

describe('Neighbor Discovery', () => {
  it.each([
    ['the gateway, which may override', 'fd00::1', 'fe80::1', 0xe0],
    ['a neighbour, as a proxy that may not', 'fd00::1', 'fd00::9', 0xc0],
    ['the gateway, to who probes for it', '::', 'fe80::1', 0xa0],
  ])('is answered for %s', (_, source, target, flags) => {
    const answer = Uint8Array.from(ask(solicitation(source, target)))
    const isProbe = source === '::'
    expect([...answer.subarray(0, 12)]).toEqual([...(isProbe ? [0x33, 0x33, 0, 0, 0, 1] : POD.toBytes()), ...PORT.mac.toBytes()])
    expect([answer.length, answer[21], answer[54], answer[58]]).toEqual([NEIGHBOUR_ANSWER_SIZE, 255, 136, flags])
    expect(IpAddress.fromBytes(answer.subarray(22, 38))).toEqual(IpAddress.parse(target))
    expect(IpAddress.fromBytes(answer.subarray(38, 54))).toEqual(IpAddress.parse(isProbe ? 'ff02::1' : source))
    expect(IpAddress.fromBytes(answer.subarray(62, 78))).toEqual(IpAddress.parse(target))
    expect([...answer.subarray(78)]).toEqual([2, 1, ...PORT.mac.toBytes()])
    expect(checksumHolds(answer, 54, 32, pseudoHeaderSumAtIpv6(answer, 14, 58, 32))).toBe(true)
  })

  it.each([
    ['the endpoint itself', solicitation('fd00::9', 'fd00::1')],
    ['a probe for another address (RFC 4862 §5.4)', solicitation('::', 'fd00::9')],
    ['a multicast target', solicitation('fd00::1', 'ff02::1')],
    ['what was forwarded (RFC 4861 §7.1.1)', solicitation('fd00::1', 'fd00::9', 254)],
    ['a wrong checksum', solicitation('fd00::1', 'fd00::9').with(70, 1)],
    ['half a packet', solicitation('fd00::1', 'fd00::9').slice(0, 70)],
  ])('is not answered: %s', (_, frame) => {
    expect(ask(frame)).toEqual([])
  })
})

it('any octets are answered or not, and nothing is thrown', () => {
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => [...bytes]),
    fc
      .tuple(fc.constantFrom(arp('10.0.0.1', '10.0.0.9'), solicitation('fd00::1', 'fd00::9')), fc.nat(90), fc.nat(255))
      .map(([bytes, at, octet]) => (at < bytes.length ? bytes.with(at, octet) : bytes.slice(0, at - 50))),
  )
  fc.assert(
    fc.property(frame, (bytes) => {
      expect([0, 42, NEIGHBOUR_ANSWER_SIZE]).toContain(ask(bytes).length)
    }),
  )
})
