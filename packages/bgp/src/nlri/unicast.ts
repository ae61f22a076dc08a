import type { IpPrefix } from '@heddle/wire'
import type { NlriCodec } from './nlri-codec.js'
import { decodePrefixField, prefixOf, writePathId, writePrefix } from './prefix-field.js'

/** A prefix of IPv4/IPv6 unicast or multicast (RFC 4271 §4.3, RFC 4760 §5). */
export interface UnicastNlri {
  readonly kind: 'unicast'
  readonly prefix: IpPrefix
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** Length and prefix (RFC 4271 §4.3). */
export const unicastCodec: NlriCodec<UnicastNlri> = Object.freeze<NlriCodec<UnicastNlri>>({
  kind: 'unicast',
  decode: (input, family, mode) =>
    decodePrefixField(input, family, mode, (entry) => {
      const prefix = prefixOf(entry, family)
      return mode.addPath ? { kind: 'unicast', prefix, pathId: entry.pathId } : { kind: 'unicast', prefix }
    }),
  encode(nlri, out, family, mode) {
    writePathId(out, nlri, mode)
    out.u8(nlri.prefix.length)
    writePrefix(out, nlri.prefix, family)
  },
})
