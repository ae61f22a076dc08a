import type { WireError } from '@heddle/wire'

/** How the octets of an NLRI field are to be read or written. */
export interface NlriMode {
  /** Each entry begins with a path identifier (RFC 7911 §3). */
  readonly addPath: boolean
  /** The field withdraws: a label field of 0x800000 or 0x000000 stands for no label (RFC 8277 §2.4, RFC 3107 §3). */
  readonly withdraw: boolean
  /**
   * Told why an entry is kept as octets although its family is taken apart: it can be told from its neighbours, so it alone is lost.
   */
  readonly malformed?: (error: WireError) => void
}

const MODES: readonly NlriMode[] = [0, 1, 2, 3].map((bits) => Object.freeze({ addPath: (bits & 1) !== 0, withdraw: (bits & 2) !== 0 }))

/** The same object each time. */
export function nlriMode(addPath: boolean, withdraw: boolean): NlriMode {
  return MODES[(addPath ? 1 : 0) | (withdraw ? 2 : 0)]
}
