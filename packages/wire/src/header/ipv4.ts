import type { ByteReader } from '../byte-reader.js'
import { IpAddress } from '../value/ip-address.js'
import { checksumHolds, internetChecksum, updateChecksum16 } from './checksum.js'
import { octetsOf, setU16At, u16At, u32At } from './octets.js'

/**
 * IPv4 header (RFC 791 §3.1; DSCP and ECN after RFC 2474 and RFC 3168).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |Version|  IHL  |   DSCP    |ECN|          Total Length         |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |         Identification        |0|D|M|     Fragment Offset     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |      TTL      |    Protocol   |        Header Checksum        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                         Source Address                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                      Destination Address                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                   Options, 0–40 octets, padded                |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface Ipv4Header {
  /** 0–63. */
  readonly dscp: number
  /** 0–3. */
  readonly ecn: number
  /** Octets of header and payload, up to 65,535. */
  readonly totalLength: number
  /** 0–65,535. */
  readonly identification: number
  readonly dontFragment: boolean
  readonly moreFragments: boolean
  /** Octets, a multiple of 8, 0–65,528. */
  readonly fragmentOffset: number
  /** 0–255. */
  readonly ttl: number
  /** IP protocol number of the payload, 0–255. */
  readonly protocol: number
  readonly source: IpAddress
  readonly destination: IpAddress
  /** As on the wire; 0–40 octets, a multiple of 4. */
  readonly options: Uint8Array
}

/** Octets of a header without options. */
export const IPV4_HEADER_SIZE = 20
/** Largest datagram that every link must carry whole (RFC 791 §3.2). */
export const IPV4_MINIMUM_MTU = 68

const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000

/** Octets that `encodeIpv4Header` writes, 20–60. */
export function ipv4HeaderSize({ options }: Ipv4Header): number {
  return IPV4_HEADER_SIZE + options.length
}

/** Writes `header` with its checksum at `offset`; returns the offset behind it. */
export function encodeIpv4Header(header: Ipv4Header, out: DataView, offset: number): number {
  const size = ipv4HeaderSize(header)
  out.setUint8(offset, 0x40 | (size >>> 2))
  out.setUint8(offset + 1, (header.dscp << 2) | header.ecn)
  out.setUint16(offset + 2, header.totalLength)
  out.setUint16(offset + 4, header.identification)
  const flags = (header.dontFragment ? DONT_FRAGMENT : 0) | (header.moreFragments ? MORE_FRAGMENTS : 0)
  out.setUint16(offset + 6, flags | (header.fragmentOffset >>> 3))
  out.setUint8(offset + 8, header.ttl)
  out.setUint8(offset + 9, header.protocol)
  out.setUint16(offset + 10, 0)
  header.source.writeTo(out, offset + 12)
  header.destination.writeTo(out, offset + 16)
  const bytes = octetsOf(out)
  bytes.set(header.options, offset + IPV4_HEADER_SIZE)
  out.setUint16(offset + 10, internetChecksum(bytes, offset, size))
  return offset + size
}

/**
 * Reads the header alone: how much of the payload is there is not asked, so that the beginning of a packet that an ICMP error quotes can be read.
 *
 * @throws WireError `wire.truncated`, `wire.ipv4.version`, `wire.ipv4.header-length`, `wire.ipv4.total-length` (shorter than the header),
 * `wire.ipv4.checksum`
 */
export function decodeIpv4Header(input: ByteReader): Ipv4Header {
  const start = input.position
  const first = input.u8()
  if (first >>> 4 !== 4) input.fail('wire.ipv4.version', 'RFC 791 §3.1')
  const size = (first & 0xf) << 2
  if (size < IPV4_HEADER_SIZE) input.fail('wire.ipv4.header-length', 'RFC 791 §3.1')
  const service = input.u8()
  const totalLength = input.u16()
  if (totalLength < size) input.fail('wire.ipv4.total-length', 'RFC 791 §3.1')
  const identification = input.u16()
  const fragment = input.u16()
  const ttl = input.u8()
  const protocol = input.u8()
  input.skip(2)
  const source = IpAddress.v4(input.u32())
  const destination = IpAddress.v4(input.u32())
  const options = input.octets(size - IPV4_HEADER_SIZE).slice()
  if (!checksumHolds(input.bytes, start, size)) input.fail('wire.ipv4.checksum', 'RFC 1122 §3.2.1.2')
  return {
    dscp: service >>> 2,
    ecn: service & 3,
    totalLength,
    identification,
    dontFragment: (fragment & DONT_FRAGMENT) !== 0,
    moreFragments: (fragment & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (fragment & 0x1fff) << 3,
    ttl,
    protocol,
    source,
    destination,
    options,
  }
}

/**
 * Reads the header, and hands out the payload as a container of its own; what follows the datagram (Ethernet padding) stays unread.
 *
 * @throws WireError as `decodeIpv4Header`, and `wire.truncated` when the datagram is longer than its container
 */
export function decodeIpv4Packet(input: ByteReader): { readonly header: Ipv4Header; readonly payload: ByteReader } {
  const header = decodeIpv4Header(input)
  return { header, payload: input.sub(header.totalLength - ipv4HeaderSize(header), 'ipv4') }
}

/* The hot path: `at` is the offset of the header. */

/** Why the IPv4 datagram at `at` cannot be taken, or `ok`. The checksum is the only part that costs more than four loads. */
export type Ipv4Verdict = 'ok' | 'truncated' | 'version' | 'header-length' | 'total-length' | 'checksum'

/** Checks header and lengths of the datagram that lies between `at` and `end`. */
export function ipv4Verdict(bytes: Uint8Array, at: number, end: number): Ipv4Verdict {
  if (at + IPV4_HEADER_SIZE > end) return 'truncated'
  if (bytes[at] >>> 4 !== 4) return 'version'
  const size = ipv4HeaderLength(bytes, at)
  if (size < IPV4_HEADER_SIZE) return 'header-length'
  const total = ipv4TotalLength(bytes, at)
  if (total < size) return 'total-length'
  if (at + total > end) return 'truncated'
  return checksumHolds(bytes, at, size) ? 'ok' : 'checksum'
}

/** Octets of the header, options included. */
export function ipv4HeaderLength(bytes: Uint8Array, at: number): number {
  return (bytes[at] & 0xf) << 2
}

/** DSCP and ECN, 0–255. */
export function ipv4TrafficClass(bytes: Uint8Array, at: number): number {
  return bytes[at + 1]
}

/** Octets of the packet, header included, of the header at `at` (RFC 791 §3.1). */
export function ipv4TotalLength(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 2)
}

/** Identification of the header at `at`, 0–65,535. */
export function ipv4Identification(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 4)
}

/** Whether the header at `at` forbids fragmentation. */
export function ipv4DontFragment(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + 6] & 0x40) !== 0
}

/** Octets, a multiple of 8. */
export function ipv4FragmentOffset(bytes: Uint8Array, at: number): number {
  return (u16At(bytes, at + 6) & 0x1fff) << 3
}

/** Whether the datagram is a part of another, first or later. */
export function ipv4IsFragment(bytes: Uint8Array, at: number): boolean {
  return (u16At(bytes, at + 6) & 0x3fff) !== 0
}

/** Time to live of the header at `at`, 0–255. */
export function ipv4Ttl(bytes: Uint8Array, at: number): number {
  return bytes[at + 8]
}

/** Protocol number that follows the header at `at`. */
export function ipv4Protocol(bytes: Uint8Array, at: number): number {
  return bytes[at + 9]
}

/** The source address as an unsigned word. */
export function ipv4Source(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at + 12)
}

/** The destination address as an unsigned word. */
export function ipv4Destination(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at + 16)
}

/** Sets the TTL and keeps the checksum right (RFC 1624). */
export function setIpv4Ttl(bytes: Uint8Array, at: number, ttl: number): void {
  const before = u16At(bytes, at + 8)
  bytes[at + 8] = ttl
  setU16At(bytes, at + 10, updateChecksum16(u16At(bytes, at + 10), before, u16At(bytes, at + 8)))
}

/** Sets DSCP and ECN and keeps the checksum right (RFC 1624). */
export function setIpv4TrafficClass(bytes: Uint8Array, at: number, trafficClass: number): void {
  const before = u16At(bytes, at)
  bytes[at + 1] = trafficClass
  setU16At(bytes, at + 10, updateChecksum16(u16At(bytes, at + 10), before, u16At(bytes, at)))
}
