import { AS_SEGMENT, ATTRIBUTE } from '../iana.js'
import { attributeEnd, valueStart, wordAt } from './canonical.js'

/** LOCAL_PREF of a path that has none (RFC 4271 §9.1.1 leaves it to us). */
export const DEFAULT_LOCAL_PREF = 100

/** ORIGIN of a path that has none: the last choice. */
const INCOMPLETE = 2

/** What the decision process asks of attributes, read from their canonical octets. */
export class DecisionFacts {
  localPref = DEFAULT_LOCAL_PREF
  /** MULTI_EXIT_DISC; 0 where there is none, which is the best (RFC 4271 §9.1.2.2 c). */
  med = 0
  /** First AS of the path; 0 when the path is empty or does not begin with a sequence. */
  neighborAs = 0
  /** ORIGINATOR_ID; 0 where there is none. */
  originatorId = 0
  asPathLength = 0
  clusterLength = 0
  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin = INCOMPLETE

  read(bytes: Uint8Array): void {
    this.localPref = DEFAULT_LOCAL_PREF
    this.med = this.neighborAs = this.originatorId = this.asPathLength = this.clusterLength = 0
    this.origin = INCOMPLETE
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = attributeEnd(bytes, at)
      this.#attribute(bytes, bytes[at + 1], valueStart(bytes, at), end)
    }
  }

  #attribute(bytes: Uint8Array, type: number, from: number, end: number): void {
    switch (type) {
      case ATTRIBUTE.origin:
        this.origin = bytes[from]
        break
      case ATTRIBUTE.asPath:
        this.#asPath(bytes, from, end)
        break
      case ATTRIBUTE.med:
        this.med = wordAt(bytes, from)
        break
      case ATTRIBUTE.localPref:
        this.localPref = wordAt(bytes, from)
        break
      case ATTRIBUTE.originatorId:
        this.originatorId = wordAt(bytes, from)
        break
      case ATTRIBUTE.clusterList:
        this.clusterLength = (end - from) >>> 2
    }
  }

  /** A set counts one, confederation segments nothing (RFC 4271 §9.1.2.2, RFC 5065 §5.3). */
  #asPath(bytes: Uint8Array, from: number, end: number): void {
    let outside = false
    for (let at = from; at < end; at += 2 + bytes[at + 1] * 4) {
      const type = bytes[at]
      if (type !== AS_SEGMENT.sequence && type !== AS_SEGMENT.set) continue
      if (!outside && type === AS_SEGMENT.sequence) this.neighborAs = wordAt(bytes, at + 2)
      outside = true
      this.asPathLength += type === AS_SEGMENT.sequence ? bytes[at + 1] : 1
    }
  }
}
