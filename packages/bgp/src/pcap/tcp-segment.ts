import {
  IP_PROTOCOL_GRE,
  IP_PROTOCOL_TCP,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IpAddress,
  TCP_HEADER_SIZE,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
  ipv6NextHeader,
  ipv6PayloadLength,
} from '@heddle/wire'

/** A segment of a TCP connection. */
export interface TcpSegment {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  /** Sum of `TCP_…` flags. */
  readonly flags: number
  readonly payload: Uint8Array
}

/** Extension headers whose second octet says their length in units of eight octets (RFC 8200 §4). */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60, 135])
const FRAGMENT_HEADER = 44
const IP_IN_IP: ReadonlySet<number> = new Set([4, 41])
const GRE_IP: ReadonlySet<number> = new Set([0x0800, 0x86dd])
/** Tunnels within tunnels that are followed. */
const DEEPEST = 4

/**
 * The TCP segment of an IP packet, also of one within IP-in-IP or plain GRE tunnels. Checksums are not looked at: what is captured where it is sent
 * has none yet. A snapshot may have cut the packet; then the payload is what is there.
 *
 * @returns `undefined` for what is no TCP, and for fragments
 */
export function tcpSegmentOf(packet: Uint8Array, depth = 0): TcpSegment | undefined {
  const found = (packet[0] ?? 0) >>> 4 === 6 ? behindIpv6(packet) : behindIpv4(packet)
  if (found === undefined) return undefined
  const { protocol, payload } = found
  if (protocol === IP_PROTOCOL_TCP) return segment(found.source, found.destination, payload)
  if (depth >= DEEPEST) return undefined
  if (IP_IN_IP.has(protocol)) return tcpSegmentOf(payload, depth + 1)
  const isPlain = protocol === IP_PROTOCOL_GRE && payload.length >= 4 && payload[0] === 0 && payload[1] === 0
  return isPlain && GRE_IP.has((payload[2] << 8) | payload[3]) ? tcpSegmentOf(payload.subarray(4), depth + 1) : undefined
}

interface Behind {
  readonly protocol: number
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly payload: Uint8Array
}

function behindIpv4(packet: Uint8Array): Behind | undefined {
  if (packet.length < IPV4_HEADER_SIZE || packet[0] >>> 4 !== 4) return undefined
  const head = ipv4HeaderLength(packet, 0)
  const total = ipv4TotalLength(packet, 0)
  if (head < IPV4_HEADER_SIZE || head > packet.length || ipv4IsFragment(packet, 0)) return undefined
  // segmentation offload leaves the length out
  const end = total === 0 ? packet.length : Math.max(head, total)
  return {
    protocol: ipv4Protocol(packet, 0),
    source: IpAddress.fromBytes(packet.subarray(12, 16)),
    destination: IpAddress.fromBytes(packet.subarray(16, 20)),
    payload: packet.subarray(head, end),
  }
}

function behindIpv6(packet: Uint8Array): Behind | undefined {
  if (packet.length < IPV6_HEADER_SIZE) return undefined
  const length = ipv6PayloadLength(packet, 0)
  const end = length === 0 ? packet.length : IPV6_HEADER_SIZE + length
  let protocol = ipv6NextHeader(packet, 0)
  let at = IPV6_HEADER_SIZE
  while (EXTENSIONS.has(protocol)) {
    if (at + 8 > packet.length) return undefined
    protocol = packet[at]
    at += (packet[at + 1] + 1) * 8
  }
  if (protocol === FRAGMENT_HEADER) return undefined
  return {
    protocol,
    source: IpAddress.fromBytes(packet.subarray(8, 24)),
    destination: IpAddress.fromBytes(packet.subarray(24, 40)),
    payload: packet.subarray(at, end),
  }
}

function segment(source: IpAddress, destination: IpAddress, bytes: Uint8Array): TcpSegment | undefined {
  if (bytes.length < TCP_HEADER_SIZE) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const head = (bytes[12] >>> 4) << 2
  if (head < TCP_HEADER_SIZE || head > bytes.length) return undefined
  return {
    source,
    destination,
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    flags: bytes[13],
    payload: bytes.subarray(head),
  }
}
