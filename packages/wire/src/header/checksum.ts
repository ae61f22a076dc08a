import type { IpAddress } from '../value/ip-address.js'
import { u16At } from './octets.js'

/*
 * The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words. A sum is kept unfolded, as a plain number,
 * while parts are added; `foldSum` brings it back to 16 bits.
 */

/** Adds the 16-bit words of `length` octets to `sum`; an odd last octet counts as if a zero followed it. Up to 2^32 words keep it exact. */
export function sumOctets(bytes: Uint8Array, at: number, length: number, sum = 0): number {
  let total = sum
  const even = at + (length & ~1)
  for (let octet = at; octet < even; octet += 2) total += (bytes[octet] << 8) | bytes[octet + 1]
  return (length & 1) === 1 ? total + (bytes[even] << 8) : total
}

/** Brings a sum to 16 bits with end-around carry. 0xffff means that data with its checksum in place are sound. */
export function foldSum(sum: number): number {
  let folded = sum
  // Division is for sums of more than 64 KiB of octets; a header's is folded by shifts, which take a tenth of it.
  while (folded > 0x7fff_ffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16)
  return folded
}

/** The checksum of `length` octets whose checksum field is zero. */
export function internetChecksum(bytes: Uint8Array, at: number, length: number, sum = 0): number {
  return ~foldSum(sumOctets(bytes, at, length, sum)) & 0xffff
}

/** Whether `length` octets, checksum included, sum up as they must. */
export function checksumHolds(bytes: Uint8Array, at: number, length: number, sum = 0): boolean {
  return foldSum(sumOctets(bytes, at, length, sum)) === 0xffff
}

/**
 * The checksum after one 16-bit word changed, without reading the rest.
 *
 * @see RFC 1624 §3 equation 3
 */
export function updateChecksum16(checksum: number, before: number, after: number): number {
  return ~foldSum((~checksum & 0xffff) + (~before & 0xffff) + after) & 0xffff
}

/** As `updateChecksum16`, for a 32-bit word that stands at an even offset, such as an IPv4 address. */
export function updateChecksum32(checksum: number, before: number, after: number): number {
  return updateChecksum16(updateChecksum16(checksum, before >>> 16, after >>> 16), before & 0xffff, after & 0xffff)
}

/**
 * Sum of the pseudo-header that UDP, TCP and ICMPv6 add to theirs (RFC 9293 §3.1 for IPv4, RFC 8200 §8.1 for IPv6).
 *
 * @param length octets of the transport header and its payload
 */
export function pseudoHeaderSum(source: IpAddress, destination: IpAddress, protocol: number, length: number): number {
  return addressSum(source) + addressSum(destination) + protocol + lengthSum(length)
}

/** As `pseudoHeaderSum`, with the addresses of the IPv4 header at `at`. */
export function pseudoHeaderSumAtIpv4(bytes: Uint8Array, at: number, protocol: number, length: number): number {
  let sum = protocol + lengthSum(length)
  for (let word = at + 12; word < at + 20; word += 2) sum += u16At(bytes, word)
  return sum
}

/** As `pseudoHeaderSum`, with the addresses of the IPv6 header at `at`. */
export function pseudoHeaderSumAtIpv6(bytes: Uint8Array, at: number, protocol: number, length: number): number {
  let sum = protocol + lengthSum(length)
  for (let word = at + 8; word < at + 40; word += 2) sum += u16At(bytes, word)
  return sum
}

function addressSum({ w0, w1, w2, w3 }: IpAddress): number {
  return (w0 >>> 16) + (w0 & 0xffff) + (w1 >>> 16) + (w1 & 0xffff) + (w2 >>> 16) + (w2 & 0xffff) + (w3 >>> 16) + (w3 & 0xffff)
}

function lengthSum(length: number): number {
  return (length >>> 16) + (length & 0xffff)
}
