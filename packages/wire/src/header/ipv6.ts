import type { ByteReader } from '../byte-reader.js'
import { IpAddress } from '../value/ip-address.js'
import { u16At, u32At } from './octets.js'

/**
 * IPv6 header (RFC 8200 §3).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |Version|   DSCP    |ECN|              Flow Label               |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |         Payload Length        |  Next Header  |   Hop Limit   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                    Source Address, 16 octets                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                 Destination Address, 16 octets                |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface Ipv6Header {
  /** 0–63. */
  readonly dscp: number
  /** 0–3. */
  readonly ecn: number
  /** 0–1,048,575. */
  readonly flowLabel: number
  /** Octets behind this header, extension headers included, 0–65,535. */
  readonly payloadLength: number
  /** Protocol number of what follows, 0–255. */
  readonly nextHeader: number
  /** 0–255. */
  readonly hopLimit: number
  readonly source: IpAddress
  readonly destination: IpAddress
}

/** Octets of the fixed header (RFC 8200 §3). */
export const IPV6_HEADER_SIZE = 40
/** The least MTU of an IPv6 link (RFC 8200 §5). */
export const IPV6_MINIMUM_MTU = 1280

/** Writes `header` at `offset`; returns the offset behind it. */
export function encodeIpv6Header(header: Ipv6Header, out: DataView, offset: number): number {
  out.setUint32(offset, (6 << 28) | (header.dscp << 22) | (header.ecn << 20) | header.flowLabel)
  out.setUint16(offset + 4, header.payloadLength)
  out.setUint8(offset + 6, header.nextHeader)
  out.setUint8(offset + 7, header.hopLimit)
  header.source.writeTo(out, offset + 8)
  header.destination.writeTo(out, offset + 24)
  return offset + IPV6_HEADER_SIZE
}

/**
 * Reads the header alone: how much of the payload is there is not asked, so that the beginning of a packet that an ICMP error quotes can be read.
 *
 * @throws WireError `wire.truncated`, `wire.ipv6.version`
 */
export function decodeIpv6Header(input: ByteReader): Ipv6Header {
  const first = input.u32()
  if (first >>> 28 !== 6) input.fail('wire.ipv6.version', 'RFC 8200 §3')
  return {
    dscp: (first >>> 22) & 0x3f,
    ecn: (first >>> 20) & 3,
    flowLabel: first & 0xfffff,
    payloadLength: input.u16(),
    nextHeader: input.u8(),
    hopLimit: input.u8(),
    source: IpAddress.fromBytes(input.octets(16)),
    destination: IpAddress.fromBytes(input.octets(16)),
  }
}

/**
 * Reads the header, and hands out what follows it as a container of its own. A jumbogram (RFC 2675) has payload length 0 and thus none.
 *
 * @throws WireError as `decodeIpv6Header`, and `wire.truncated` when the packet is longer than its container
 */
export function decodeIpv6Packet(input: ByteReader): { readonly header: Ipv6Header; readonly payload: ByteReader } {
  const header = decodeIpv6Header(input)
  return { header, payload: input.sub(header.payloadLength, 'ipv6') }
}

/* The hot path: `at` is the offset of the header. */

/** Why the IPv6 packet at `at` cannot be taken, or `ok`. */
export type Ipv6Verdict = 'ok' | 'truncated' | 'version'

/** Checks version and length of the packet that lies between `at` and `end`. */
export function ipv6Verdict(bytes: Uint8Array, at: number, end: number): Ipv6Verdict {
  if (at + IPV6_HEADER_SIZE > end) return 'truncated'
  if (bytes[at] >>> 4 !== 6) return 'version'
  return at + IPV6_HEADER_SIZE + ipv6PayloadLength(bytes, at) > end ? 'truncated' : 'ok'
}

/** DSCP and ECN, 0–255. */
export function ipv6TrafficClass(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at) >>> 4) & 0xff
}

/** Flow label of the header at `at`, 20 bits (RFC 6437). */
export function ipv6FlowLabel(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at) & 0xfffff
}

/** Octets behind the header at `at`, 0–65,535. */
export function ipv6PayloadLength(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 4)
}

/** Protocol number or extension that follows the header at `at`. */
export function ipv6NextHeader(bytes: Uint8Array, at: number): number {
  return bytes[at + 6]
}

/** Hop limit of the header at `at`, 0–255. */
export function ipv6HopLimit(bytes: Uint8Array, at: number): number {
  return bytes[at + 7]
}

/** Word 0–3 of the source address, unsigned. */
export function ipv6SourceWord(bytes: Uint8Array, at: number, word: number): number {
  return u32At(bytes, at + 8 + word * 4)
}

/** Word 0–3 of the destination address, unsigned. */
export function ipv6DestinationWord(bytes: Uint8Array, at: number, word: number): number {
  return u32At(bytes, at + 24 + word * 4)
}

/** Writes the hop limit of the header at `at`. */
export function setIpv6HopLimit(bytes: Uint8Array, at: number, hopLimit: number): void {
  bytes[at + 7] = hopLimit
}

/** Sets DSCP and ECN. */
export function setIpv6TrafficClass(bytes: Uint8Array, at: number, trafficClass: number): void {
  bytes[at] = 0x60 | (trafficClass >>> 4)
  bytes[at + 1] = ((trafficClass & 0xf) << 4) | (bytes[at + 1] & 0xf)
}
