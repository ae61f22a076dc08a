import type { NlriCodec } from './nlri-codec.js'

/** NLRI of a family that is not taken apart: all octets of the field, as they came. */
export interface RawNlri {
  readonly kind: 'raw'
  /** Path identifiers included, where the field has them. */
  readonly bytes: Uint8Array
}

export const rawCodec: NlriCodec<RawNlri> = Object.freeze<NlriCodec<RawNlri>>({
  kind: 'raw',
  decode: (input) => (input.remaining === 0 ? [] : [{ kind: 'raw', bytes: input.rest().slice() }]),
  encode(nlri, out) {
    out.octets(nlri.bytes)
  },
})
