import { IpAddress } from '@heddle/wire'

/* The few packets that a memory host speaks: ICMP echo and UDP, over IPv4 and IPv6, without options or extension headers. */

const ICMP = 1
const UDP = 17
const ICMPV6 = 58
const ECHO_IDENTIFIER = 0x4865

/** A UDP datagram that was received. */
export interface UdpDatagram {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Uint8Array
}

/** An ICMP echo request (RFC 792, RFC 4443 §4.1). */
export function icmpEcho(source: IpAddress, destination: IpAddress, sequence: number): Uint8Array {
  const payload = new Uint8Array(16)
  const view = new DataView(payload.buffer)
  view.setUint8(0, source.family === 4 ? 8 : 128)
  view.setUint16(4, ECHO_IDENTIFIER)
  view.setUint16(6, sequence)
  return ipPacket(source, destination, source.family === 4 ? ICMP : ICMPV6, payload, 2)
}

/** A UDP datagram in an IP packet (RFC 768). */
export function udpPacket(
  source: IpAddress,
  destination: IpAddress,
  sourcePort: number,
  destinationPort: number,
  data: Uint8Array,
): Uint8Array {
  const payload = new Uint8Array(8 + data.length)
  const view = new DataView(payload.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint16(4, payload.length)
  payload.set(data, 8)
  return ipPacket(source, destination, UDP, payload, 6)
}

/** The datagram in an IP packet, or undefined when it is none. */
export function readUdp(packet: Uint8Array): UdpDatagram | undefined {
  const ip = readIp(packet)
  if (ip === undefined || ip.protocol !== UDP || ip.payload.length < 8) return undefined
  const view = viewOf(ip.payload)
  const { source, destination } = ip
  return { source, destination, sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), payload: ip.payload.subarray(8) }
}

/** The reply to an echo request for one of `addresses`, or undefined when the packet is none. */
export function echoReplyOf(packet: Uint8Array, addresses: readonly IpAddress[]): Uint8Array | undefined {
  const ip = readIp(packet)
  if (ip === undefined || !isIcmp(ip) || !addresses.some((address) => address.equals(ip.destination))) return undefined
  const family = ip.source.family
  if (ip.payload[0] !== (family === 4 ? 8 : 128)) return undefined
  const payload = ip.payload.slice()
  payload[0] = family === 4 ? 0 : 129
  payload[2] = payload[3] = 0
  return ipPacket(ip.destination, ip.source, ip.protocol, payload, 2)
}

/** Whether the packet is the reply to the echo request with this sequence number. */
export function isEchoReply(packet: Uint8Array, sequence: number): boolean {
  const ip = readIp(packet)
  if (ip === undefined || !isIcmp(ip) || ip.payload[0] !== (ip.source.family === 4 ? 0 : 129)) return false
  const view = viewOf(ip.payload)
  return view.getUint16(4) === ECHO_IDENTIFIER && view.getUint16(6) === sequence
}

interface Ip {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly protocol: number
  readonly payload: Uint8Array
}

function isIcmp({ source, protocol, payload }: Ip): boolean {
  return protocol === (source.family === 4 ? ICMP : ICMPV6) && payload.length >= 8
}

function readIp(packet: Uint8Array): Ip | undefined {
  if (packet.length < 20) return undefined
  const view = viewOf(packet)
  if (packet[0] >>> 4 === 4) {
    const payload = packet.subarray((packet[0] & 0xf) * 4, view.getUint16(2))
    return {
      source: IpAddress.fromBytes(packet.subarray(12, 16)),
      destination: IpAddress.fromBytes(packet.subarray(16, 20)),
      protocol: packet[9],
      payload,
    }
  }
  if (packet[0] >>> 4 !== 6 || packet.length < 40) return undefined
  return {
    source: IpAddress.fromBytes(packet.subarray(8, 24)),
    destination: IpAddress.fromBytes(packet.subarray(24, 40)),
    protocol: packet[6],
    payload: packet.subarray(40, 40 + view.getUint16(4)),
  }
}

/** Puts `payload` into an IP packet with TTL 64 and writes the payload's checksum at `checksumAt`. */
function ipPacket(source: IpAddress, destination: IpAddress, protocol: number, payload: Uint8Array, checksumAt: number): Uint8Array {
  const headerLength = source.family === 4 ? 20 : 40
  const packet = new Uint8Array(headerLength + payload.length)
  const view = viewOf(packet)
  packet.set(payload, headerLength)
  if (source.family === 4) {
    view.setUint16(0, 0x4500)
    view.setUint16(2, packet.length)
    view.setUint16(6, 0x4000)
    view.setUint8(8, 64)
    view.setUint8(9, protocol)
    source.writeTo(view, 12)
    destination.writeTo(view, 16)
    view.setUint16(10, checksum([packet.subarray(0, 20)]))
  } else {
    view.setUint8(0, 0x60)
    view.setUint16(4, payload.length)
    view.setUint8(6, protocol)
    view.setUint8(7, 64)
    source.writeTo(view, 8)
    destination.writeTo(view, 24)
  }
  const body = packet.subarray(headerLength)
  const pseudo = Uint8Array.of(...source.toBytes(), ...destination.toBytes(), 0, protocol, body.length >>> 8, body.length)
  const sum = checksum(protocol === ICMP ? [body] : [pseudo, body])
  view.setUint16(headerLength + checksumAt, protocol === UDP && sum === 0 ? 0xffff : sum)
  return packet
}

/** Internet checksum (RFC 1071) over parts, each but the last of even length. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0
  for (const part of parts) for (let at = 0; at < part.length; at++) sum += part[at] << (at & 1 ? 0 : 8)
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000)
  return ~sum & 0xffff
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
