import type { IpPrefix } from '@heddle/wire'
import type { NlriCodec } from './nlri-codec.js'
import {
  decodePrefixField,
  labelBits,
  labelsOf,
  lengthField,
  prefixOf,
  writeLabels,
  writePathId,
  writePrefix,
  writtenLabels,
} from './prefix-field.js'

/** A prefix with its label stack (RFC 8277 §2). */
export interface LabeledUnicastNlri {
  readonly kind: 'labeled-unicast'
  /** Top first, 0–1,048,575 each; empty on a withdrawal that names no label. */
  readonly labels: readonly number[]
  readonly prefix: IpPrefix
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** Length, labels and prefix (RFC 8277 §2). */
export const labeledUnicastCodec: NlriCodec<LabeledUnicastNlri> = Object.freeze<NlriCodec<LabeledUnicastNlri>>({
  kind: 'labeled-unicast',
  decode: (input, family, mode) =>
    decodePrefixField(input, family, mode, (entry, field) => {
      const labels = labelsOf(entry, field, mode)
      const prefix = prefixOf(entry, family)
      return mode.addPath ? { kind: 'labeled-unicast', labels, prefix, pathId: entry.pathId } : { kind: 'labeled-unicast', labels, prefix }
    }),
  encode(nlri, out, family, mode) {
    const labels = writtenLabels(nlri.labels, mode)
    writePathId(out, nlri, mode)
    out.u8(lengthField(labelBits(labels) + nlri.prefix.length))
    writeLabels(out, labels, mode)
    writePrefix(out, nlri.prefix, family)
  },
})
