/** A sub-TLV of a tunnel (RFC 9012 §2); types from 128 have a two-octet length. */
export interface TunnelSubTlv {
  readonly type: number
  readonly value: Uint8Array
}

/** One tunnel of the tunnel encapsulation attribute (RFC 9012 §2). */
export interface Tunnel {
  /** IANA tunnel type: 13 is MPLS in UDP. */
  readonly type: number
  readonly subTlvs: readonly TunnelSubTlv[]
}

/** Tunnels by which the next hop can be reached, in order of appearance. */
export type TunnelEncapsulation = readonly Tunnel[]
