import type { Origin } from '../attribute/path-attributes.js'

/** What a term does with a route that it matches: end with a verdict, or go on with the next term, changes included. */
export type PolicyVerdict = 'accept' | 'reject' | 'next'

/** State of a route's origin by RFC 6811 §2. */
export type OriginValidation = 'valid' | 'invalid' | 'not-found'

/**
 * Conditions on a route. All that are given must hold; of the values of one condition any one is enough. What a family does not have (a
 * prefix, an RD) never matches.
 */
export interface PolicyMatch {
  /** Names of families: `vpnv4-unicast`. */
  readonly family?: readonly string[]
  /** `10.0.0.0/8` exactly, `10.0.0.0/8 ge 24`, `10.0.0.0/8 le 32`, or both. */
  readonly prefix?: readonly string[]
  /** Route distinguishers: `65000:1`. */
  readonly rd?: readonly string[]
  /** Communities: `65000:100`, `65000:*`, `no-export`. */
  readonly community?: readonly string[]
  /** `65000:1:2`, `65000:*:*`. */
  readonly largeCommunity?: readonly string[]
  /** `rt:65000:1`, `soo:65000:*`, `encapsulation:13`, `color:100`, `joint-labels:192.0.2.1`, `joint-labels:*`, or sixteen hexadecimal digits behind `0x`. */
  readonly extendedCommunity?: readonly string[]
  /** IPv6 address specific: forty hexadecimal digits behind `0x`. */
  readonly ipv6Community?: readonly string[]
  /** Patterns of AS numbers: see `AsPathPattern`. */
  readonly asPath?: readonly string[]
  /** Prefixes that the next hop is in. */
  readonly nextHop?: readonly string[]
  /** Addresses of peers that the route came from, or `local`. */
  readonly peer?: readonly string[]
  /** How the route came. */
  readonly source?: readonly ('local' | 'ibgp' | 'ebgp')[]
  readonly origin?: readonly Origin[]
  readonly validation?: readonly OriginValidation[]
}

/** Changes of one kind of community, in this order: `delete` takes patterns. */
export interface CommunityChange {
  /** Puts exactly these in the place of what is there. */
  readonly set?: readonly string[]
  readonly delete?: readonly string[]
  readonly add?: readonly string[]
}

/** What becomes of a route that a term matches. */
export interface PolicyChange {
  /** 0–4,294,967,295. */
  readonly localPref?: number
  /** 0–4,294,967,295, or `none` to take it out. */
  readonly med?: number | 'none'
  readonly origin?: Origin
  /** An address, our own in the session (export only), or the one that the route has, whatever the neighbor's `nextHop` says. */
  readonly nextHop?: string
  /** Puts `as` in front of AS_PATH 1–32 times. */
  readonly prepend?: { readonly as: number; readonly times: number }
  readonly community?: CommunityChange
  readonly largeCommunity?: CommunityChange
  readonly extendedCommunity?: CommunityChange
  readonly ipv6Community?: CommunityChange
}

/** One rule of a policy. */
export interface PolicyTerm {
  /** For people and for `explain`. */
  readonly name?: string
  /** Default: every route. */
  readonly match?: PolicyMatch
  /** The term is passed over when all of these hold. */
  readonly unless?: PolicyMatch
  readonly change?: PolicyChange
  /** Default `next`. */
  readonly verdict?: PolicyVerdict
}

/** Rules in their order: a route goes from term to term until one ends with a verdict. */
export interface Policy {
  /** For people and for `explain`. */
  readonly name?: string
  readonly terms: readonly PolicyTerm[]
  /** The verdict on a route that comes to the end. Default `reject`, so that a forgotten case leaks nothing. */
  readonly otherwise?: 'accept' | 'reject'
}
