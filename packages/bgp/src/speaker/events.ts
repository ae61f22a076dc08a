import type { Family } from '../nlri/family.js'
import type { BgpError } from '../validate/bgp-error.js'
import type { VrfConfig } from './config.js'
import type { NeighborView } from './peer/neighbor-view.js'

/** Control events of a speaker; never one per route. What a listener throws is logged, and stops neither the speaker nor other listeners. */
export type SpeakerEvents = {
  /** A neighbor came into another state, was added, or was removed (then with state `idle`). */
  neighbor: (neighbor: NeighborView) => void
  /** VRFs have come or gone, or have other values. */
  vrfs: (vrfs: readonly VrfConfig[]) => void
  /** A peer has sent its initial routes of the family (RFC 4724 §2). */
  'end-of-rib': (event: { readonly neighbor: string; readonly family: Family }) => void
  /** A peer has come near the limit of its routes, above it, or below again. */
  'max-prefixes': (event: {
    readonly neighbor: string
    readonly family: Family
    readonly count: number
    readonly limit: number
    readonly level: 'below' | 'warning' | 'exceeded'
  }) => void
  /** A message was malformed: what, where, and what was done about it (RFC 7606). `message` holds the octets. */
  malformed: (event: { readonly neighbor: string; readonly errors: readonly BgpError[]; readonly message: Uint8Array }) => void
}
