import type { WireError } from '@heddle/wire'

/**
 * What a receiver must do about an error, from the hardest to the softest (RFC 7606 §2). `ignore` means that the message is usable as it is.
 */
export type ErrorHandling = 'session-reset' | 'afi-safi-disable' | 'treat-as-withdraw' | 'attribute-discard' | 'ignore'

/** What a NOTIFICATION that reports the error would carry (RFC 4271 §4.5). */
export interface NotificationCode {
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

/** One thing wrong with a message: what, where, against which sentence, and what to do about it. Plain data, never thrown. */
export interface BgpError {
  /** Stable and machine-readable, e.g. `bgp.attribute.length`. */
  readonly code: string
  /** Octets from the start of the message, header included. */
  readonly offset: number
  /** Containers from the outside in, e.g. `message/attributes/med`. */
  readonly path: string
  /** The sentence that was broken, e.g. `RFC 7606 §7.4`. */
  readonly rfc: string
  readonly handling: ErrorHandling
  /** Present when the error may end the session. */
  readonly notification?: NotificationCode
}

const SEVERITY: Readonly<Record<ErrorHandling, number>> = {
  ignore: 0,
  'attribute-discard': 1,
  'treat-as-withdraw': 2,
  'afi-safi-disable': 3,
  'session-reset': 4,
}

/** The strongest action among `errors` (RFC 7606 §3 (h)); `undefined` when there is none. */
export function strongestHandling(errors: readonly BgpError[]): ErrorHandling | undefined {
  let strongest: ErrorHandling | undefined
  for (const { handling } of errors) if (strongest === undefined || SEVERITY[handling] > SEVERITY[strongest]) strongest = handling
  return strongest
}

/** What a container's end within a field means there: the code and the sentence that a bounded reader cannot know. */
export interface Truncation {
  readonly code: string
  readonly rfc: string
}

/** Turns what a bounded reader threw into the data that a result carries: the one place where exceptions end. */
export function bgpErrorFrom(error: WireError, truncation: Truncation, handling: ErrorHandling, notification?: NotificationCode): BgpError {
  const { offset, path } = error
  const { code, rfc } = error.code === 'wire.truncated' ? truncation : error
  return notification === undefined ? { code, offset, path, rfc, handling } : { code, offset, path, rfc, handling, notification }
}
