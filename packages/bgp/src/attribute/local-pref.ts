import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'

/** LOCAL_PREF (RFC 4271 §5.1.5): four octets, between speakers of one AS. */
export const localPrefCodec = attributeCodec({
  type: ATTRIBUTE.localPref,
  name: 'local-pref',
  property: 'localPref',
  category: 'well-known',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.5',
  internalOnly: true,
  decode(input) {
    requireLength(input, 4, this.rfc)
    return input.u32()
  },
  encode(value, out) {
    out.u32(value)
  },
})
