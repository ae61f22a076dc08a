import { AFI, SAFI } from '../iana.js'

/** An address family as BGP names it: AFI and SAFI (RFC 4760), with the text that configuration files use. */
export interface Family {
  /** 0–65,535. */
  readonly afi: number
  /** 0–255. */
  readonly safi: number
  /** E.g. `vpnv4-unicast`; for a family without a name `AFI/SAFI`. */
  readonly name: string
  /** `familyKey(afi, safi)`. */
  readonly key: number
}

/** One integer for AFI and SAFI, for maps and sets. */
export function familyKey(afi: number, safi: number): number {
  return (afi << 8) | safi
}

function family(afi: number, safi: number, name: string): Family {
  return Object.freeze({ afi, safi, name, key: familyKey(afi, safi) })
}

/** IPv4 unicast, 1/1. */
export const IPV4_UNICAST = family(AFI.ipv4, SAFI.unicast, 'ipv4-unicast')
/** IPv6 unicast, 2/1. */
export const IPV6_UNICAST = family(AFI.ipv6, SAFI.unicast, 'ipv6-unicast')
/** IPv4 multicast, 1/2. */
export const IPV4_MULTICAST = family(AFI.ipv4, SAFI.multicast, 'ipv4-multicast')
/** IPv6 multicast, 2/2. */
export const IPV6_MULTICAST = family(AFI.ipv6, SAFI.multicast, 'ipv6-multicast')
/** IPv4 with labels, 1/4 (RFC 8277). */
export const IPV4_LABELED_UNICAST = family(AFI.ipv4, SAFI.labeledUnicast, 'ipv4-labeled-unicast')
/** IPv6 with labels, 2/4 (RFC 8277). */
export const IPV6_LABELED_UNICAST = family(AFI.ipv6, SAFI.labeledUnicast, 'ipv6-labeled-unicast')
/** VPNv4, 1/128 (RFC 4364). */
export const VPNV4_UNICAST = family(AFI.ipv4, SAFI.vpn, 'vpnv4-unicast')
/** VPNv6, 2/128 (RFC 4659). */
export const VPNV6_UNICAST = family(AFI.ipv6, SAFI.vpn, 'vpnv6-unicast')
/** Route target membership, 1/132 (RFC 4684). */
export const RTC = family(AFI.ipv4, SAFI.rtc, 'rtc')
/** EVPN, 25/70 (RFC 7432). */
export const L2VPN_EVPN = family(AFI.l2vpn, SAFI.evpn, 'l2vpn-evpn')
/** VPLS, 25/65 (RFC 4761). */
export const L2VPN_VPLS = family(AFI.l2vpn, SAFI.vpls, 'l2vpn-vpls')
/** FlowSpec for IPv4, 1/133 (RFC 8955). */
export const IPV4_FLOWSPEC = family(AFI.ipv4, SAFI.flowspec, 'ipv4-flowspec')
/** FlowSpec for IPv6, 2/133 (RFC 8956). */
export const IPV6_FLOWSPEC = family(AFI.ipv6, SAFI.flowspec, 'ipv6-flowspec')
/** FlowSpec of VPNv4, 1/134 (RFC 8955 §8). */
export const VPNV4_FLOWSPEC = family(AFI.ipv4, SAFI.flowspecVpn, 'vpnv4-flowspec')
/** FlowSpec of VPNv6, 2/134 (RFC 8956 §4). */
export const VPNV6_FLOWSPEC = family(AFI.ipv6, SAFI.flowspecVpn, 'vpnv6-flowspec')
/** FlowSpec of layer-2 VPNs, 25/134 (draft-ietf-idr-flowspec-l2vpn); rules are kept as octets. */
export const L2VPN_FLOWSPEC = family(AFI.l2vpn, SAFI.flowspecVpn, 'l2vpn-flowspec')
/** SR policy over IPv4, 1/73 (RFC 9830). */
export const IPV4_SR_POLICY = family(AFI.ipv4, SAFI.srPolicy, 'ipv4-sr-policy')
/** SR policy over IPv6, 2/73 (RFC 9830). */
export const IPV6_SR_POLICY = family(AFI.ipv6, SAFI.srPolicy, 'ipv6-sr-policy')
/** Multicast in VPNs of IPv4, 1/129 (RFC 6514 §10). */
export const VPNV4_MULTICAST = family(AFI.ipv4, SAFI.vpnMulticast, 'vpnv4-multicast')
/** Multicast in VPNs of IPv6, 2/129. */
export const VPNV6_MULTICAST = family(AFI.ipv6, SAFI.vpnMulticast, 'vpnv6-multicast')
/** Multicast VPN of IPv4, 1/5 (RFC 6514). */
export const IPV4_MCAST_VPN = family(AFI.ipv4, SAFI.mcastVpn, 'ipv4-mcast-vpn')
/** Multicast VPN of IPv6, 2/5 (RFC 6514). */
export const IPV6_MCAST_VPN = family(AFI.ipv6, SAFI.mcastVpn, 'ipv6-mcast-vpn')
/** Mobile user plane of IPv4, 1/85 (draft-ietf-bess-mup-safi). */
export const IPV4_MUP = family(AFI.ipv4, SAFI.mup, 'ipv4-mup')
/** Mobile user plane of IPv6, 2/85 (draft-ietf-bess-mup-safi). */
export const IPV6_MUP = family(AFI.ipv6, SAFI.mup, 'ipv6-mup')
/** BGP-LS, 16388/71 (RFC 9552). */
export const BGP_LS = family(AFI.bgpLs, SAFI.bgpLs, 'bgp-ls')
/** BGP-LS of a VPN, 16388/72 (RFC 9552). */
export const BGP_LS_VPN = family(AFI.bgpLs, SAFI.bgpLsVpn, 'bgp-ls-vpn')

/** Every family that has a name. */
export const FAMILIES: readonly Family[] = Object.freeze([
  IPV4_UNICAST,
  IPV6_UNICAST,
  IPV4_MULTICAST,
  IPV6_MULTICAST,
  IPV4_LABELED_UNICAST,
  IPV6_LABELED_UNICAST,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  RTC,
  L2VPN_EVPN,
  L2VPN_VPLS,
  IPV4_FLOWSPEC,
  IPV6_FLOWSPEC,
  VPNV4_FLOWSPEC,
  VPNV6_FLOWSPEC,
  L2VPN_FLOWSPEC,
  VPNV4_MULTICAST,
  VPNV6_MULTICAST,
  IPV4_MCAST_VPN,
  IPV6_MCAST_VPN,
  IPV4_SR_POLICY,
  IPV6_SR_POLICY,
  IPV4_MUP,
  IPV6_MUP,
  BGP_LS,
  BGP_LS_VPN,
])

const BY_KEY = new Map(FAMILIES.map((family) => [family.key, family]))
const BY_NAME = new Map(FAMILIES.map((family) => [family.name, family]))

/** The family of AFI and SAFI: the shared constant where it has a name, so that families with names may be compared by identity. */
export function familyOf(afi: number, safi: number): Family {
  return BY_KEY.get(familyKey(afi, safi)) ?? family(afi, safi, `${afi}/${safi}`)
}

/** Whether routes of the family are rules of FlowSpec (RFC 8955), whether they are taken apart or not. */
export function isFlowspecFamily({ safi }: Family): boolean {
  return safi === SAFI.flowspec || safi === SAFI.flowspecVpn
}

/** The family that configuration calls `name`, or `undefined`. */
export function familyByName(name: string): Family | undefined {
  return BY_NAME.get(name)
}
