import { IpAddress, ValueError } from '@heddle/wire'
import { AFI } from '../iana.js'
import { decodeFramed } from './framed-entries.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'
import type { RawNlri } from './raw.js'

/** A candidate path of a segment routing policy (RFC 9830 §2.1); the path itself is in the tunnel encapsulation attribute. */
export interface SrPolicyNlri {
  readonly kind: 'sr-policy'
  /** Tells candidate paths of one policy from each other; 0–4,294,967,295. */
  readonly distinguisher: number
  /** 0–4,294,967,295. */
  readonly color: number
  /** Of the family's IP version; unspecified for a policy of the colour alone. */
  readonly endpoint: IpAddress
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/**
 * Length in bits, distinguisher, colour, endpoint (RFC 9830 §2.1).
 *
 *     +-------------+-------------------+-----------+--------------------+
 *     | 96 or 192   | distinguisher (4) | color (4) | endpoint (4 or 16) |
 *     +-------------+-------------------+-----------+--------------------+
 */
export const srPolicyCodec: NlriCodec<SrPolicyNlri | RawNlri> = Object.freeze<NlriCodec<SrPolicyNlri | RawNlri>>({
  kind: 'sr-policy',
  decode: (input, family, mode) =>
    decodeFramed(input, family, mode, (entry) => {
      const octets = family.afi === AFI.ipv6 ? 16 : 4
      if (entry.u8() !== 64 + octets * 8) entry.fail('bgp.nlri.length', 'RFC 9830 §2.1')
      return { kind: 'sr-policy', distinguisher: entry.u32(), color: entry.u32(), endpoint: IpAddress.fromBytes(entry.octets(octets)) }
    }),
  encode(nlri, out, family, mode) {
    if (nlri.kind === 'raw') return
    const { distinguisher, color, endpoint } = nlri
    if ((endpoint.family === 6) !== (family.afi === AFI.ipv6))
      throw new ValueError('bgp.nlri.family', endpoint.toString(), `an address of ${family.name}`)
    writePathId(out, nlri, mode)
    out
      .u8(64 + endpoint.bits)
      .u32(distinguisher)
      .u32(color)
      .octets(endpoint.toBytes())
  },
})
