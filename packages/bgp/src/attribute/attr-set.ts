import { ATTRIBUTE } from '../iana.js'
import { attributeCodec } from './attribute-codec.js'
import type { PathAttributes } from './path-attributes.js'

/** Attributes that a route has in an AS whose routes are carried through others, unseen by them (RFC 6368 §5). */
export interface AttrSet {
  /** The AS that the attributes mean something in, 0–4,294,967,295. */
  readonly originAs: number
  readonly attributes: PathAttributes
}

/**
 * ATTR_SET (RFC 6368 §5): AS numbers within it always have four octets.
 *
 *     +-------------------+------------------+
 *     | origin AS (4)     | path attributes  |
 *     +-------------------+------------------+
 */
export const attrSetCodec = attributeCodec({
  type: ATTRIBUTE.attrSet,
  name: 'attr-set',
  property: 'attrSet',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.16',
  decode(input, { nested }): AttrSet {
    const originAs = input.u32()
    // a set in a set in a set is what nobody sends but to exhaust a stack
    return { originAs, attributes: nested?.decode(input) ?? input.fail('bgp.attribute.attr-set.depth', this.rfc) }
  },
  encode({ originAs, attributes }, out, { nested }) {
    out.u32(originAs)
    nested?.encode(attributes, out)
  },
})
