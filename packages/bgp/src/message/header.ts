import { HEADER_ERROR, HEADER_SIZE, MAX_MESSAGE_SIZE, MESSAGE_TYPE, NOTIFICATION } from '../iana.js'
import type { BgpError } from '../validate/bgp-error.js'
import type { DecodeOptions } from './options.js'

/**
 * Message header (RFC 4271 §4.1): sixteen octets of ones, the length of the message with this header, its type.
 *
 *     +------------------------+--------+------+
 *     | marker (16)            | length | type |
 *     +------------------------+--------+------+
 */
export interface MessageHeader {
  /** Octets of the whole message, 19–65,535. */
  readonly length: number
  /** One of `MESSAGE_TYPE`. */
  readonly type: number
}

/** A header, or what is wrong with it. */
export type HeaderResult = { readonly ok: true; readonly header: MessageHeader } | { readonly ok: false; readonly error: BgpError }

const MARKER_SIZE = 16

/** Smallest message of each type; 0: no such type. */
const MIN_SIZE: readonly number[] = Array.from({ length: 256 }, (_, type) => {
  switch (type) {
    case MESSAGE_TYPE.open:
      return 29
    case MESSAGE_TYPE.update:
    case MESSAGE_TYPE.routeRefresh:
      return 23
    case MESSAGE_TYPE.notification:
      return 21
    case MESSAGE_TYPE.keepalive:
      return 19
    default:
      return 0
  }
})

/**
 * Reads the header at `at` in `bytes`, behind which there may be less or more than the message: what a framer asks once it has 19 octets. Checks
 * the marker, the type, and the length against the bounds of the type; OPEN and KEEPALIVE never exceed 4,096 octets (RFC 8654 §4).
 *
 * @returns `undefined` while there are fewer than 19 octets
 * @see RFC 4271 §6.1
 */
export function readHeader(bytes: Uint8Array, options: DecodeOptions = {}, at = 0): HeaderResult | undefined {
  if (bytes.length - at < HEADER_SIZE) return undefined
  const ones = onesAt(bytes, at)
  if (ones < MARKER_SIZE) return failure('bgp.header.marker', ones, HEADER_ERROR.notSynchronized)
  const type = typeAt(bytes, at)
  if (MIN_SIZE[type] === 0) return failure('bgp.header.type', 18, HEADER_ERROR.badType, bytes.slice(at + 18, at + 19))
  const length = lengthAt(bytes, at)
  if (!isAllowed(length, type, options)) return failure('bgp.header.length', 16, HEADER_ERROR.badLength, bytes.slice(at + 16, at + 18))
  return { ok: true, header: { length, type } }
}

/** Octets of the message at `at` as `readHeader` tells it, without an object; 0 where that tells something else. */
export function soundLength(bytes: Uint8Array, options: DecodeOptions, at: number): number {
  if (bytes.length - at < HEADER_SIZE || onesAt(bytes, at) < MARKER_SIZE) return 0
  const length = lengthAt(bytes, at)
  return isAllowed(length, typeAt(bytes, at), options) ? length : 0
}

/** Octets of the message at `at`, whose header has been checked. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 16] << 8) | bytes[at + 17]
}

/** One of `MESSAGE_TYPE`, of the message at `at`. */
export function typeAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 18]
}

/** Views of the messages that stand in `octets` one behind the other. */
export function messagesIn(octets: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = []
  for (let at = 0, end = 0; at < octets.length; at = end) out.push(octets.subarray(at, (end = at + lengthAt(octets, at))))
  return out
}

/** Octets of ones at `at`, up to those of a marker. */
function onesAt(bytes: Uint8Array, at: number): number {
  let octet = 0
  while (octet < MARKER_SIZE && bytes[at + octet] === 0xff) octet++
  return octet
}

function isAllowed(length: number, type: number, { extended = true }: DecodeOptions): boolean {
  const smallest = MIN_SIZE[type]
  if (type === MESSAGE_TYPE.keepalive) return length === HEADER_SIZE
  const largest = extended && type !== MESSAGE_TYPE.open ? MAX_MESSAGE_SIZE.extended : MAX_MESSAGE_SIZE.standard
  return smallest > 0 && length >= smallest && length <= largest
}

function failure(code: string, offset: number, subcode: number, data: Uint8Array = new Uint8Array()): HeaderResult {
  return {
    ok: false,
    error: {
      code,
      offset,
      path: 'message/header',
      rfc: 'RFC 4271 §6.1',
      handling: 'session-reset',
      notification: { code: NOTIFICATION.header, subcode, data },
    },
  }
}

/** Header and body as one message. */
export function frameMessage(type: number, body: Uint8Array): Uint8Array {
  const length = HEADER_SIZE + body.length
  const out = new Uint8Array(length)
  out.fill(0xff, 0, MARKER_SIZE)
  out[16] = length >>> 8
  out[17] = length & 0xff
  out[18] = type
  out.set(body, HEADER_SIZE)
  return out
}
