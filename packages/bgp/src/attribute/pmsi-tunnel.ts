import type { ByteReader } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec } from './attribute-codec.js'

const INGRESS_REPLICATION = 6

/** Assigned tunnel types (IANA pmsi-tunnel-types): 0–7, assisted replication 0x0a, BIER 0x0b, SR-MPLS and SRv6 trees 0x0c–0x0d. */
function isAssigned(tunnelType: number): boolean {
  return tunnelType <= 7 || (tunnelType >= 0x0a && tunnelType <= 0x0d)
}

/**
 * PMSI_TUNNEL (RFC 6514 §5).
 *
 *     +-------+------+---------------+------------------+
 *     | flags | type | label (3)     | tunnel identifier|
 *     +-------+------+---------------+------------------+
 */
export const pmsiTunnelCodec = attributeCodec({
  type: ATTRIBUTE.pmsiTunnel,
  name: 'pmsi-tunnel',
  property: 'pmsiTunnel',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 6514 §5',
  decode(input: ByteReader) {
    const flags = input.u8()
    const tunnelType = input.u8()
    if (!isAssigned(tunnelType)) input.fail('bgp.attribute.pmsi-tunnel.type', this.rfc)
    const label = input.u24()
    const tunnelId = input.rest().slice()
    const identifies = tunnelType !== INGRESS_REPLICATION || tunnelId.length === 4 || tunnelId.length === 16
    if (!identifies) input.fail('bgp.attribute.length', this.rfc)
    return { flags, tunnelType, label, tunnelId }
  },
  encode({ flags, tunnelType, label, tunnelId }, out) {
    out.u8(flags).u8(tunnelType).u24(label).octets(tunnelId)
  },
})
