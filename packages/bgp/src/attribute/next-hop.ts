import { IpAddress } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'

/** NEXT_HOP (RFC 4271 §5.1.3): an IPv4 address that a host can have; in a table also 0.0.0.0, of what its speaker originates. */
export const nextHopCodec = attributeCodec({
  type: ATTRIBUTE.nextHop,
  name: 'next-hop',
  property: 'nextHop',
  category: 'well-known',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.3',
  decode(input, { table = false }) {
    requireLength(input, 4, this.rfc)
    const first = input.peekU8()
    const isHost = first !== 0 && first !== 127 && first < 224
    const isOriginated = table && isUnspecified(input.bytes, input.position)
    if (!isHost && !isOriginated) input.fail('bgp.attribute.next-hop', 'RFC 4271 §6.3')
    return IpAddress.v4(input.u32())
  },
  encode(value, out) {
    out.u32(value.w0)
  },
})

function isUnspecified(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] | bytes[at + 1] | bytes[at + 2] | bytes[at + 3]) === 0
}
