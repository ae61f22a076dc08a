import type { BgpError } from '../validate/bgp-error.js'
import type { BgpMessage } from './message.js'

/**
 * What became of the octets of one message: a value, with what RFC 7606 forgives in `errors`, or the error that ends the session (or the
 * family). A decoder returns this for every byte string and never throws.
 */
export type DecodeResult<M = BgpMessage> =
  | { readonly ok: true; readonly message: M; readonly errors: readonly BgpError[] }
  | { readonly ok: false; readonly error: BgpError }
