import { ByteWriter, ValueError } from '@heddle/wire'
import { encodeAttributes } from '../../attribute/encode.js'
import { writeReachHead } from '../../message/multiprotocol.js'
import type { EncodeOptions } from '../../message/options.js'
import { UpdateBatch, frameSize, sizeLimit, withdrawalFrame, type UpdateFrame } from '../../message/update-batch.js'
import { FrameWriter } from '../../message/update-frame.js'
import { IPV4_UNICAST } from '../../nlri/family.js'
import type { RibTable } from '../../rib/rib-table.js'
import type { ExportBundles } from './export-bundles.js'

/** Octets of a message around attributes in their canonical form: all but the largest sets need no closer look. */
const SPARE = 512

/** Puts the routes of one group into UPDATEs. */
export class UpdatePacker {
  readonly #frames: FrameWriter
  readonly #withdrawal: UpdateFrame
  /** Octets of the last batch, which the next one will be like. */
  #size = 0

  constructor(
    private readonly table: RibTable,
    private readonly encode: EncodeOptions,
    private readonly failed: (error: ValueError) => void,
  ) {
    this.#frames = new FrameWriter(table.family)
    this.#withdrawal = withdrawalFrame(table.family)
  }

  /** Whether a message has room for any route with the attributes of the set, which is so for all but the largest sets. */
  fitsAny(set: number): boolean {
    return this.table.sets.octetsOf(set) + SPARE <= sizeLimit(this.encode)
  }

  /** Whether a message has room for a route with the attributes of the set. @param octets size of the route's NLRI */
  fits(set: number, octets: number): boolean {
    try {
      return frameSize(this.#frameOf(set)) + octets <= sizeLimit(this.encode)
    } catch (error) {
      if (error instanceof ValueError) return false
      throw error
    }
  }

  /** @param which of the bundles; those from `from` up to `to` among these @returns the messages that they need, which `finish` gives */
  pack(bundles: ExportBundles, which: readonly number[], from = 0, to = which.length): UpdateBatch {
    const batch = new UpdateBatch(sizeLimit(this.encode), this.#size + (this.#size >>> 2))
    for (let at = from; at < to; at++) {
      const set = bundles.setOf(which[at])
      const first = bundles.firstOf(which[at])
      try {
        batch.write(set === 0 ? this.#withdrawal : this.#frameOf(set), bundles, first)
      } catch (error) {
        if (!(error instanceof ValueError)) throw error
        this.failed(error) // RFC 4271 §9.2: what does not fit is not announced
        batch.write(this.#withdrawal, bundles, first)
      }
    }
    this.#size = batch.length
    return batch
  }

  #frameOf(set: number): UpdateFrame {
    const { sets } = this.table
    return this.encode.asn4 === false ? this.#narrowFrame(set) : this.#frames.frame(sets.locate(set))
  }

  /** With AS numbers of two octets, attributes go by their values (RFC 6793 §4.2.2). */
  #narrowFrame(set: number): UpdateFrame {
    const { family, sets } = this.table
    const { attributes, ...hop } = sets.get(set)
    const nextHop = family.key === IPV4_UNICAST.key && hop.nextHop?.address.family === 4 ? hop.nextHop.address : undefined
    const octets = new ByteWriter()
    encodeAttributes(nextHop === undefined ? attributes : { ...attributes, nextHop }, octets, this.encode)
    if (nextHop !== undefined) return { attributes: octets }
    const reach = new ByteWriter()
    writeReachHead({ family, ...hop }, reach)
    return { attributes: octets, reach }
  }
}
