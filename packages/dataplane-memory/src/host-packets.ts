import { probePacket } from '@heddle/forwarding'
import {
  ByteReader,
  IP_PROTOCOL_ICMP,
  IP_PROTOCOL_ICMPV6,
  IP_PROTOCOL_UDP,
  UDP_HEADER_SIZE,
  WireError,
  decodeIcmpv4,
  decodeIcmpv6,
  decodeIpv4Packet,
  decodeIpv6Packet,
  decodeUdpHeader,
  encodeIcmpv4,
  encodeIcmpv6,
  encodeIpv4Header,
  encodeIpv6Header,
  icmpv4Size,
  icmpv6Size,
  type IpAddress,
} from '@heddle/wire'

/* The few packets that a memory host speaks: ICMP echo and UDP, over IPv4 and IPv6. */

const ECHO_IDENTIFIER = 0x4865
const TTL = 64

/** An ICMP echo message, as a host sees it. */
export interface Echo {
  readonly type: 'echo-request' | 'echo-reply'
  readonly identifier: number
  readonly sequence: number
  readonly data: Uint8Array
}

/** What a host makes of a packet. */
export interface HostPacket {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly echo?: Echo
  readonly udp?: { readonly sourcePort: number; readonly destinationPort: number; readonly payload: Uint8Array }
}

/** Reads a packet, or returns undefined for one that is malformed. */
export function readPacket(bytes: Uint8Array): HostPacket | undefined {
  try {
    return bytes[0] >>> 4 === 6 ? readV6(bytes) : readV4(bytes)
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/** An ICMP echo request (RFC 792, RFC 4443 §4.1). */
export function echoRequest(source: IpAddress, destination: IpAddress, sequence: number): Uint8Array {
  return echoPacket(source, destination, { type: 'echo-request', identifier: ECHO_IDENTIFIER, sequence, data: new Uint8Array(8) })
}

/** The answer to an echo request. */
export function echoReply({ source, destination }: HostPacket, echo: Echo): Uint8Array {
  return echoPacket(destination, source, { ...echo, type: 'echo-reply' })
}

/** A UDP datagram (RFC 768). */
export function udpPacket(
  source: IpAddress,
  destination: IpAddress,
  sourcePort: number,
  destinationPort: number,
  payload: Uint8Array,
): Uint8Array {
  return probePacket({ source, destination, sourcePort, destinationPort, payload })
}

function readV4(bytes: Uint8Array): HostPacket {
  const { header, payload } = decodeIpv4Packet(new ByteReader(bytes, 'packet'))
  const { source, destination, protocol } = header
  if (protocol === IP_PROTOCOL_UDP) return { source, destination, udp: readUdp(payload) }
  if (protocol !== IP_PROTOCOL_ICMP) return { source, destination }
  return { source, destination, ...echoOf(decodeIcmpv4(payload)) }
}

function readV6(bytes: Uint8Array): HostPacket {
  const { header, payload } = decodeIpv6Packet(new ByteReader(bytes, 'packet'))
  const { source, destination, nextHeader } = header
  if (nextHeader === IP_PROTOCOL_UDP) return { source, destination, udp: readUdp(payload) }
  if (nextHeader !== IP_PROTOCOL_ICMPV6) return { source, destination }
  return { source, destination, ...echoOf(decodeIcmpv6(payload, source, destination)) }
}

function readUdp(input: ByteReader): NonNullable<HostPacket['udp']> {
  const { sourcePort, destinationPort, length } = decodeUdpHeader(input)
  return { sourcePort, destinationPort, payload: input.octets(length - UDP_HEADER_SIZE) }
}

function echoOf(message: { readonly type: string } | Echo): { readonly echo?: Echo } {
  return isEcho(message) ? { echo: message } : {}
}

function isEcho(message: { readonly type: string } | Echo): message is Echo {
  return message.type === 'echo-request' || message.type === 'echo-reply'
}

function echoPacket(source: IpAddress, destination: IpAddress, echo: Echo): Uint8Array {
  const common = { dscp: 0, ecn: 0, source, destination }
  if (source.family === 6) {
    const payloadLength = icmpv6Size(echo)
    const bytes = new Uint8Array(40 + payloadLength)
    const view = new DataView(bytes.buffer)
    const at = encodeIpv6Header({ ...common, flowLabel: 0, payloadLength, nextHeader: IP_PROTOCOL_ICMPV6, hopLimit: TTL }, view, 0)
    encodeIcmpv6(echo, source, destination, view, at)
    return bytes
  }
  const totalLength = 20 + icmpv4Size(echo)
  const bytes = new Uint8Array(totalLength)
  const view = new DataView(bytes.buffer)
  const whole = { identification: 0, dontFragment: true, moreFragments: false, fragmentOffset: 0, options: new Uint8Array(0) }
  const at = encodeIpv4Header({ ...common, ...whole, totalLength, ttl: TTL, protocol: IP_PROTOCOL_ICMP }, view, 0)
  encodeIcmpv4(echo, view, at)
  return bytes
}
