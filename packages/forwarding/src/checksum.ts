import type { IpAddress } from '@heddle/wire'

/** The Internet checksum (RFC 1071) of an IPv4 header whose checksum field counts as zero. */
export function headerChecksum(view: DataView, offset: number, length: number): number {
  let sum = 0
  for (let at = 0; at < length; at += 2) if (at !== 10) sum += view.getUint16(offset + at)
  return ~fold(sum) & 0xffff
}

/** UDP checksum over the IPv6 pseudo-header (RFC 8200 §8.1); never zero. The field itself must be zero. */
export function udpChecksum6(bytes: Uint8Array, offset: number, length: number, source: IpAddress, destination: IpAddress): number {
  const sum = ~fold(addressSum(source) + addressSum(destination) + 17 + length + sumOf(bytes, offset, length)) & 0xffff
  return sum === 0 ? 0xffff : sum
}

/** Sum of the 16-bit words of `length` octets, the last one padded with zero; not folded. */
export function sumOf(bytes: Uint8Array, offset: number, length: number): number {
  let sum = 0
  const even = offset + (length & ~1)
  for (let at = offset; at < even; at += 2) sum += (bytes[at] << 8) | bytes[at + 1]
  return length & 1 ? sum + (bytes[even] << 8) : sum
}

export function fold(sum: number): number {
  let folded = sum
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  return folded
}

function addressSum({ w0, w1, w2, w3 }: IpAddress): number {
  return [w0, w1, w2, w3].reduce((sum, word) => sum + (word >>> 16) + (word & 0xffff), 0)
}
