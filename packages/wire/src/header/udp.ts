import type { ByteReader } from '../byte-reader.js'
import { foldSum, sumOctets } from './checksum.js'
import { setU16At, u16At } from './octets.js'

/**
 * UDP header (RFC 768).
 *
 *     +---------------+---------------+---------------+---------------+
 *     | source port   | dest. port    | length        | checksum      |
 *     +---------------+---------------+---------------+---------------+
 */
export interface UdpHeader {
  /** 0–65,535; 0: none. */
  readonly sourcePort: number
  /** 0–65,535. */
  readonly destinationPort: number
  /** Octets of header and payload, 8–65,535. */
  readonly length: number
  /** 0: none was computed, which only IPv4 and the tunnels of RFC 6935 allow. */
  readonly checksum: number
}

/** Octets of the header (RFC 768). */
export const UDP_HEADER_SIZE = 8

/** Writes `header` as it is at `offset`; returns the offset behind it. `setUdpChecksum` computes the checksum once the payload is there. */
export function encodeUdpHeader(header: UdpHeader, out: DataView, offset: number): number {
  out.setUint16(offset, header.sourcePort)
  out.setUint16(offset + 2, header.destinationPort)
  out.setUint16(offset + 4, header.length)
  out.setUint16(offset + 6, header.checksum)
  return offset + UDP_HEADER_SIZE
}

/**
 * Reads the header; whether the checksum holds is asked with `udpChecksumHolds`, for it depends on the IP header.
 *
 * @throws WireError `wire.truncated`, `wire.udp.length` (shorter than the header)
 */
export function decodeUdpHeader(input: ByteReader): UdpHeader {
  const sourcePort = input.u16()
  const destinationPort = input.u16()
  const length = input.u16()
  if (length < UDP_HEADER_SIZE) input.fail('wire.udp.length', 'RFC 768, Length')
  return { sourcePort, destinationPort, length, checksum: input.u16() }
}

/* The hot path: `at` is the offset of the header. */

/** Source port of the header at `at`. */
export function udpSourcePort(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at)
}

/** Destination port of the header at `at`. */
export function udpDestinationPort(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 2)
}

/** Octets of header and payload that the header at `at` claims. */
export function udpLength(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 4)
}

/** 0: none. */
export function udpChecksum(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 6)
}

/**
 * Computes and stores the checksum of the datagram at `at`, whose `length` octets are in place; a sum of zero is sent as 0xffff.
 *
 * @param pseudoSum see `pseudoHeaderSum`
 */
export function setUdpChecksum(bytes: Uint8Array, at: number, length: number, pseudoSum: number): void {
  setU16At(bytes, at + 6, 0)
  const checksum = ~foldSum(sumOctets(bytes, at, length, pseudoSum)) & 0xffff
  setU16At(bytes, at + 6, checksum === 0 ? 0xffff : checksum)
}

/** Whether the datagram of `length` octets sums up as it must. Not to be asked when the checksum is 0. */
export function udpChecksumHolds(bytes: Uint8Array, at: number, length: number, pseudoSum: number): boolean {
  return foldSum(sumOctets(bytes, at, length, pseudoSum)) === 0xffff
}
