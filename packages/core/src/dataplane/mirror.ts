import type { IpAddress } from '@heddle/wire'

/** Where the copies of a mirror go. */
export type MirrorSink =
  /** To whoever reads the dataplane's events, as `mirrored`; what nobody reads in time is lost, and shows as a gap in `sequence`. */
  | { readonly type: 'stream' }
  /**
   * To a collector on the underlay, by ERSPAN type II (draft-foschiano-erspan-03) over GRE: what switches send and collectors read. Its frames are
   * Ethernet: the router side has the MAC address 02:ff:…, the port 02:00:…, both ending in the port's id. The index is the port's id, modulo 524,288,
   * times two, plus one for `ingress`. Frames that the underlay would not take are cut, and marked so. The outer TTL is 64, as that of tunnels. Needs the
   * encapsulation `mpls-gre`.
   */
  | {
      readonly type: 'erspan'
      readonly local: IpAddress
      readonly remote: IpAddress
      /** 0–1,023. */
      readonly session: number
    }

/** Which way a packet goes, as the endpoint sees it: `egress` leaves it, `ingress` comes to it. */
export type MirrorDirection = 'ingress' | 'egress'

/**
 * Copies IP packets to a sink: those of ports, and those of policy rules that name the mirror (`PolicyRule.mirror`). What leaves an endpoint is copied
 * as it sent it, also when it is dropped later; what comes to an endpoint is copied as it gets it, ICMP errors and answers of the router included. A
 * packet is copied once by a mirror for each direction. Needs the feature `mirror`.
 */
export interface MirrorObject {
  readonly id: number
  /** Ports whose packets are copied; none for a mirror that only rules name. */
  readonly ports: readonly { readonly port: number; readonly direction: MirrorDirection | 'both' }[]
  /** Octets of a packet that are copied at most, 1 and up; all when left out. */
  readonly snapLength?: number
  readonly sink: MirrorSink
}

/** One copy of a mirror whose sink is a stream. */
export interface MirroredPacket {
  readonly mirror: number
  readonly port: number
  readonly direction: MirrorDirection
  /** Counts the copies of the mirror from 0 up. */
  readonly sequence: number
  /** Milliseconds since the Unix epoch; where the dataplane has no such clock, since any start. */
  readonly time: number
  /** Octets of the packet; more than are in `packet` when `snapLength` cut it. */
  readonly length: number
  readonly packet: Uint8Array
}
