import type { IpPrefix, RouteDistinguisher } from '@heddle/wire'

/** A VPNv4 or VPNv6 prefix: label stack, route distinguisher, prefix (RFC 4364 §4.3.4, RFC 4659 §3.2). */
export interface VpnNlri {
  readonly kind: 'vpn'
  /** Top first, 0–1,048,575 each; empty on a withdrawal that names no label. */
  readonly labels: readonly number[]
  readonly rd: RouteDistinguisher
  readonly prefix: IpPrefix
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}
