import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'
import type { Origin } from './path-attributes.js'

/** ORIGIN on the wire, by its name. */
export const ORIGIN_CODE: Readonly<Record<Origin, number>> = Object.freeze({ igp: 0, egp: 1, incomplete: 2 })

const ORIGINS: readonly Origin[] = ['igp', 'egp', 'incomplete']

/** ORIGIN (RFC 4271 §5.1.1): one octet, 0–2. */
export const originCodec = attributeCodec({
  type: ATTRIBUTE.origin,
  name: 'origin',
  property: 'origin',
  category: 'well-known',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.1',
  decode(input) {
    requireLength(input, 1, this.rfc)
    return ORIGINS[input.peekU8()] ?? input.fail('bgp.attribute.origin', this.rfc)
  },
  encode(value, out) {
    out.u8(ORIGIN_CODE[value])
  },
})
