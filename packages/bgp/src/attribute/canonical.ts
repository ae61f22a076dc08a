import { ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'

/** First octet of the next hop in canonical attributes: what follows, in this order; behind it the address. */
export const HOP = {
  /** An RD of eight octets. */
  rd: 1,
  /** A link-local address. */
  linkLocal: 2,
  /** Octets that nobody here can read, and nothing else. */
  raw: 4,
} as const

/** Canonical attributes where they stand: octets `from` up to `to` of `bytes`. */
export interface CanonicalSpan {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
}

/** Where the value of the attribute at `at` begins. */
export function valueStart(bytes: Uint8Array, at: number): number {
  return at + ((bytes[at] & ATTRIBUTE_FLAG.extendedLength) === 0 ? 3 : 4)
}

/** Where the attribute at `at` ends. */
export function attributeEnd(bytes: Uint8Array, at: number): number {
  if ((bytes[at] & ATTRIBUTE_FLAG.extendedLength) === 0) return at + 3 + bytes[at + 2]
  return at + 4 + ((bytes[at + 2] << 8) | bytes[at + 3])
}

/** Where the next hop of canonical attributes begins, which is the last of them; their end when there is none. */
export function hopStart(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let at = from
  while (at < to && bytes[at + 1] !== ATTRIBUTE.mpReachNlri) at = attributeEnd(bytes, at)
  return at
}

/** Four octets as an unsigned number. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}
