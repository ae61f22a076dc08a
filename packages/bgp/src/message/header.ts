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

/** Smallest message of each type. */
const MIN_SIZE: ReadonlyMap<number, number> = new Map([
  [MESSAGE_TYPE.open, 29],
  [MESSAGE_TYPE.update, 23],
  [MESSAGE_TYPE.notification, 21],
  [MESSAGE_TYPE.keepalive, 19],
  [MESSAGE_TYPE.routeRefresh, 23],
])

/**
 * Reads the header at `at` in `bytes`, behind which there may be less or more than the message: what a framer asks once it has 19 octets. Checks
 * the marker, the type, and the length against the bounds of the type; OPEN and KEEPALIVE never exceed 4,096 octets (RFC 8654 §4).
 *
 * @returns `undefined` while there are fewer than 19 octets
 * @see RFC 4271 §6.1
 */
export function readHeader(bytes: Uint8Array, options: DecodeOptions = {}, at = 0): HeaderResult | undefined {
  if (bytes.length - at < HEADER_SIZE) return undefined
  for (let octet = 0; octet < MARKER_SIZE; octet++) {
    if (bytes[at + octet] !== 0xff) return failure('bgp.header.marker', octet, HEADER_ERROR.notSynchronized)
  }
  const length = (bytes[at + 16] << 8) | bytes[at + 17]
  const type = bytes[at + 18]
  const smallest = MIN_SIZE.get(type)
  if (smallest === undefined) return failure('bgp.header.type', 18, HEADER_ERROR.badType, bytes.slice(at + 18, at + 19))
  const short = type === MESSAGE_TYPE.open || type === MESSAGE_TYPE.keepalive
  const largest = (options.extended ?? true) && !short ? MAX_MESSAGE_SIZE.extended : MAX_MESSAGE_SIZE.standard
  const exact = type === MESSAGE_TYPE.keepalive && length !== HEADER_SIZE
  if (length < smallest || length > largest || exact)
    return failure('bgp.header.length', 16, HEADER_ERROR.badLength, bytes.slice(at + 16, at + 18))
  return { ok: true, header: { length, type } }
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
