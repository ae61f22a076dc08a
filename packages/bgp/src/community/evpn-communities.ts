import { MacAddress } from '@heddle/wire'

/** Extended communities of EVPN (type 0x06, RFC 7153 §5.2). */
export type EvpnCommunity =
  /** RFC 7432 §7.7. */
  | { readonly kind: 'mac-mobility'; readonly sticky: boolean; readonly sequence: number }
  /** The label field, 24 bits (RFC 7432 §7.5). */
  | { readonly kind: 'esi-label'; readonly singleActive: boolean; readonly label: number }
  /** RFC 7432 §7.6. */
  | { readonly kind: 'es-import'; readonly mac: MacAddress }
  /** RFC 9135 §8.1. */
  | { readonly kind: 'router-mac'; readonly mac: MacAddress }
  /** `flags` are the control flags P, B and C with those of later documents; 0 is an unspecified MTU (RFC 8214 §3.1). */
  | { readonly kind: 'evpn-layer2-attributes'; readonly flags: number; readonly mtu: number }
  /** `leaf` is the L bit; the label field has 24 bits (RFC 8317 §5.1). */
  | { readonly kind: 'e-tree'; readonly leaf: boolean; readonly label: number }
  /** `algorithm` 0 default, 1 highest random weight; `bitmap` of capabilities (RFC 8584 §2.2). */
  | { readonly kind: 'df-election'; readonly algorithm: number; readonly bitmap: number }
  /** `flags`: 1 R (router), 2 O (override), 8 I (immutable) (RFC 9047 §2). */
  | { readonly kind: 'arp-nd'; readonly flags: number }
  /** IGMP (1) and MLD (2) proxy support, and later bits (RFC 9251 §9.4). */
  | { readonly kind: 'multicast-flags'; readonly flags: number }
  /** The route target of the EVI that a multicast synch route belongs to; `form` 0, 1, 2 as route targets (RFC 9251 §9.5). */
  | { readonly kind: 'evi-route-target'; readonly form: 0 | 1 | 2; readonly value: number; readonly tail: number }
  /** When the segment was recovered, in the two most significant words of NTP time (RFC 9722 §2.1). */
  | { readonly kind: 'service-carving-time'; readonly seconds: number; readonly fraction: number }

const EVPN = 0x06
const SUBTYPE = {
  macMobility: 0x00,
  esiLabel: 0x01,
  esImport: 0x02,
  routerMac: 0x03,
  layer2Attributes: 0x04,
  eTree: 0x05,
  dfElection: 0x06,
  arpNd: 0x08,
  multicastFlags: 0x09,
  eviRouteTarget: 0x0a,
  serviceCarving: 0x0f,
} as const

/** The community of the two words, or `undefined` where bits are set that none of them has. */
export function evpnCommunityFromWords(high: number, low: number): EvpnCommunity | undefined {
  if (high >>> 24 !== EVPN) return undefined
  const tail = high & 0xffff
  switch ((high >>> 16) & 0xff) {
    case SUBTYPE.macMobility:
      return (tail & 0xfeff) === 0 ? { kind: 'mac-mobility', sticky: tail === 0x100, sequence: low } : undefined
    case SUBTYPE.esiLabel:
      return (tail & 0xfeff) === 0 && low <= 0xff_ffff ? { kind: 'esi-label', singleActive: tail === 0x100, label: low } : undefined
    case SUBTYPE.esImport:
      return { kind: 'es-import', mac: macOf(tail, low) }
    case SUBTYPE.routerMac:
      return { kind: 'router-mac', mac: macOf(tail, low) }
    case SUBTYPE.layer2Attributes:
      return (low & 0xffff) === 0 ? { kind: 'evpn-layer2-attributes', flags: tail, mtu: low >>> 16 } : undefined
    case SUBTYPE.eTree:
      return (tail & 0xfeff) === 0 && low <= 0xff_ffff ? { kind: 'e-tree', leaf: tail === 0x100, label: low } : undefined
    case SUBTYPE.dfElection:
      return tail >>> 8 <= 31 && (low & 0xff_ffff) === 0
        ? { kind: 'df-election', algorithm: tail >>> 8, bitmap: ((tail & 0xff) << 8) | (low >>> 24) }
        : undefined
    case SUBTYPE.arpNd:
      return (tail & 0xff) === 0 && low === 0 ? { kind: 'arp-nd', flags: tail >>> 8 } : undefined
    case SUBTYPE.multicastFlags:
      return low === 0 ? { kind: 'multicast-flags', flags: tail } : undefined
    case SUBTYPE.eviRouteTarget:
    case SUBTYPE.eviRouteTarget + 1:
    case SUBTYPE.eviRouteTarget + 2:
      return { kind: 'evi-route-target', form: (((high >>> 16) & 0xff) - SUBTYPE.eviRouteTarget) as 0 | 1 | 2, tail, value: low }
    case SUBTYPE.serviceCarving:
      return { kind: 'service-carving-time', seconds: ((tail << 16) | (low >>> 16)) >>> 0, fraction: low & 0xffff }
    default:
      return undefined
  }
}

/** The two words of a community. */
export function evpnCommunityWords(community: EvpnCommunity): readonly [number, number] {
  switch (community.kind) {
    case 'mac-mobility':
      return [head(SUBTYPE.macMobility, community.sticky ? 0x100 : 0), community.sequence]
    case 'esi-label':
      return [head(SUBTYPE.esiLabel, community.singleActive ? 0x100 : 0), community.label]
    case 'es-import':
      return macWords(SUBTYPE.esImport, community.mac)
    case 'router-mac':
      return macWords(SUBTYPE.routerMac, community.mac)
    case 'evpn-layer2-attributes':
      return [head(SUBTYPE.layer2Attributes, community.flags), (community.mtu << 16) >>> 0]
    case 'e-tree':
      return [head(SUBTYPE.eTree, community.leaf ? 0x100 : 0), community.label]
    case 'df-election':
      return [head(SUBTYPE.dfElection, (community.algorithm << 8) | (community.bitmap >>> 8)), ((community.bitmap & 0xff) << 24) >>> 0]
    case 'arp-nd':
      return [head(SUBTYPE.arpNd, community.flags << 8), 0]
    case 'multicast-flags':
      return [head(SUBTYPE.multicastFlags, community.flags), 0]
    case 'evi-route-target':
      return [head(SUBTYPE.eviRouteTarget + community.form, community.tail), community.value]
    default:
      return [head(SUBTYPE.serviceCarving, community.seconds >>> 16), (((community.seconds & 0xffff) << 16) | community.fraction) >>> 0]
  }
}

function head(subtype: number, tail: number): number {
  return (EVPN << 24) | (subtype << 16) | tail
}

/** The address whose first two octets end the first word. */
function macOf(tail: number, low: number): MacAddress {
  return MacAddress.of((tail << 8) | (low >>> 24), low & 0xff_ffff)
}

function macWords(subtype: number, { high, low }: MacAddress): readonly [number, number] {
  return [head(subtype, high >>> 8), ((high << 24) | low) >>> 0]
}
