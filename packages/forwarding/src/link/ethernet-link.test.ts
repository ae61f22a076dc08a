import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { EthernetLink } from './ethernet-link.js'
import { LinkAddress } from './link-addresses.js'
import { NEIGHBOUR_ANSWER_SIZE } from './neighbour-proxy.js'

const ROUTER = '02:00:00:00:00:fe'
const POD = '02:00:00:00:00:01'
const OTHER = '02:00:00:00:00:02'
const ALL = 'ff:ff:ff:ff:ff:ff'
const ALL_NODES = '33:33:00:00:00:01'
const [ARP, IPV4, IPV6] = [0x0806, 0x0800, 0x86dd]

const mac = (text: string): number[] => [...MacAddress.parse(text).toBytes()]
const address = (text: string): number[] => [...IpAddress.parse(text).toBytes()]

function arp(sender: string, sizes = 4): number[] {
  return [0, 1, 8, 0, 6, sizes, 0, 1, ...mac(POD), ...address(sender), 0, 0, 0, 0, 0, 0, ...address('10.0.0.1')]
}

function ip(source: string): number[] {
  if (source.includes(':')) return [0x60, 0, 0, 0, 0, 0, 59, 64, ...address(source), ...address('fd01::1')]
  return [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0, ...address(source), ...address('10.1.0.1')]
}

/** Whom the endpoint is taken for behind a frame, all at first. */
function heard(to: string, from: string, etherType: number, payload: readonly number[]): string {
  const endpoint = new LinkAddress()
  const allowedSources = ['10.0.0.1/32', 'fd00::1/128'].map((text) => IpPrefix.parse(text))
  const port = {
    id: 1,
    kind: 'endpoint' as const,
    vrf: 1,
    allowedSources,
    gateways: [],
    mtu: 1400,
    link: { mac: MacAddress.parse(ROUTER) },
  }
  const frame = [...mac(to), ...mac(from), etherType >> 8, etherType & 255, ...payload]
  const bytes = new Uint8Array(frame.length + NEIGHBOUR_ANSWER_SIZE)
  bytes.set(frame)
  new EthernetLink(port, endpoint).receive(bytes, new DataView(bytes.buffer), 0, frame.length)
  endpoint.read()
  const octets = new DataView(new ArrayBuffer(6))
  octets.setUint16(0, endpoint.high)
  octets.setUint32(2, endpoint.low)
  return String(MacAddress.fromBytes(new Uint8Array(octets.buffer)))
}

describe('the address of an endpoint on Ethernet', () => {
  it.each([
    ['an IPv4 packet for the router', ROUTER, IPV4, ip('10.0.0.1')],
    ['an IPv6 packet for the router', ROUTER, IPV6, ip('fd00::1')],
    ['an IPv6 packet for a group, as solicitations are', ALL_NODES, IPV6, ip('fd00::1')],
    ['an ARP packet for all', ALL, ARP, arp('10.0.0.1')],
    ['an ARP packet for the router', ROUTER, ARP, arp('10.0.0.1')],
  ])('is learnt from %s', (_, to, etherType, payload) => {
    expect(heard(to, POD, etherType, payload)).toBe(POD)
  })

  // Every frame with a unicast source was believed: in a bridge one broadcast of another station took the endpoint's packets away.
  it.each([
    ['an address that it may not send from', ROUTER, OTHER, IPV4, ip('10.0.0.9')],
    ['an IPv6 address that it may not send from', ALL_NODES, OTHER, IPV6, ip('fe80::9')],
    ['ARP of another station', ALL, OTHER, ARP, arp('10.0.0.9')],
    ['a probe of ARP', ALL, OTHER, ARP, arp('0.0.0.0')],
    ['ARP of another protocol', ALL, OTHER, ARP, arp('10.0.0.1', 6)],
    ['a frame for another station', POD, OTHER, IPV4, ip('10.0.0.1')],
    ['a frame without an address', ROUTER, OTHER, 0x88cc, ip('10.0.0.1')],
    ['half a packet', ROUTER, OTHER, IPV4, ip('10.0.0.1').slice(0, 15)],
    ['half of ARP', ALL, OTHER, ARP, arp('10.0.0.1').slice(0, 17)],
    ['half an IPv6 header', ROUTER, OTHER, IPV6, ip('fd00::1').slice(0, 23)],
    ['nobody', ROUTER, '00:00:00:00:00:00', IPV4, ip('10.0.0.1')],
    ['the router itself', ROUTER, ROUTER, IPV4, ip('10.0.0.1')],
    ['a group', ROUTER, '01:00:5e:00:00:01', IPV4, ip('10.0.0.1')],
  ])('is not learnt from %s', (_, to, from, etherType, payload) => {
    expect(heard(to, from, etherType, payload)).toBe(ALL)
  })
})
