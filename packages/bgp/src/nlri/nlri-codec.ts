import type { ByteReader, ByteWriter } from '@heddle/wire'
import type { Family } from './family.js'
import type { Nlri } from './nlri.js'
import type { NlriMode } from './nlri-mode.js'

/** How NLRI of some families stand on the wire. */
export interface NlriCodec<T extends Nlri = Nlri> {
  /** The kind of its values; an entry that is malformed may be `raw` beside. */
  readonly kind: Nlri['kind']
  /**
   * Takes a whole field apart.
   *
   * @throws WireError `bgp.nlri.*` or `wire.truncated`
   */
  decode(input: ByteReader, family: Family, mode: NlriMode): T[]
  /**
   * Writes one entry.
   *
   * @throws ValueError `bgp.nlri.*` when the value does not fit the family
   */
  encode(nlri: T, out: ByteWriter, family: Family, mode: NlriMode): void
}
