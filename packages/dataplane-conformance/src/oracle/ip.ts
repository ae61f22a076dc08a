import type { DropReason } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { Seen } from './seen.js'

/** An IP packet, taken apart. */
export interface Ip {
  readonly family: 4 | 6
  readonly bytes: Uint8Array
  readonly headerLength: number
  readonly ttl: number
  readonly trafficClass: number
  readonly protocol: number
  readonly isFragment: boolean
  readonly source: IpAddress
  readonly destination: IpAddress
  /** What policies see where ends were translated; otherwise what the packet says. */
  readonly seen?: Seen
}

/** Takes a packet apart, or says why it is none. */
export function readIp(bytes: Uint8Array): Ip | DropReason {
  if (bytes.length === 0) return 'inner-malformed'
  const version = bytes[0] >> 4
  if (version === 4) return readIp4(bytes)
  if (version === 6) return readIp6(bytes)
  return 'family-unsupported'
}

function readIp4(bytes: Uint8Array): Ip | DropReason {
  if (bytes.length < 20) return 'inner-malformed'
  const headerLength = (bytes[0] & 15) * 4
  const total = bytes[2] * 256 + bytes[3]
  if (headerLength < 20 || headerLength > total || total > bytes.length) return 'inner-malformed'
  if (onesComplementSum(bytes.subarray(0, headerLength)) !== 0xffff) return 'inner-malformed'
  return {
    family: 4,
    bytes: bytes.slice(0, total),
    headerLength,
    trafficClass: bytes[1],
    ttl: bytes[8],
    protocol: bytes[9],
    isFragment: (bytes[6] & 0x3f) !== 0 || bytes[7] !== 0,
    source: IpAddress.fromBytes(bytes.subarray(12, 16)),
    destination: IpAddress.fromBytes(bytes.subarray(16, 20)),
  }
}

function readIp6(bytes: Uint8Array): Ip | DropReason {
  if (bytes.length < 40) return 'inner-malformed'
  const total = 40 + bytes[4] * 256 + bytes[5]
  if (total > bytes.length) return 'inner-malformed'
  return {
    family: 6,
    bytes: bytes.slice(0, total),
    headerLength: 40,
    trafficClass: (bytes[0] & 15) * 16 + (bytes[1] >> 4),
    ttl: bytes[7],
    protocol: bytes[6],
    isFragment: false,
    source: IpAddress.fromBytes(bytes.subarray(8, 24)),
    destination: IpAddress.fromBytes(bytes.subarray(24, 40)),
  }
}

/** The same packet with another TTL, its header checksum computed anew. */
export function withTtl(ip: Ip, ttl: number): Ip {
  const bytes = ip.bytes.slice()
  if (ip.family === 6) bytes[7] = ttl
  else {
    bytes[8] = ttl
    bytes[10] = bytes[11] = 0
    const checksum = 0xffff - onesComplementSum(bytes.subarray(0, ip.headerLength))
    bytes[10] = checksum >> 8
    bytes[11] = checksum & 255
  }
  return { ...ip, bytes, ttl }
}

/** The same packet with another traffic class octet. */
export function withTrafficClass(ip: Ip, trafficClass: number): Ip {
  const bytes = ip.bytes.slice()
  if (ip.family === 4) bytes[1] = trafficClass
  else {
    bytes[0] = 0x60 + (trafficClass >> 4)
    bytes[1] = (trafficClass & 15) * 16 + (bytes[1] & 15)
  }
  return withTtl({ ...ip, bytes, trafficClass }, ip.family === 4 ? bytes[8] : bytes[7])
}

/** The reply to an ICMP echo request, or undefined when the packet is none. */
export function echoReply(ip: Ip): Uint8Array | undefined {
  const [protocol, request, reply] = ip.family === 4 ? [1, 8, 0] : [58, 128, 129]
  const icmp = ip.headerLength
  if (ip.protocol !== protocol || ip.isFragment || ip.bytes.length < icmp + 8 || ip.bytes[icmp] !== request) return undefined
  const bytes = withTtl(ip, 64).bytes
  bytes.set(ip.destination.toBytes(), ip.family === 4 ? 12 : 8)
  bytes.set(ip.source.toBytes(), ip.family === 4 ? 16 : 24)
  const before = bytes[icmp + 2] * 256 + bytes[icmp + 3]
  bytes[icmp] = reply
  // Whatever was wrong with the checksum stays wrong: the sum of words changes by the type alone.
  let sum = (0xffff - before + (0xffff - request * 256) + reply * 256) % 0xffff
  if (sum === 0) sum = 0xffff
  const after = 0xffff - sum
  bytes[icmp + 2] = after >> 8
  bytes[icmp + 3] = after & 255
  return bytes
}

/** Whether a router may forward to, or take a packet from, the address. */
export function isForwardable(address: IpAddress): boolean {
  if (address.isUnspecified || address.isLoopback || address.isMulticast || address.isLinkLocal) return false
  if (address.family === 6) return true
  const first = Number(String(address).split('.')[0])
  return first !== 0 && first < 224
}

export function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0
  bytes.forEach((octet, index) => (sum += index % 2 === 0 ? octet * 256 : octet))
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum % 0x10000)
  return sum
}
