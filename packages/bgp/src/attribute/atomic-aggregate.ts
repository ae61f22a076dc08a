import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'

/** ATOMIC_AGGREGATE (RFC 4271 §5.1.6): no octets. */
export const atomicAggregateCodec = attributeCodec({
  type: ATTRIBUTE.atomicAggregate,
  name: 'atomic-aggregate',
  property: 'atomicAggregate',
  category: 'well-known',
  malformed: 'attribute-discard',
  rfc: 'RFC 7606 §7.6',
  decode(input) {
    requireLength(input, 0, this.rfc)
    return true
  },
  encode() {},
})
