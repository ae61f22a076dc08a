import { onesComplementSum, type Ip } from './ip.js'

/** The packet with the MSS of its SYN lowered to what all of `mtus` leave behind the smallest headers. */
export function withMssClamped(ip: Ip, mtus: readonly number[]): Ip {
  const tcp = ip.headerLength
  if (mtus.length === 0 || ip.protocol !== 6 || ip.isFragment || ip.bytes.length < tcp + 20 || (ip.bytes[tcp + 13] & 2) === 0) return ip
  const mss = Math.min(...mtus) - (ip.family === 4 ? 40 : 60)
  const end = tcp + (ip.bytes[tcp + 12] >> 4) * 4
  if (end > ip.bytes.length) return ip
  for (let at = tcp + 20; at < end && ip.bytes[at] !== 0;) {
    if (ip.bytes[at] === 1) at++
    else if (at + 1 >= end || ip.bytes[at + 1] < 2 || at + ip.bytes[at + 1] > end) return ip
    else if (ip.bytes[at] === 2) {
      if (ip.bytes[at + 1] !== 4 || ip.bytes[at + 2] * 256 + ip.bytes[at + 3] <= mss) return ip
      const bytes = ip.bytes.slice()
      bytes[at + 2] = mss >> 8
      bytes[at + 3] = mss & 255
      return { ...ip, bytes: withTcpChecksum(ip.bytes, bytes, tcp) }
    } else at += ip.bytes[at + 1]
  }
  return ip
}

/** What was wrong with the checksum stays wrong: it changes by as much as the sum of the segment does. */
function withTcpChecksum(before: Uint8Array, after: Uint8Array, tcp: number): Uint8Array {
  const sumOf = (bytes: Uint8Array): number => onesComplementSum(bytes.subarray(tcp))
  const sum = (0xffff - (before[tcp + 16] * 256 + before[tcp + 17]) + 0xffff - sumOf(before) + sumOf(after)) % 0xffff
  const checksum = 0xffff - (sum === 0 ? 0xffff : sum)
  after.set([checksum >> 8, checksum & 255], tcp + 16)
  return after
}
