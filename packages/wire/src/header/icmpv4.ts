import type { ByteReader } from '../byte-reader.js'
import { checksumHolds, internetChecksum } from './checksum.js'
import { octetsOf } from './octets.js'

/**
 * ICMP (RFC 792; next-hop MTU after RFC 1191 §4).
 *
 *     +------+------+---------------+-------------------------------+
 *     | type | code | checksum      | by type: identifier and sequence, or next-hop MTU, or zero
 *     +------+------+---------------+-------------------------------+
 *     | data: what is echoed, or the beginning of the datagram in question
 *     +--------------------------------------------------------------
 */
export type Icmpv4Message =
  | {
      readonly type: 'echo-request' | 'echo-reply'
      /** 0–65,535. */
      readonly identifier: number
      /** 0–65,535. */
      readonly sequence: number
      readonly data: Uint8Array
    }
  | {
      readonly type: 'destination-unreachable'
      /** 0–255, see the constants. */
      readonly code: number
      /** With code 4: largest datagram that the next hop takes, octets; 0 from routers older than RFC 1191. Else 0. */
      readonly mtu: number
      /** IP header of the datagram in question and at least 8 octets more. */
      readonly quote: Uint8Array
    }
  | { readonly type: 'time-exceeded'; readonly code: number; readonly quote: Uint8Array }
  /** Any other type; `rest` is the second word. */
  | { readonly type: 'other'; readonly number: number; readonly code: number; readonly rest: number; readonly data: Uint8Array }

/** Octets of type, code, checksum and the four that depend on the type (RFC 792, RFC 4443 §2.1). */
export const ICMP_HEADER_SIZE = 8

/** Message types (IANA "ICMP Type Numbers"). */
export const ICMPV4_ECHO_REPLY = 0
/** Type: destination unreachable (RFC 792). */
export const ICMPV4_DESTINATION_UNREACHABLE = 3
/** Type: echo (RFC 792). */
export const ICMPV4_ECHO_REQUEST = 8
/** Type: the TTL ran out, or parts did not come together in time (RFC 792). */
export const ICMPV4_TIME_EXCEEDED = 11

/** Codes of destination unreachable. */
export const ICMPV4_NET_UNREACHABLE = 0
/** Code of an unreachable destination: no way to the host (RFC 792). */
export const ICMPV4_HOST_UNREACHABLE = 1
/** Code of an unreachable destination: nobody listens on the port (RFC 792). */
export const ICMPV4_PORT_UNREACHABLE = 3
/** Code of an unreachable destination: too large, and not to be cut (RFC 792, RFC 1191 §4). */
export const ICMPV4_FRAGMENTATION_NEEDED = 4
/** Code of an unreachable destination: a rule forbids it (RFC 1812 §5.2.7.1). */
export const ICMPV4_ADMINISTRATIVELY_PROHIBITED = 13

/** Octets that `encodeIcmpv4` writes. */
export function icmpv4Size(message: Icmpv4Message): number {
  return ICMP_HEADER_SIZE + bodyOf(message).length
}

/** Writes `message` with its checksum at `offset`; returns the offset behind it. */
export function encodeIcmpv4(message: Icmpv4Message, out: DataView, offset: number): number {
  const size = icmpv4Size(message)
  out.setUint8(offset, numberOf(message))
  out.setUint8(offset + 1, 'code' in message ? message.code : 0)
  out.setUint16(offset + 2, 0)
  out.setUint32(offset + 4, secondWordOf(message))
  const bytes = octetsOf(out)
  bytes.set(bodyOf(message), offset + ICMP_HEADER_SIZE)
  out.setUint16(offset + 2, internetChecksum(bytes, offset, size))
  return offset + size
}

/**
 * Reads a message that fills its container.
 *
 * @throws WireError `wire.truncated`, `wire.icmp.checksum`
 */
export function decodeIcmpv4(input: ByteReader): Icmpv4Message {
  const start = input.position
  const number = input.u8()
  const code = input.u8()
  input.skip(2)
  const rest = input.u32()
  const data = input.rest().slice()
  if (!checksumHolds(input.bytes, start, input.bytes.length - start)) input.fail('wire.icmp.checksum', 'RFC 792')
  if (number === ICMPV4_ECHO_REQUEST && code === 0) return { type: 'echo-request', identifier: rest >>> 16, sequence: rest & 0xffff, data }
  if (number === ICMPV4_ECHO_REPLY && code === 0) return { type: 'echo-reply', identifier: rest >>> 16, sequence: rest & 0xffff, data }
  if (number === ICMPV4_DESTINATION_UNREACHABLE) {
    return { type: 'destination-unreachable', code, mtu: code === ICMPV4_FRAGMENTATION_NEEDED ? rest & 0xffff : 0, quote: data }
  }
  if (number === ICMPV4_TIME_EXCEEDED) return { type: 'time-exceeded', code, quote: data }
  return { type: 'other', number, code, rest, data }
}

/** Whether a message of this type tells of an error, to which no error may be sent in turn (RFC 1122 §3.2.2). */
export function icmpv4IsError(number: number): boolean {
  return number === 3 || number === 4 || number === 5 || number === 11 || number === 12
}

function bodyOf(message: Icmpv4Message): Uint8Array {
  return 'quote' in message ? message.quote : message.data
}

function secondWordOf(message: Icmpv4Message): number {
  switch (message.type) {
    case 'destination-unreachable':
      return message.code === ICMPV4_FRAGMENTATION_NEEDED ? message.mtu : 0
    case 'time-exceeded':
      return 0
    case 'other':
      return message.rest
    default:
      return (message.identifier << 16) | message.sequence
  }
}

function numberOf(message: Icmpv4Message): number {
  switch (message.type) {
    case 'echo-request':
      return ICMPV4_ECHO_REQUEST
    case 'echo-reply':
      return ICMPV4_ECHO_REPLY
    case 'destination-unreachable':
      return ICMPV4_DESTINATION_UNREACHABLE
    case 'time-exceeded':
      return ICMPV4_TIME_EXCEEDED
    default:
      return message.number
  }
}
