import { MESSAGE_TYPE } from '../iana.js'
import { frameMessage } from './header.js'
import type { KeepaliveMessage } from './message.js'

/** KEEPALIVE (RFC 4271 §4.4): nothing but the header. */
export const KEEPALIVE: KeepaliveMessage = Object.freeze({ type: 'keepalive' })

/** The nineteen octets of a KEEPALIVE. */
export function encodeKeepalive(): Uint8Array {
  return frameMessage(MESSAGE_TYPE.keepalive, new Uint8Array())
}
