import {
  ETHER_TYPE_IPV4,
  ETHER_TYPE_IPV6,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  encodeIpv4Header,
  encodeIpv6Header,
  foldSum,
  pseudoHeaderSumAtIpv4,
  pseudoHeaderSumAtIpv6,
  setUdpChecksum,
  sumOctets,
  ValueError,
  IP_PROTOCOL_UDP,
  type IpAddress,
  type IpFamily,
} from '@heddle/wire'
import { entropyPort } from '../entropy.js'
import { jointLabelWordFor } from '../joint-label.js'
import { encodeLabelStack, LABEL_STACK_ENTRY_SIZE, setLabelStackWordAt } from '../label-stack.js'
import { MAX_LABEL } from '../special-label.js'

/**
 * Everything of a tunnel's headers that is the same for each packet, laid out once. `encapsulate` copies it in front of a packet and fills in the
 * rest:
 *
 *     outer IP        total or payload length, IPv4 checksum, IPv6 flow label
 *     UDP             source port, length, checksum
 *     joint label     TTL, by what is behind the stack
 *     label stack     traffic class and TTL of every entry
 *     inner Ethernet  EtherType (VXLAN)
 */
export interface TunnelTemplate {
  /** The headers, with zeros where `encapsulate` writes. */
  readonly octets: Uint8Array
  /** Of the outer IP header; 0: there is none (MPLS on Ethernet). */
  readonly family: IpFamily | 0
  /** Sum of the IPv4 header's words, without total length and checksum. */
  readonly ipv4Sum: number
  /** Offset of the UDP header; -1: none. */
  readonly udp: number
  /** Whether UDP checksums are computed. */
  readonly udpChecksum: boolean
  /** Offset of the joint label; -1: none. */
  readonly joint: number
  /** Offset of the label stack, which begins behind a joint label; -1: none. */
  readonly stack: number
  /** Entries of the label stack, the joint label left out. */
  readonly labels: number
  /** Offset of the EtherType of the inner Ethernet header; -1: none. */
  readonly innerEtherType: number
}

/** The packet has less room before it than the headers need. */
export const NO_HEADROOM = -1
/** The outer packet would be longer than its length field can say. */
export const TOO_LONG = -2

/**
 * Writes the headers of a tunnel in the room before a packet. Nothing is allocated.
 *
 * @param bytes the buffer
 * @param payloadOffset where the packet starts in it
 * @param payloadLength octets of the packet
 * @param ttl of the labels, 0–255: see `pushedTtl`
 * @param trafficClass of the labels, 0–7: see `pushedTrafficClass`
 * @param hash of the packet's flow: see `flowHash`; makes UDP source port and IPv6 flow label (RFC 6438)
 * @returns the offset of the outer packet, or `NO_HEADROOM`, `TOO_LONG`
 */
export function encapsulate(
  bytes: Uint8Array,
  payloadOffset: number,
  payloadLength: number,
  template: TunnelTemplate,
  ttl: number,
  trafficClass: number,
  hash: number,
): number {
  const { octets, family, udp, joint, stack, innerEtherType } = template
  const at = payloadOffset - octets.length
  const length = octets.length + payloadLength
  if (at < 0) return NO_HEADROOM
  if (family !== 0 && length - (family === 6 ? IPV6_HEADER_SIZE : 0) > 0xffff) return TOO_LONG

  // A few octets: a call of `set` takes longer than a loop.
  for (let octet = 0; octet < octets.length; octet++) bytes[at + octet] = octets[octet]
  if (family === 4) writeIpv4(bytes, at, length, template.ipv4Sum)
  else if (family === 6) writeIpv6(bytes, at, length - IPV6_HEADER_SIZE, hash)
  for (let entry = 0; entry < template.labels; entry++) {
    const word = at + stack + entry * LABEL_STACK_ENTRY_SIZE
    bytes[word + 2] |= trafficClass << 1
    bytes[word + 3] = ttl
  }
  if (joint >= 0) setLabelStackWordAt(bytes, at + joint, jointLabelWordFor(bytes, at + stack, payloadOffset + payloadLength))
  if (innerEtherType >= 0) {
    const etherType = bytes[payloadOffset] >>> 4 === 6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4
    bytes[at + innerEtherType] = etherType >>> 8
    bytes[at + innerEtherType + 1] = etherType
  }
  // Last, for its checksum covers what is written above.
  if (udp >= 0) writeUdp(bytes, at, at + udp, length - udp, template, hash)
  return at
}

function writeIpv4(bytes: Uint8Array, at: number, length: number, sum: number): void {
  const checksum = ~foldSum(sum + length)
  bytes[at + 2] = length >>> 8
  bytes[at + 3] = length
  bytes[at + 10] = checksum >>> 8
  bytes[at + 11] = checksum
}

function writeIpv6(bytes: Uint8Array, at: number, length: number, hash: number): void {
  bytes[at + 1] |= (hash >>> 16) & 0xf
  bytes[at + 2] = hash >>> 8
  bytes[at + 3] = hash
  bytes[at + 4] = length >>> 8
  bytes[at + 5] = length
}

function writeUdp(bytes: Uint8Array, ip: number, at: number, length: number, template: TunnelTemplate, hash: number): void {
  const port = entropyPort(hash)
  bytes[at] = port >>> 8
  bytes[at + 1] = port
  bytes[at + 4] = length >>> 8
  bytes[at + 5] = length
  if (!template.udpChecksum) return
  const pseudoSum =
    template.family === 4
      ? pseudoHeaderSumAtIpv4(bytes, ip, IP_PROTOCOL_UDP, length)
      : pseudoHeaderSumAtIpv6(bytes, ip, IP_PROTOCOL_UDP, length)
  setUdpChecksum(bytes, at, length, pseudoSum)
}

/** What all tunnels over IP have in common. */
export interface UnderlayOptions {
  readonly local: IpAddress
  /** Of the same family. */
  readonly remote: IpAddress
  /** TTL or hop limit of the outer header, 1–255; 64 by default. */
  readonly hopLimit?: number
  /** DSCP of the outer header, 0–63; 0 by default: see `outerDscp`. */
  readonly dscp?: number
}

/** Octets of an outer IP header, which has no options or extensions. */
export function underlayHeaderSize({ local }: UnderlayOptions): number {
  return local.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
}

/**
 * Writes the outer IP header at the start of `octets`. IPv4 packets are atomic, with DF set and identification 0 (RFC 6864 §4.1): the endpoint's MTU
 * makes room for the headers. ECN is Not-ECT, for a receiver need not hand a mark on (RFC 6040 §4.3, compatibility mode).
 *
 * @returns sum of the IPv4 header's words, 0 for IPv6
 * @throws ValueError `mpls.tunnel.family` when the addresses are not of one family
 */
export function writeUnderlayHeader(octets: Uint8Array, options: UnderlayOptions, protocol: number): number {
  const { local: source, remote: destination, hopLimit = 64, dscp = 0 } = options
  if (source.family !== destination.family) {
    throw new ValueError('mpls.tunnel.family', `${source} and ${destination}`, 'two addresses of one family')
  }
  const out = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  if (source.family === 6) {
    encodeIpv6Header({ dscp, ecn: 0, flowLabel: 0, payloadLength: 0, nextHeader: protocol, hopLimit, source, destination }, out, 0)
    return 0
  }
  const flags = { dontFragment: true, moreFragments: false, fragmentOffset: 0 }
  const options4 = new Uint8Array(0)
  encodeIpv4Header(
    { dscp, ecn: 0, totalLength: 0, identification: 0, ...flags, ttl: hopLimit, protocol, source, destination, options: options4 },
    out,
    0,
  )
  out.setUint16(10, 0)
  return sumOctets(octets, 0, IPV4_HEADER_SIZE)
}

/**
 * Writes a stack of `labels`, top first, whose TTL and traffic class are left to `encapsulate`.
 *
 * @throws ValueError `mpls.tunnel.labels` when there is none, or one is out of range
 */
export function writeLabels(octets: Uint8Array, offset: number, labels: readonly number[]): void {
  if (labels.length === 0 || !labels.every((label) => Number.isInteger(label) && label >= 0 && label <= MAX_LABEL)) {
    throw new ValueError('mpls.tunnel.labels', `[${labels.join(', ')}]`, `labels of 0–${MAX_LABEL}, at least one`)
  }
  const out = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  encodeLabelStack(
    labels.map((label) => ({ label, trafficClass: 0, ttl: 0 })),
    out,
    offset,
  )
}
