import { RouteDistinguisher, type IpPrefix } from '@heddle/wire'
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

/** A VPNv4 or VPNv6 prefix: label stack, route distinguisher, prefix (RFC 4364 §4.3.4, RFC 4659 §3.2). */
export interface VpnNlri {
  readonly kind: 'vpn'
  /** Top first, 0–1,048,575 each; empty on a withdrawal that names no label. */
  readonly labels: readonly number[]
  readonly rd: RouteDistinguisher
  readonly prefix: IpPrefix
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** Length, labels, route distinguisher and prefix (RFC 4364 §4.3.4). */
export const vpnCodec: NlriCodec<VpnNlri> = Object.freeze<NlriCodec<VpnNlri>>({
  kind: 'vpn',
  decode: (input, family, mode) =>
    decodePrefixField(input, family, mode, (entry, field) => {
      const labels = labelsOf(entry, field, mode)
      const rd = RouteDistinguisher.fromWords(entry.rdHigh, entry.rdLow)
      const prefix = prefixOf(entry, family)
      return mode.addPath ? { kind: 'vpn', labels, rd, prefix, pathId: entry.pathId } : { kind: 'vpn', labels, rd, prefix }
    }),
  encode(nlri, out, family, mode) {
    const labels = writtenLabels(nlri.labels, mode)
    writePathId(out, nlri, mode)
    out.u8(lengthField(labelBits(labels) + 64 + nlri.prefix.length))
    writeLabels(out, labels, mode)
    out.u32(nlri.rd.high).u32(nlri.rd.low)
    writePrefix(out, nlri.prefix, family)
  },
})
