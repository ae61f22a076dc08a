import { ByteReader, WireError } from '@heddle/wire'
import { HEADER_ERROR, HEADER_SIZE, MESSAGE_TYPE, NOTIFICATION } from './iana.js'
import { readHeader } from './message/header.js'
import { KEEPALIVE, encodeKeepalive } from './message/keepalive.js'
import type { BgpMessage } from './message/message.js'
import { decodeNotification, encodeNotification } from './message/notification.js'
import { decodeOpen, encodeOpen } from './message/open.js'
import type { DecodeOptions, EncodeOptions } from './message/options.js'
import type { DecodeResult } from './message/result.js'
import { decodeRouteRefresh, encodeRouteRefresh } from './message/route-refresh.js'
import { decodeUpdate, encodeUpdate } from './message/update.js'
import { bgpErrorFrom, type BgpError } from './validate/bgp-error.js'

/**
 * Reads one whole BGP message. Returns a value or an error for every byte string and never throws.
 *
 * @param bytes the message, header included, and nothing behind it; the result keeps no reference to it
 * @param options what the session negotiated
 * @see RFC 4271 §4, RFC 7606
 */
export function decodeMessage(bytes: Uint8Array, options: DecodeOptions = {}): DecodeResult {
  const head = readHeader(bytes, options)
  if (head === undefined) return { ok: false, error: badLength('bgp.header.truncated', bytes) }
  if (!head.ok) return head
  const { length, type } = head.header
  if (length !== bytes.length) return { ok: false, error: badLength('bgp.header.length', bytes) }
  const body = new ByteReader(bytes.subarray(HEADER_SIZE), `message/${NAMES.get(type)}`, HEADER_SIZE)
  try {
    switch (type) {
      case MESSAGE_TYPE.open:
        return decodeOpen(body)
      case MESSAGE_TYPE.update:
        return decodeUpdate(bytes, options)
      case MESSAGE_TYPE.notification:
        return decodeNotification(body)
      case MESSAGE_TYPE.keepalive:
        return { ok: true, message: KEEPALIVE, errors: [] }
      default:
        return decodeRouteRefresh(body, bytes)
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return { ok: false, error: bgpErrorFrom(error, { code: 'bgp.message.length', rfc: 'RFC 4271 §4.1' }, 'session-reset') }
  }
}

/**
 * Writes one message. `options` must be what the session negotiated for sending.
 *
 * @throws ValueError `bgp.*` when the value cannot stand on the wire
 */
export function encodeMessage(message: BgpMessage, options: EncodeOptions = {}): Uint8Array {
  switch (message.type) {
    case 'open':
      return encodeOpen(message)
    case 'update':
      return encodeUpdate(message, options)
    case 'notification':
      return encodeNotification(message)
    case 'keepalive':
      return encodeKeepalive()
    default:
      return encodeRouteRefresh(message)
  }
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [MESSAGE_TYPE.open, 'open'],
  [MESSAGE_TYPE.update, 'update'],
  [MESSAGE_TYPE.notification, 'notification'],
  [MESSAGE_TYPE.keepalive, 'keepalive'],
  [MESSAGE_TYPE.routeRefresh, 'route-refresh'],
])

function badLength(code: string, bytes: Uint8Array): BgpError {
  return {
    code,
    offset: Math.min(bytes.length, 16),
    path: 'message/header',
    rfc: 'RFC 4271 §6.1',
    handling: 'session-reset',
    notification: { code: NOTIFICATION.header, subcode: HEADER_ERROR.badLength, data: bytes.slice(16, 18) },
  }
}
