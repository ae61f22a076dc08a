import type { NegotiatedSession } from '../capability/negotiated-session.js'
import type { NotificationSummary } from '../fsm/event.js'
import { CEASE, NOTIFICATION } from '../iana.js'
import { encodeText } from '../message/text.js'

/** Reasons of Cease after which the peer is not to wait for us (RFC 8538 §3.1); when BFD is down, nothing is forwarded either (RFC 9384 §3). */
const FINAL: ReadonlySet<number> = new Set([
  CEASE.maximumPrefixes,
  CEASE.administrativeShutdown,
  CEASE.peerDeconfigured,
  CEASE.hardReset,
  CEASE.bfdDown,
])

/** Whether a NOTIFICATION ends a session for good, although both ends would take others for a graceful restart. */
export function isFinal({ code, subcode }: NotificationSummary): boolean {
  return code === NOTIFICATION.cease && FINAL.has(subcode)
}

/**
 * What goes out in the place of `notification`: with the N bit negotiated the peer takes every NOTIFICATION for a graceful restart, but a hard
 * reset, which has the code, the subcode and the data that were meant as its data (RFC 8538 §3.1).
 */
export function asSent(notification: NotificationSummary, negotiated: NegotiatedSession | undefined): NotificationSummary {
  if (negotiated?.gracefulRestart?.notification !== true || !isFinal(notification) || notification.subcode === CEASE.hardReset) {
    return notification
  }
  const { code, subcode, data = new Uint8Array(), shutdown } = notification
  const text = shutdown === undefined ? undefined : encodeText(shutdown)
  const tail = text === undefined ? data : Uint8Array.of(text.length, ...text)
  return { code: NOTIFICATION.cease, subcode: CEASE.hardReset, data: Uint8Array.of(code, subcode, ...tail) }
}
