import { IpAddress, RouteDistinguisher } from '@heddle/wire'
import { decodeFramed } from './framed-entries.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'
import type { RawNlri } from './raw.js'

/** A block of labels of a VPLS edge device (RFC 4761 §3.2.2). */
export interface VplsEdgeNlri {
  readonly kind: 'vpls'
  readonly route: 'edge'
  readonly rd: RouteDistinguisher
  /** VE ID, 0–65,535. */
  readonly edgeId: number
  readonly blockOffset: number
  readonly blockSize: number
  /** The label field, 24 bits: an MPLS label in the high 20. */
  readonly labelBase: number
  readonly pathId?: number
}

/** A member that is discovered here and signalled by LDP (RFC 6074 §3.2.2). */
export interface VplsDiscoveryNlri {
  readonly kind: 'vpls'
  readonly route: 'discovery'
  readonly rd: RouteDistinguisher
  /** PE address, IPv4. */
  readonly address: IpAddress
  readonly pathId?: number
}

/** VPLS, signalled by BGP or discovered by it. */
export type VplsNlri = VplsEdgeNlri | VplsDiscoveryNlri

const EDGE_SIZE = 17
const DISCOVERY_SIZE = 12

/**
 * Length, then one of two forms that the length tells apart.
 *
 *     +-------------+--------+-----------+---------------------+-------------------+----------------+
 *     | length: 17  | RD (8) | VE ID (2) | VE block offset (2) | VE block size (2) | label base (3) |
 *     +-------------+--------+-----------+---------------------+-------------------+----------------+
 *     | length: 12  | RD (8) | PE address (4) |
 *     +-------------+--------+----------------+
 */
export const vplsCodec: NlriCodec<VplsNlri | RawNlri> = Object.freeze<NlriCodec<VplsNlri | RawNlri>>({
  kind: 'vpls',
  decode: (input, family, mode) =>
    decodeFramed(input, family, mode, (entry): VplsNlri => {
      const length = entry.u16()
      if (length !== EDGE_SIZE && length !== DISCOVERY_SIZE) entry.fail('bgp.nlri.length', 'RFC 4761 §3.2.2')
      const rd = RouteDistinguisher.fromWords(entry.u32(), entry.u32())
      if (length === DISCOVERY_SIZE) return { kind: 'vpls', route: 'discovery', rd, address: IpAddress.v4(entry.u32()) }
      const [edgeId, blockOffset, blockSize] = [entry.u16(), entry.u16(), entry.u16()]
      return { kind: 'vpls', route: 'edge', rd, edgeId, blockOffset, blockSize, labelBase: entry.u24() }
    }),
  encode(nlri, out, _family, mode) {
    if (nlri.kind === 'raw') return
    writePathId(out, nlri, mode)
    out
      .u16(nlri.route === 'edge' ? EDGE_SIZE : DISCOVERY_SIZE)
      .u32(nlri.rd.high)
      .u32(nlri.rd.low)
    if (nlri.route === 'edge') out.u16(nlri.edgeId).u16(nlri.blockOffset).u16(nlri.blockSize).u24(nlri.labelBase)
    else out.u32(nlri.address.w0)
  },
})
