import {
  ARP_PACKET_SIZE,
  ARP_REPLY,
  ARP_REQUEST,
  ETHERNET_HEADER_SIZE,
  ETHER_TYPE_ARP,
  ETHER_TYPE_IPV4,
  ETHER_TYPE_IPV6,
  ICMPV6_NEIGHBOR_ADVERTISEMENT,
  ICMPV6_NEIGHBOR_SOLICITATION,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_ICMPV6,
  checksumHolds,
  internetChecksum,
  ipv6HopLimit,
  ipv6NextHeader,
  ipv6PayloadLength,
  ipv6Verdict,
  pseudoHeaderSumAtIpv6,
  type IpAddress,
  type IpPrefix,
  type MacAddress,
} from '@heddle/wire'
import { covers } from '../source-set.js'

/*
 * The neighbours of an endpoint on an Ethernet device: all of them are this router. It answers ARP (RFC 826, RFC 1027) and Neighbor Discovery (RFC 4861,
 * as a proxy by §7.2.8) for its gateway addresses and for every other address but the endpoint's own, so that an endpoint which takes its subnet for a
 * link sends to its neighbours through the router.
 */

/** What a port tells of the link. */
export interface LinkPort {
  /** This router's address on the link. */
  readonly mac: MacAddress
  readonly gateways: readonly IpAddress[]
  /** The endpoint's own addresses: nobody else answers for them. */
  readonly own: readonly IpPrefix[]
}

/** Octets of the longest answer: an advertisement with its target's link-layer address. */
export const NEIGHBOUR_ANSWER_SIZE = ETHERNET_HEADER_SIZE + IPV6_HEADER_SIZE + 32

const NO_ANSWER = 0
const ETHERNET_HARDWARE = 1
/** Hop limit that shows that a message was not forwarded (RFC 4861 §7.1.1). */
const LINK_HOP_LIMIT = 255
const ROUTER_FLAG = 0x8000_0000
const SOLICITED_FLAG = 0x4000_0000
const OVERRIDE_FLAG = 0x2000_0000
const TARGET_LINK_ADDRESS = 2
/** All nodes of the link, ff02::1. */
const ALL_NODES = [0xff02_0000, 0, 0, 1]

/**
 * Answers a question for a neighbour, in place.
 *
 * @param bytes buffer with room for `NEIGHBOUR_ANSWER_SIZE` octets at `offset`
 * @param offset of the untagged Ethernet frame
 * @returns octets of the answer, or 0 when the frame is no question that is answered
 */
export function answerNeighbour(bytes: Uint8Array, offset: number, length: number, port: LinkPort): number {
  if (length < ETHERNET_HEADER_SIZE) return NO_ANSWER
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const etherType = view.getUint16(offset + 12)
  if (etherType === ETHER_TYPE_ARP) return answerArp(view, offset, length, port)
  return etherType === ETHER_TYPE_IPV6 ? answerSolicitation(bytes, view, offset, length, port) : NO_ANSWER
}

function answerArp(view: DataView, offset: number, length: number, port: LinkPort): number {
  const arp = offset + ETHERNET_HEADER_SIZE
  if (length < ETHERNET_HEADER_SIZE + ARP_PACKET_SIZE) return NO_ANSWER
  const isIpv4OverEthernet =
    view.getUint16(arp) === ETHERNET_HARDWARE && view.getUint16(arp + 2) === ETHER_TYPE_IPV4 && view.getUint16(arp + 4) === 0x0604
  if (!isIpv4OverEthernet || view.getUint16(arp + 6) !== ARP_REQUEST) return NO_ANSWER
  const sender = view.getUint32(arp + 14)
  const target = view.getUint32(arp + 24)
  if (sender === target || !isAnsweredFor(port, 4, target, 0, 0, 0, sender === 0)) return NO_ANSWER
  copyMac(view, arp + 8, offset)
  writeMac(view, offset + 6, port.mac)
  view.setUint16(arp + 6, ARP_REPLY)
  copyMac(view, arp + 8, arp + 18)
  view.setUint32(arp + 24, sender)
  writeMac(view, arp + 8, port.mac)
  view.setUint32(arp + 14, target)
  return ETHERNET_HEADER_SIZE + ARP_PACKET_SIZE
}

function answerSolicitation(bytes: Uint8Array, view: DataView, offset: number, length: number, port: LinkPort): number {
  const ip = offset + ETHERNET_HEADER_SIZE
  const icmp = ip + IPV6_HEADER_SIZE
  if (ipv6Verdict(bytes, ip, offset + length) !== 'ok' || ipv6NextHeader(bytes, ip) !== IP_PROTOCOL_ICMPV6) return NO_ANSWER
  const size = ipv6PayloadLength(bytes, ip)
  if (size < 24 || ipv6HopLimit(bytes, ip) !== LINK_HOP_LIMIT) return NO_ANSWER
  if (view.getUint16(icmp) !== ICMPV6_NEIGHBOR_SOLICITATION << 8) return NO_ANSWER
  if (!checksumHolds(bytes, icmp, size, pseudoHeaderSumAtIpv6(bytes, ip, IP_PROTOCOL_ICMPV6, size))) return NO_ANSWER
  const [t0, t1, t2, t3] = [view.getUint32(icmp + 8), view.getUint32(icmp + 12), view.getUint32(icmp + 16), view.getUint32(icmp + 20)]
  const isProbe =
    view.getUint32(ip + 8) === 0 && view.getUint32(ip + 12) === 0 && view.getUint32(ip + 16) === 0 && view.getUint32(ip + 20) === 0
  if (t0 >>> 24 === 0xff || !isAnsweredFor(port, 6, t0, t1, t2, t3, isProbe)) return NO_ANSWER

  // Who asks whether its own address is free has none yet: all nodes are told (§7.2.4).
  if (isProbe) writeMulticastMac(view, offset)
  else copyMac(view, offset + 6, offset)
  writeMac(view, offset + 6, port.mac)
  view.setUint32(ip, 0x6000_0000)
  view.setUint32(ip + 4, (32 << 16) | (IP_PROTOCOL_ICMPV6 << 8) | LINK_HOP_LIMIT)
  for (let word = 0; word < 4; word++) {
    view.setUint32(ip + 24 + word * 4, isProbe ? ALL_NODES[word] : view.getUint32(ip + 8 + word * 4))
    view.setUint32(ip + 8 + word * 4, [t0, t1, t2, t3][word])
  }
  const override = isGateway(port, 6, t0, t1, t2, t3) ? OVERRIDE_FLAG : 0
  view.setUint32(icmp, ICMPV6_NEIGHBOR_ADVERTISEMENT << 24)
  view.setUint32(icmp + 4, (ROUTER_FLAG | (isProbe ? 0 : SOLICITED_FLAG) | override) >>> 0)
  view.setUint16(icmp + 24, (TARGET_LINK_ADDRESS << 8) | 1)
  writeMac(view, icmp + 26, port.mac)
  view.setUint16(icmp + 2, internetChecksum(bytes, icmp, 32, pseudoHeaderSumAtIpv6(bytes, ip, IP_PROTOCOL_ICMPV6, 32)))
  return NEIGHBOUR_ANSWER_SIZE
}

/** A probe asks whether an address is free (RFC 5227 §2.1, RFC 4862 §5.4): only those of the router are not. */
function isAnsweredFor(port: LinkPort, family: 4 | 6, w0: number, w1: number, w2: number, w3: number, isProbe: boolean): boolean {
  if (isGateway(port, family, w0, w1, w2, w3)) return true
  if (isProbe) return false
  for (const prefix of port.own) if (prefix.isHost && covers(prefix, family, w0, w1, w2, w3)) return false
  return true
}

function isGateway({ gateways }: LinkPort, family: 4 | 6, w0: number, w1: number, w2: number, w3: number): boolean {
  for (const gateway of gateways) {
    if (gateway.family === family && gateway.w0 === w0 && gateway.w1 === w1 && gateway.w2 === w2 && gateway.w3 === w3) return true
  }
  return false
}

function writeMac(view: DataView, at: number, { high, low }: MacAddress): void {
  view.setUint16(at, high >>> 8)
  view.setUint32(at + 2, ((high << 24) | low) >>> 0)
}

function copyMac(view: DataView, from: number, to: number): void {
  view.setUint16(to, view.getUint16(from))
  view.setUint32(to + 2, view.getUint32(from + 2))
}

/** 33:33:00:00:00:01 (RFC 2464 §7). */
function writeMulticastMac(view: DataView, at: number): void {
  view.setUint16(at, 0x3333)
  view.setUint32(at + 2, 1)
}
