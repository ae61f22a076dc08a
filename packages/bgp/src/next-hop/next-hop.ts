import type { IpAddress, RouteDistinguisher } from '@heddle/wire'

/** Where routes point to: the next hop field of MP_REACH_NLRI, or NEXT_HOP. */
export interface NextHop {
  /** For VPNv6 over an IPv4 core `::ffff:a.b.c.d` (RFC 4659 §3.2.1.2). */
  readonly address: IpAddress
  /** The link-local address beside a global one (RFC 2545 §3). */
  readonly linkLocal?: IpAddress
  /** Route distinguisher of a VPN next hop, where it is not zero as RFC 4364 §4.3.2 has it. */
  readonly rd?: RouteDistinguisher
}
