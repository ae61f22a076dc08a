import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll } from './attribute-codec.js'

/** BFD discriminator (RFC 9026 §3.1.6): the session by which the receiver watches the path. */
export interface BfdDiscriminator {
  /** 1 is point-to-multipoint. */
  readonly mode: number
  readonly discriminator: number
  /** In mode 1 the source address is type 1. */
  readonly tlvs: readonly { readonly type: number; readonly value: Uint8Array }[]
}

/** With the shortest TLV that a mode needs: an IPv4 source address. */
const MINIMUM = 11

/**
 * BFD discriminator (RFC 9026 §3.1.6).
 *
 *     +----------+-------------------+--------------------------------------------+
 *     | mode (1) | discriminator (4) | TLVs: type (1), length (1), value          |
 *     +----------+-------------------+--------------------------------------------+
 */
export const bfdDiscriminatorCodec = attributeCodec({
  type: ATTRIBUTE.bfdDiscriminator,
  name: 'bfd-discriminator',
  property: 'bfdDiscriminator',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'RFC 9026 §3.1.6',
  decode(input) {
    if (input.remaining < MINIMUM) input.fail('bgp.attribute.length', this.rfc)
    const [mode, discriminator] = [input.u8(), input.u32()]
    return { mode, discriminator, tlvs: readAll(input, () => ({ type: input.u8(), value: input.octets(input.u8()).slice() })) }
  },
  encode({ mode, discriminator, tlvs }, out) {
    out.u8(mode).u32(discriminator)
    for (const { type, value } of tlvs) out.u8(type).u8(value.length).octets(value)
  },
})
