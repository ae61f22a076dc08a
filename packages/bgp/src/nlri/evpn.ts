import type { IpAddress, IpPrefix, MacAddress, RouteDistinguisher } from '@heddle/wire'

/** What all EVPN routes have (RFC 7432 §7). */
interface EvpnCommon {
  readonly kind: 'evpn'
  readonly rd: RouteDistinguisher
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** MAC/IP advertisement (type 2, RFC 7432 §7.2). */
export interface EvpnMacIp extends EvpnCommon {
  readonly route: 'mac-ip'
  /** Ethernet segment identifier, ten octets. */
  readonly esi: Uint8Array
  readonly ethernetTag: number
  readonly mac: MacAddress
  readonly ip?: IpAddress
  /** The first label field, 24 bits: an MPLS label in the high 20, or a VNI (RFC 8365 §5.1.3). */
  readonly label1: number
  readonly label2?: number
}

/** Inclusive multicast Ethernet tag (type 3, RFC 7432 §7.3). */
export interface EvpnInclusiveMulticast extends EvpnCommon {
  readonly route: 'inclusive-multicast'
  readonly ethernetTag: number
  readonly originator: IpAddress
}

/** IP prefix (type 5, RFC 9136 §3.1). */
export interface EvpnIpPrefix extends EvpnCommon {
  readonly route: 'ip-prefix'
  readonly esi: Uint8Array
  readonly ethernetTag: number
  readonly prefix: IpPrefix
  /** Overlay index; unspecified where another index resolves the route. */
  readonly gateway: IpAddress
  /** The label field, 24 bits: an MPLS label in the high 20, or a VNI. */
  readonly label: number
}

/** A route type that is not taken apart. */
export interface EvpnOther {
  readonly kind: 'evpn'
  readonly route: 'other'
  /** 0–255. */
  readonly routeType: number
  readonly value: Uint8Array
  readonly pathId?: number
}

export type EvpnNlri = EvpnMacIp | EvpnInclusiveMulticast | EvpnIpPrefix | EvpnOther
