import type { ByteReader } from '../byte-reader.js'
import { IP_PROTOCOL_DESTINATION_OPTIONS, IP_PROTOCOL_FRAGMENT, IP_PROTOCOL_HOP_BY_HOP, IP_PROTOCOL_ROUTING } from './iana.js'
import { octetsOf, u16At, u32At } from './octets.js'

/**
 * IPv6 extension headers (RFC 8200 §4). Each names its successor; all but the fragment header tell their length in units of 8 octets, the first
 * not counted.
 *
 *     +-------------+-------------+---------------------------------+
 *     | next header | length      | options, or routing data        |   hop-by-hop, destination options, routing
 *     +-------------+-------------+---------------------------------+
 *     | next header | 0           | offset, 13 | 0, 2 | M | identification, 32 |   fragment
 *     +-------------+-------------+---------------------------------+
 */
export type Ipv6Extension =
  /** `data`: 6 octets and then a multiple of 8, up to 2,046: options as on the wire. */
  | { readonly type: 'hop-by-hop' | 'destination-options'; readonly data: Uint8Array }
  /** `data`: 4 octets and then a multiple of 8, up to 2,044. */
  | { readonly type: 'routing'; readonly routingType: number; readonly segmentsLeft: number; readonly data: Uint8Array }
  /** `offset`: octets, a multiple of 8, 0–65,528. */
  | { readonly type: 'fragment'; readonly offset: number; readonly moreFragments: boolean; readonly identification: number }

/** Extension headers of one packet that are walked; a packet with more is refused. */
export const MAX_IPV6_EXTENSIONS = 8

const FRAGMENT_SIZE = 8

/** Octets that `encodeIpv6Extensions` writes. */
export function ipv6ExtensionsSize(extensions: readonly Ipv6Extension[]): number {
  return extensions.reduce((size, extension) => size + sizeOf(extension), 0)
}

/** Next-header value that announces `extensions`, then `protocol`: what stands in the IPv6 header. */
export function firstNextHeader(extensions: readonly Ipv6Extension[], protocol: number): number {
  return extensions.length === 0 ? protocol : numberOf(extensions[0])
}

/** Writes `extensions`, the last one naming `protocol`, at `offset`; returns the offset behind them. */
export function encodeIpv6Extensions(extensions: readonly Ipv6Extension[], protocol: number, out: DataView, offset: number): number {
  let at = offset
  extensions.forEach((extension, index) => {
    out.setUint8(at, firstNextHeader(extensions.slice(index + 1), protocol))
    const size = sizeOf(extension)
    out.setUint8(at + 1, extension.type === 'fragment' ? 0 : size / 8 - 1)
    switch (extension.type) {
      case 'fragment':
        out.setUint16(at + 2, extension.offset | (extension.moreFragments ? 1 : 0))
        out.setUint32(at + 4, extension.identification)
        break
      case 'routing':
        out.setUint8(at + 2, extension.routingType)
        out.setUint8(at + 3, extension.segmentsLeft)
        octetsOf(out).set(extension.data, at + 4)
        break
      default:
        octetsOf(out).set(extension.data, at + 2)
    }
    at += size
  })
  return at
}

/**
 * Reads extension headers up to the first header that is none.
 *
 * @param nextHeader from the IPv6 header
 * @returns the extensions, and the protocol of what follows
 * @throws WireError `wire.truncated`; `wire.ipv6-extension.count` for more than eight; `wire.ipv6-extension.order` for hop-by-hop options that do not
 * come first
 */
export function decodeIpv6Extensions(
  input: ByteReader,
  nextHeader: number,
): { readonly extensions: readonly Ipv6Extension[]; readonly protocol: number } {
  const extensions: Ipv6Extension[] = []
  let protocol = nextHeader
  while (isExtension(protocol)) {
    if (extensions.length === MAX_IPV6_EXTENSIONS) input.fail('wire.ipv6-extension.count', 'RFC 8200 §4.1')
    if (protocol === IP_PROTOCOL_HOP_BY_HOP && extensions.length > 0) input.fail('wire.ipv6-extension.order', 'RFC 8200 §4.1')
    const next = input.u8()
    const length = input.u8()
    const extension = decodeExtension(input, protocol, length * 8 + 6)
    extensions.push(extension)
    protocol = next
    // Behind the header of a later fragment there is data, whatever its next header says.
    if (extension.type === 'fragment' && extension.offset > 0) break
  }
  return { extensions, protocol }
}

function decodeExtension(input: ByteReader, protocol: number, rest: number): Ipv6Extension {
  if (protocol === IP_PROTOCOL_FRAGMENT) {
    const fragment = input.u16()
    return { type: 'fragment', offset: fragment & 0xfff8, moreFragments: (fragment & 1) !== 0, identification: input.u32() }
  }
  if (protocol === IP_PROTOCOL_ROUTING) {
    return { type: 'routing', routingType: input.u8(), segmentsLeft: input.u8(), data: input.octets(rest - 2).slice() }
  }
  return { type: protocol === IP_PROTOCOL_HOP_BY_HOP ? 'hop-by-hop' : 'destination-options', data: input.octets(rest).slice() }
}

/* The hot path. */

/** What `walkIpv6Extensions` found; one object a walker, overwritten by each packet. */
export class Ipv6Chain {
  /** Protocol of the first header that is no extension. */
  protocol = 0
  /** Its offset. */
  offset = 0
  /** Whether there was a fragment header. */
  isFragment = false
  /** Octets, a multiple of 8. In any but the first fragment, what is at `offset` is not a header. */
  fragmentOffset = 0
  moreFragments = false
  identification = 0
  /** What the fragment header names, the same in all fragments of a datagram; may be an extension header. 0 without one. */
  fragmented = 0
}

/** Why the chain of headers cannot be walked, or `ok`. */
export type Ipv6ChainVerdict = 'ok' | 'truncated' | 'count' | 'order'

/**
 * Walks the extension headers of the IPv6 packet at `at`, which must have been checked with `ipv6Verdict`, without making an object. It ends at a
 * later fragment's data.
 */
export function walkIpv6Extensions(bytes: Uint8Array, at: number, end: number, out: Ipv6Chain): Ipv6ChainVerdict {
  out.protocol = bytes[at + 6]
  out.offset = at + 40
  out.isFragment = false
  out.fragmentOffset = 0
  out.moreFragments = false
  out.identification = 0
  out.fragmented = 0
  for (let walked = 0; isExtension(out.protocol); walked++) {
    if (walked === MAX_IPV6_EXTENSIONS) return 'count'
    if (out.protocol === IP_PROTOCOL_HOP_BY_HOP && walked > 0) return 'order'
    const header = out.offset
    if (header + 8 > end) return 'truncated'
    const isFragment = out.protocol === IP_PROTOCOL_FRAGMENT
    const size = isFragment ? FRAGMENT_SIZE : bytes[header + 1] * 8 + 8
    if (header + size > end) return 'truncated'
    out.protocol = bytes[header]
    out.offset = header + size
    if (isFragment) {
      const fragment = u16At(bytes, header + 2)
      out.isFragment = true
      out.fragmentOffset = fragment & 0xfff8
      out.moreFragments = (fragment & 1) !== 0
      out.identification = u32At(bytes, header + 4)
      out.fragmented = out.protocol
      if (out.fragmentOffset > 0) return 'ok'
    }
  }
  return 'ok'
}

function isExtension(protocol: number): boolean {
  return (
    protocol === IP_PROTOCOL_HOP_BY_HOP ||
    protocol === IP_PROTOCOL_ROUTING ||
    protocol === IP_PROTOCOL_FRAGMENT ||
    protocol === IP_PROTOCOL_DESTINATION_OPTIONS
  )
}

function sizeOf(extension: Ipv6Extension): number {
  if (extension.type === 'fragment') return FRAGMENT_SIZE
  return extension.data.length + (extension.type === 'routing' ? 4 : 2)
}

function numberOf({ type }: Ipv6Extension): number {
  switch (type) {
    case 'hop-by-hop':
      return IP_PROTOCOL_HOP_BY_HOP
    case 'routing':
      return IP_PROTOCOL_ROUTING
    case 'fragment':
      return IP_PROTOCOL_FRAGMENT
    default:
      return IP_PROTOCOL_DESTINATION_OPTIONS
  }
}
