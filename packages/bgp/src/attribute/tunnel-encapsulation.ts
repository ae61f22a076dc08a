import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll } from './attribute-codec.js'
import { decodeTunnelSubTlv, encodeTunnelSubTlv, tunnelSubTlvType, type TunnelSubTlv } from './tunnel-sub-tlv.js'

/** One tunnel of the tunnel encapsulation attribute (RFC 9012 §2). */
export interface Tunnel {
  /** IANA tunnel type: 13 is MPLS in UDP. */
  readonly type: number
  readonly subTlvs: readonly TunnelSubTlv[]
}

/** Tunnels by which the next hop can be reached, in order of appearance. */
export type TunnelEncapsulation = readonly Tunnel[]

/** Sub-TLV types from here on have a two-octet length (RFC 9012 §2). */
const LONG_SUB_TLV = 128

/**
 * Tunnel encapsulation (RFC 9012 §2): tunnels, each with sub-TLVs.
 *
 *     +---------------------+---------------------+-------------------------+
 *     | tunnel type (2)     | length (2)          | sub-TLVs                |
 *     +---------------------+---------------------+-------------------------+
 */
export const tunnelEncapsulationCodec = attributeCodec({
  type: ATTRIBUTE.tunnelEncapsulation,
  name: 'tunnel-encapsulation',
  property: 'tunnelEncapsulation',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 9012 §13',
  decode(input) {
    if (input.remaining === 0) input.fail('bgp.attribute.length', this.rfc)
    return readAll(input, () => {
      const type = input.u16()
      const content = input.sub(input.u16(), `tunnel-${type}`)
      const subTlvs = readAll(content, () => {
        const subType = content.u8()
        return decodeTunnelSubTlv(type, subType, content.octets(subType >= LONG_SUB_TLV ? content.u16() : content.u8()))
      })
      return { type, subTlvs }
    })
  },
  encode(value, out) {
    for (const { type, subTlvs } of value) {
      out.u16(type)
      const close = out.reserveU16()
      for (const subTlv of subTlvs) {
        const subType = tunnelSubTlvType(subTlv)
        const closeSub = subType >= LONG_SUB_TLV ? out.u8(subType).reserveU16() : out.u8(subType).reserveU8()
        encodeTunnelSubTlv(subTlv, out)
        closeSub()
      }
      close()
    }
  },
})
