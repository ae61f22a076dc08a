import { RouteDistinguisher, ValueError } from '@heddle/wire'
import { decodeFramed } from './framed-entries.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'
import type { RawNlri } from './raw.js'

/**
 * A route of the mobile user plane (draft-ietf-bess-mup-safi §3.1). Every type begins with a route distinguisher; what follows is kept as
 * octets.
 */
export interface MupNlri {
  readonly kind: 'mup'
  /** 1 is 3GPP 5G. */
  readonly architecture: number
  /** 1 interwork segment, 2 direct segment, 3 and 4 session transformed. */
  readonly routeType: number
  readonly rd: RouteDistinguisher
  readonly value: Uint8Array
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/**
 * Architecture, type, length, value (draft-ietf-bess-mup-safi §3.1).
 *
 *     +------------------+----------------+------------+---------------------+-------+
 *     | architecture (1) | route type (2) | length (1) | route distinguisher | value |
 *     +------------------+----------------+------------+---------------------+-------+
 */
export const mupCodec: NlriCodec<MupNlri | RawNlri> = Object.freeze<NlriCodec<MupNlri | RawNlri>>({
  kind: 'mup',
  decode: (input, family, mode) =>
    decodeFramed(input, family, mode, (entry) => {
      const architecture = entry.u8()
      const routeType = entry.u16()
      entry.skip(1)
      const rd = RouteDistinguisher.fromWords(entry.u32(), entry.u32())
      return { kind: 'mup', architecture, routeType, rd, value: entry.rest().slice() }
    }),
  encode(nlri, out, _family, mode) {
    if (nlri.kind === 'raw') return
    const { architecture, routeType, rd, value } = nlri
    if (value.length > 247) throw new ValueError('bgp.nlri.length', `${value.length} octets`, 'at most 247 behind the route distinguisher')
    writePathId(out, nlri, mode)
    out
      .u8(architecture)
      .u16(routeType)
      .u8(8 + value.length)
      .u32(rd.high)
      .u32(rd.low)
      .octets(value)
  },
})
