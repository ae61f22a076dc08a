import { ByteWriter, ValueError, type ByteReader } from '@heddle/wire'
import { CEASE, MESSAGE_TYPE, NOTIFICATION } from '../iana.js'
import type { BgpError } from '../validate/bgp-error.js'
import { frameMessage } from './header.js'
import type { NotificationMessage } from './message.js'
import type { DecodeResult } from './result.js'
import { decodeText, encodeText } from './text.js'

/** Octets of UTF-8 that a shutdown communication may have (RFC 9003 §2). */
export const SHUTDOWN_LIMIT = 255

/**
 * Reads a NOTIFICATION (RFC 4271 §4.5). Behind administrative shutdown and reset stands a text of a length octet and UTF-8 (RFC 9003 §2).
 *
 *     +------+---------+------------------+
 *     | code | subcode | data             |
 *     +------+---------+------------------+
 */
export function decodeNotification(body: ByteReader): DecodeResult<NotificationMessage> {
  const code = body.u8()
  const subcode = body.u8()
  const offset = body.offset
  const data = body.rest().slice()
  const message: NotificationMessage = { type: 'notification', code, subcode, data }
  if (!isShutdown(code, subcode) || data.length === 0) return { ok: true, message, errors: [] }
  const text = data[0] === data.length - 1 ? decodeText(data.subarray(1)) : undefined
  if (text === undefined) return { ok: true, message, errors: [badText(offset)] }
  return { ok: true, message: { ...message, shutdown: text }, errors: [] }
}

/**
 * Writes `data`; with `shutdown` the text takes its place.
 *
 * @throws ValueError `bgp.notification.shutdown` when the text exceeds 255 octets of UTF-8 or the code is no shutdown
 */
export function encodeNotification({ code, subcode, data, shutdown }: NotificationMessage): Uint8Array {
  const out = new ByteWriter(64).u8(code).u8(subcode)
  if (shutdown === undefined) out.octets(data)
  else {
    const text = encodeText(shutdown)
    if (text.length > SHUTDOWN_LIMIT || !isShutdown(code, subcode)) {
      throw new ValueError(
        'bgp.notification.shutdown',
        `${text.length} octets with code ${code}/${subcode}`,
        'at most 255 with code 6/2 or 6/4',
      )
    }
    out.u8(text.length).octets(text)
  }
  return frameMessage(MESSAGE_TYPE.notification, out.view())
}

/** Whether the code is followed by a shutdown communication. */
function isShutdown(code: number, subcode: number): boolean {
  return code === NOTIFICATION.cease && (subcode === CEASE.administrativeShutdown || subcode === CEASE.administrativeReset)
}

function badText(offset: number): BgpError {
  return { code: 'bgp.notification.shutdown', offset, path: 'message/notification', rfc: 'RFC 9003 §2', handling: 'ignore' }
}
