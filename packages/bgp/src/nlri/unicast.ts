import type { IpPrefix } from '@heddle/wire'

/** A prefix of IPv4/IPv6 unicast or multicast (RFC 4271 §4.3, RFC 4760 §5). */
export interface UnicastNlri {
  readonly kind: 'unicast'
  readonly prefix: IpPrefix
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}
