import { IpAddress } from '@heddle/wire'
import { onesComplementSum } from './oracle/ip.js'
import { ipPacket } from './packets.js'

/** An ICMP message in an IP packet. */
export interface TestIcmp {
  readonly source: string | IpAddress
  readonly destination: string | IpAddress
  readonly type: number
  readonly code?: number
  /** The 32 bits behind the checksum; for an echo, identifier and sequence number. */
  readonly rest?: number
  /** What follows; of an error, the packet that it quotes. */
  readonly body?: Uint8Array
  readonly ttl?: number
}

/** Makes the message. */
export function testIcmp({ source, destination, type, code = 0, rest = 0, body = Uint8Array.of(), ttl = 64 }: TestIcmp): Uint8Array {
  const from = typeof source === 'string' ? IpAddress.parse(source) : source
  const to = typeof destination === 'string' ? IpAddress.parse(destination) : destination
  const header = [type, code, 0, 0, rest >>> 24, (rest >> 16) & 255, (rest >> 8) & 255, rest & 255]
  const common = { source: from, destination: to, ttl, trafficClass: 0, dontFragment: true, protocol: from.family === 4 ? 1 : 58 }
  return ipPacket(common, Uint8Array.from([...header, ...body]), 2)
}

/** An SCTP packet. */
export interface TestSctp {
  readonly source: string
  readonly destination: string
  readonly sourcePort: number
  readonly destinationPort: number
  readonly ttl?: number
}

/** Makes the packet (RFC 9260 §3), with a checksum that is of no packet: it covers the ports, and whoever forwards must leave it alone. */
export function testSctp({ source, destination, sourcePort, destinationPort, ttl = 64 }: TestSctp): Uint8Array {
  const [from, to] = [IpAddress.parse(source), IpAddress.parse(destination)]
  const ports = [sourcePort >> 8, sourcePort & 255, destinationPort >> 8, destinationPort & 255]
  const payload = Uint8Array.from([...ports, 1, 2, 3, 4, 0xc4, 0xc3, 0xc2, 0xc1, 14, 0, 0, 4])
  const header = { source: from, destination: to, ttl, trafficClass: 0, dontFragment: true, protocol: 132 }
  const packet = ipPacket(header, payload, 8)
  packet.set(payload, packet.length - payload.length)
  return packet
}

/** An IPv6 extension header that says nothing to a router on the way: hop-by-hop options, routing, destination options. */
export interface TestExtension {
  readonly protocol: 0 | 43 | 60
  /** Octets beyond the first eight, in units of eight; 0 when left out. */
  readonly units?: number
}

/** As many extension headers as are looked through for what a packet carries. */
export const MOST_EXTENSIONS = 8

/** The IPv6 packet with extension headers before what it carries (RFC 8200 §4), in this order. */
export function withExtensions(packet: Uint8Array, extensions: readonly TestExtension[]): Uint8Array {
  const headers = extensions.flatMap(({ protocol, units = 0 }, index) => {
    const header = [extensions[index + 1]?.protocol ?? packet[6], units]
    const rest = 4 + units * 8
    // A routing header of a type that nobody knows, with no segments left (§4.4); options that are padding (§4.2).
    return [...header, ...(protocol === 43 ? [253, 0] : [1, rest]), ...Array.from({ length: rest }, () => 0)]
  })
  const bytes = Uint8Array.from([...packet.subarray(0, 40), ...headers, ...packet.subarray(40)])
  const length = bytes.length - 40
  bytes.set([length >> 8, length & 255, extensions[0]?.protocol ?? packet[6]], 4)
  return bytes
}

/** The IPv6 packet with destination options before what it carries (RFC 8200 §4.6). */
export function withOptions(packet: Uint8Array): Uint8Array {
  return withExtensions(packet, [{ protocol: 60 }])
}

/** A part of a datagram. */
export interface TestPart {
  /** Octets of the datagram's data before this part, a multiple of 8. */
  readonly offset: number
  /** Octets of data; the rest when left out. */
  readonly size?: number
  readonly identification?: number
}

/** Cuts a part out of a packet without options; extension headers are a part of the datagram. */
export function partOf(packet: Uint8Array, { offset, size, identification = 7 }: TestPart): Uint8Array {
  const isV4 = packet[0] >> 4 === 4
  const data = packet.subarray(isV4 ? 20 : 40)
  const piece = data.slice(offset, size === undefined ? undefined : offset + size)
  const more = offset + piece.length < data.length
  if (isV4) {
    const bytes = Uint8Array.from([...packet.subarray(0, 20), ...piece])
    const field = (more ? 0x2000 : 0) + offset / 8
    bytes.set([bytes.length >> 8, bytes.length & 255, identification >> 8, identification & 255, field >> 8, field & 255], 2)
    bytes.set([0, 0], 10)
    const checksum = 0xffff - onesComplementSum(bytes.subarray(0, 20))
    bytes.set([checksum >> 8, checksum & 255], 10)
    return bytes
  }
  const field = offset + (more ? 1 : 0)
  const header = [packet[6], 0, field >> 8, field & 255, 0, 0, identification >> 8, identification & 255]
  const bytes = Uint8Array.from([...packet.subarray(0, 40), ...header, ...piece])
  const length = bytes.length - 40
  bytes.set([length >> 8, length & 255, 44], 4)
  return bytes
}
