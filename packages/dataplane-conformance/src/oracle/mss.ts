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
      return { ...ip, bytes: withTcpChecksum(bytes, tcp, ip.family) }
    } else at += ip.bytes[at + 1]
  }
  return ip
}

function withTcpChecksum(bytes: Uint8Array, tcp: number, family: 4 | 6): Uint8Array {
  const segment = bytes.subarray(tcp)
  segment[16] = segment[17] = 0
  const addresses = bytes.subarray(family === 4 ? 12 : 8, family === 4 ? 20 : 40)
  const pseudo = [...addresses, segment.length >> 8, segment.length & 255, 0, 6]
  const checksum = 0xffff - onesComplementSum(Uint8Array.from([...pseudo, ...segment]))
  segment[16] = checksum >> 8
  segment[17] = checksum & 255
  return bytes
}
