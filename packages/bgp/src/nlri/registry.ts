import { ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { linkStateCodec } from './bgp-ls.js'
import { evpnCodec } from './evpn.js'
import {
  BGP_LS,
  BGP_LS_VPN,
  FAMILIES,
  IPV4_MCAST_VPN,
  IPV4_MUP,
  IPV4_SR_POLICY,
  IPV6_MCAST_VPN,
  IPV6_MUP,
  IPV6_SR_POLICY,
  L2VPN_EVPN,
  L2VPN_VPLS,
  RTC,
  type Family,
} from './family.js'
import { flowspecCodec, isFlowspec } from './flowspec.js'
import { labeledUnicastCodec } from './labeled-unicast.js'
import { mupCodec } from './mup.js'
import { mvpnCodec } from './mvpn.js'
import type { NlriCodec } from './nlri-codec.js'
import type { NlriMode } from './nlri-mode.js'
import type { Nlri } from './nlri.js'
import { rawCodec } from './raw.js'
import { routeTargetMembershipCodec } from './route-target-membership.js'
import { srPolicyCodec } from './sr-policy.js'
import { SAFI } from '../iana.js'
import { unicastCodec } from './unicast.js'
import { vplsCodec } from './vpls.js'
import { isVisitable } from './visit.js'
import { vpnCodec } from './vpn.js'

const BY_SAFI: ReadonlyMap<number, NlriCodec> = new Map<number, NlriCodec>([
  [SAFI.unicast, unicastCodec],
  [SAFI.multicast, unicastCodec],
  [SAFI.labeledUnicast, labeledUnicastCodec],
  [SAFI.vpn, vpnCodec],
  [SAFI.vpnMulticast, vpnCodec],
])

const CODECS: ReadonlyMap<number, NlriCodec> = new Map<number, NlriCodec>([
  ...FAMILIES.filter(isVisitable).map((family) => [family.key, BY_SAFI.get(family.safi) ?? routeTargetMembershipCodec] as const),
  [RTC.key, routeTargetMembershipCodec],
  [L2VPN_EVPN.key, evpnCodec],
  ...FAMILIES.filter(isFlowspec).map((family) => [family.key, flowspecCodec] as const),
  [IPV4_SR_POLICY.key, srPolicyCodec],
  [IPV6_SR_POLICY.key, srPolicyCodec],
  [L2VPN_VPLS.key, vplsCodec],
  [IPV4_MCAST_VPN.key, mvpnCodec],
  [IPV6_MCAST_VPN.key, mvpnCodec],
  [IPV4_MUP.key, mupCodec],
  [IPV6_MUP.key, mupCodec],
  [BGP_LS.key, linkStateCodec],
  [BGP_LS_VPN.key, linkStateCodec],
])

/** The codec of a family; families that are not taken apart keep their octets. */
export function nlriCodec(family: Family): NlriCodec {
  return CODECS.get(family.key) ?? rawCodec
}

/** Takes an NLRI field apart. @throws WireError `bgp.nlri.*`, `wire.truncated` */
export function decodeNlri(input: ByteReader, family: Family, mode: NlriMode): Nlri[] {
  return nlriCodec(family).decode(input, family, mode)
}

/** Writes one entry. @throws ValueError `bgp.nlri.*` when the value is not of the family */
export function encodeNlri(nlri: Nlri, out: ByteWriter, family: Family, mode: NlriMode): void {
  const codec = nlriCodec(family)
  if (nlri.kind === 'raw') return rawCodec.encode(nlri, out, family, mode)
  if (codec.kind !== nlri.kind) throw new ValueError('bgp.nlri.family', nlri.kind, `NLRI of ${family.name}`)
  codec.encode(nlri, out, family, mode)
}
