import { framingOf } from './framing.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'

/**
 * NLRI as octets: one entry with its head where entries can be told from each other (layer-2 FlowSpec; and, in FlowSpec, VPLS, MVPN, MUP,
 * BGP-LS and SR policy, an entry that is malformed), else the whole field of a family that nobody here knows, path identifiers included.
 */
export interface RawNlri {
  readonly kind: 'raw'
  readonly bytes: Uint8Array
  /** Path identifier of an entry, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** Entries as octets. */
export const rawCodec: NlriCodec<RawNlri> = Object.freeze<NlriCodec<RawNlri>>({
  kind: 'raw',
  decode(input, family, mode) {
    const framing = framingOf(family)
    if (framing === undefined) return input.remaining === 0 ? [] : [{ kind: 'raw', bytes: input.rest().slice() }]
    const out: RawNlri[] = []
    while (input.remaining > 0) {
      const path = mode.addPath ? { pathId: input.u32() } : {}
      out.push({ kind: 'raw', bytes: input.octets(framing(input)).slice(), ...path })
    }
    return out
  },
  encode(nlri, out, family, mode) {
    if (framingOf(family) !== undefined) writePathId(out, nlri, mode)
    out.octets(nlri.bytes)
  },
})
