import { ATTRIBUTE } from '../iana.js'
import { attributeCodec } from './attribute-codec.js'
import {
  PMSI_TUNNEL_TYPE,
  decodePmsiTunnelIdentifier,
  encodePmsiTunnelIdentifier,
  pmsiTunnelKind,
  type PmsiTunnelIdentifier,
} from './pmsi-tunnel-identifier.js'

/** PMSI tunnel (RFC 6514 §5). */
export interface PmsiTunnel {
  readonly flags: number
  /** 24 bits: an MPLS label in the high 20, or a VNI (RFC 8365 §5.1.3). */
  readonly label: number
  /** The tunnel is both the one that `tunnel` names and ingress replication with `label` (RFC 8317 §8.1). */
  readonly composite?: true
  readonly tunnel: PmsiTunnelIdentifier
}

/** High bit of a tunnel type (RFC 8317 §8.1); 0xfb and above are for experiments and reserved (RFC 7385 §3). */
const COMPOSITE = 0x80
const LAST_COMPOSITE = 0xfa

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
  decode(input): PmsiTunnel {
    const flags = input.u8()
    const type = input.u8()
    const composite = type >= COMPOSITE && type <= LAST_COMPOSITE
    const kind = pmsiTunnelKind(composite ? type - COMPOSITE : type) ?? input.fail('bgp.attribute.pmsi-tunnel.type', this.rfc)
    const label = input.u24()
    const tunnel = decodePmsiTunnelIdentifier(kind, input, this.rfc)
    return { flags, label, ...(composite ? { composite } : {}), tunnel }
  },
  encode({ flags, label, composite = false, tunnel }, out) {
    out
      .u8(flags)
      .u8(PMSI_TUNNEL_TYPE[tunnel.kind] + (composite ? COMPOSITE : 0))
      .u24(label)
    encodePmsiTunnelIdentifier(tunnel, out)
  },
})
