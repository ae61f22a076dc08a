import type { ByteReader } from '../byte-reader.js'
import { updateChecksum16 } from './checksum.js'
import { octetsOf, setU16At, u16At, u32At } from './octets.js'

/**
 * TCP header (RFC 9293 §3.1).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |          Source Port          |       Destination Port        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                        Sequence Number                        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                    Acknowledgment Number                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     | Offset| Rsrvd |     Flags     |            Window             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |           Checksum            |         Urgent Pointer        |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                   Options, 0–40 octets, padded                |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface TcpHeader {
  readonly sourcePort: number
  readonly destinationPort: number
  /** 0–4,294,967,295. */
  readonly sequence: number
  /** 0–4,294,967,295. */
  readonly acknowledgment: number
  /** Sum of the `TCP_…` flags, 0–255. */
  readonly flags: number
  /** 0–65,535, not scaled. */
  readonly window: number
  readonly checksum: number
  readonly urgentPointer: number
  /** As on the wire; 0–40 octets, a multiple of 4. */
  readonly options: Uint8Array
}

/** One option as it stands; NOP and end-of-list are not told of. */
export interface TcpOption {
  /** IANA "TCP Option Kind Numbers", 2–255. */
  readonly kind: number
  readonly data: Uint8Array
}

/** Octets of a header without options. */
export const TCP_HEADER_SIZE = 20
/** Flag: the sender has no more data (RFC 9293 §3.1). */
export const TCP_FIN = 0x01
/** Flag: synchronise sequence numbers (RFC 9293 §3.1). */
export const TCP_SYN = 0x02
/** Flag: reset the connection (RFC 9293 §3.1). */
export const TCP_RST = 0x04
/** Flag: hand over at once (RFC 9293 §3.1). */
export const TCP_PSH = 0x08
/** Flag: the acknowledgment number counts (RFC 9293 §3.1). */
export const TCP_ACK = 0x10
/** Flag: the urgent pointer counts (RFC 9293 §3.1). */
export const TCP_URG = 0x20
/** RFC 3168 §6.1. */
export const TCP_ECE = 0x40
/** Flag: congestion window reduced (RFC 3168 §6.1.2). */
export const TCP_CWR = 0x80

const OPTION_END = 0
const OPTION_NOP = 1
/** Maximum segment size, on a SYN only (RFC 9293 §3.7.1). */
export const TCP_OPTION_MSS = 2

/** Octets that `encodeTcpHeader` writes, 20–60. */
export function tcpHeaderSize({ options }: TcpHeader): number {
  return TCP_HEADER_SIZE + options.length
}

/** Writes `header` as it is, checksum included, at `offset`; returns the offset behind it. */
export function encodeTcpHeader(header: TcpHeader, out: DataView, offset: number): number {
  const size = tcpHeaderSize(header)
  out.setUint16(offset, header.sourcePort)
  out.setUint16(offset + 2, header.destinationPort)
  out.setUint32(offset + 4, header.sequence)
  out.setUint32(offset + 8, header.acknowledgment)
  out.setUint8(offset + 12, (size >>> 2) << 4)
  out.setUint8(offset + 13, header.flags)
  out.setUint16(offset + 14, header.window)
  out.setUint16(offset + 16, header.checksum)
  out.setUint16(offset + 18, header.urgentPointer)
  octetsOf(out).set(header.options, offset + TCP_HEADER_SIZE)
  return offset + size
}

/** Reads a header with its options. @throws WireError `wire.truncated`, `wire.tcp.data-offset` */
export function decodeTcpHeader(input: ByteReader): TcpHeader {
  const sourcePort = input.u16()
  const destinationPort = input.u16()
  const sequence = input.u32()
  const acknowledgment = input.u32()
  const size = (input.u8() >>> 4) << 2
  if (size < TCP_HEADER_SIZE) input.fail('wire.tcp.data-offset', 'RFC 9293 §3.1')
  return {
    sourcePort,
    destinationPort,
    sequence,
    acknowledgment,
    flags: input.u8(),
    window: input.u16(),
    checksum: input.u16(),
    urgentPointer: input.u16(),
    options: input.octets(size - TCP_HEADER_SIZE).slice(),
  }
}

/**
 * Reads the options of a header.
 *
 * @throws WireError `wire.truncated`; `wire.tcp.option-length` for an option shorter than its own head
 */
export function decodeTcpOptions(input: ByteReader): TcpOption[] {
  const options: TcpOption[] = []
  while (input.remaining > 0) {
    const kind = input.u8()
    if (kind === OPTION_END) break
    if (kind === OPTION_NOP) continue
    const length = input.u8()
    if (length < 2) input.fail('wire.tcp.option-length', 'RFC 9293 §3.1')
    options.push({ kind, data: input.octets(length - 2).slice() })
  }
  return options
}

/* The hot path: `at` is the offset of the header. */

/** Source port of the header at `at`. */
export function tcpSourcePort(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at)
}

/** Destination port of the header at `at`. */
export function tcpDestinationPort(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 2)
}

/** Sequence number of the header at `at`, as an unsigned word. */
export function tcpSequence(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at + 4)
}

/** Acknowledgment number of the header at `at`, as an unsigned word. */
export function tcpAcknowledgment(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at + 8)
}

/** Octets of the header, options included. */
export function tcpHeaderLength(bytes: Uint8Array, at: number): number {
  return (bytes[at + 12] >>> 4) << 2
}

/** Flags of the header at `at`, eight bits from CWR to FIN. */
export function tcpFlags(bytes: Uint8Array, at: number): number {
  return bytes[at + 13]
}

/** Offset of the value of the MSS option, two octets; -1 when there is none, or the options are malformed before it. */
export function tcpMssOffset(bytes: Uint8Array, at: number, end: number): number {
  if (at + TCP_HEADER_SIZE > end) return -1
  const behind = at + tcpHeaderLength(bytes, at)
  if (behind > end) return -1
  let option = at + TCP_HEADER_SIZE
  while (option < behind) {
    const kind = bytes[option]
    if (kind === OPTION_END) return -1
    if (kind === OPTION_NOP) {
      option++
      continue
    }
    if (option + 2 > behind) return -1
    const length = bytes[option + 1]
    if (length < 2 || option + length > behind) return -1
    if (kind === TCP_OPTION_MSS) return length === 4 ? option + 2 : -1
    option += length
  }
  return -1
}

/**
 * Lowers the MSS option of a SYN to `mss` and keeps the checksum right (RFC 1624).
 *
 * @returns whether anything changed
 */
export function clampTcpMss(bytes: Uint8Array, at: number, end: number, mss: number): boolean {
  if (at + TCP_HEADER_SIZE > end || (tcpFlags(bytes, at) & TCP_SYN) === 0) return false
  const value = tcpMssOffset(bytes, at, end)
  if (value < 0) return false
  const before = u16At(bytes, value)
  if (before <= mss) return false
  setU16At(bytes, value, mss)
  // At an odd offset the value lies across two of the words that are summed; swapping its octets puts it where it counts (RFC 1071 §2 B).
  const isOdd = ((value - at) & 1) === 1
  const checksum = updateChecksum16(u16At(bytes, at + 16), isOdd ? swapped(before) : before, isOdd ? swapped(mss) : mss)
  setU16At(bytes, at + 16, checksum)
  return true
}

function swapped(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8)
}
