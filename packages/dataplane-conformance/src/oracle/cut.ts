import type { DataplaneFeature } from '@heddle/core'
import { withTtl, type Ip } from './ip.js'

/** Whether a router may cut the packet to fit `mtu` (RFC 791 §2.3): IPv4, without DF, and eight octets of data fit. */
export function mayBeCut({ features }: { readonly features?: readonly DataplaneFeature[] }, ip: Ip, mtu: number): boolean {
  return features?.includes('fragmentation') === true && ip.family === 4 && (ip.bytes[6] & 0x40) === 0 && mtu - ip.headerLength >= 8
}

/** The packet's parts, each at most `mtu` octets. The packets of this suite have no options. */
export function cutIp(ip: Ip, mtu: number): Ip[] {
  const data = ip.bytes.slice(ip.headerLength)
  const size = Math.floor((mtu - ip.headerLength) / 8) * 8
  const offset = (ip.bytes[6] & 0x1f) * 256 + ip.bytes[7]
  const hasMore = (ip.bytes[6] & 0x20) !== 0
  const parts: Ip[] = []
  for (let at = 0; at < data.length;) {
    const left = data.length - at
    const isLast = left <= mtu - ip.headerLength
    const piece = data.slice(at, isLast ? data.length : at + size)
    const bytes = Uint8Array.from([...ip.bytes.slice(0, ip.headerLength), ...piece])
    const field = offset + at / 8
    bytes[2] = bytes.length >> 8
    bytes[3] = bytes.length & 255
    bytes[6] = (isLast && !hasMore ? 0 : 0x20) + (field >> 8)
    bytes[7] = field & 255
    parts.push(withTtl({ ...ip, bytes }, ip.ttl))
    at += piece.length
  }
  return parts
}
