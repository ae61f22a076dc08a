import { extendedCommunityWords, type ExtendedCommunity } from '../community/extended.js'
import type { RouteTargetMembershipNlri } from '../nlri/route-target-membership.js'

/** Bits of the origin AS in front of the route target. */
const ORIGIN_BITS = 32

/** Which VPN routes a peer wants, by the memberships that it announced (RFC 4684 §4). */
export class RouteTargetFilter {
  #all = false
  readonly #exact = new Map<number, Set<number>>()
  readonly #shorter: { readonly bits: number; readonly high: number; readonly low: number }[] = []

  constructor(memberships: Iterable<RouteTargetMembershipNlri>) {
    for (const { length, high, low } of memberships) {
      const bits = length - ORIGIN_BITS
      if (bits <= 0) this.#all = true
      else if (bits < 64) this.#shorter.push({ bits, high, low })
      else {
        const lows = this.#exact.get(high) ?? new Set()
        this.#exact.set(high, lows.add(low))
      }
    }
  }

  /** Whether a route with `communities` is wanted: one of its route targets is, or everything is. */
  wants(communities: readonly ExtendedCommunity[] | undefined): boolean {
    if (this.#all) return true
    for (const community of communities ?? []) {
      if (community.kind !== 'route-target') continue
      const [high, low] = extendedCommunityWords(community)
      if (this.#exact.get(high)?.has(low) === true) return true
      if (this.#shorter.some((prefix) => covers(prefix, high, low))) return true
    }
    return false
  }
}

function covers(prefix: { readonly bits: number; readonly high: number; readonly low: number }, high: number, low: number): boolean {
  const { bits } = prefix
  const difference = bits >= 32 ? high ^ prefix.high : (high ^ prefix.high) >>> (32 - bits)
  if (difference !== 0) return false
  return bits <= 32 || (low ^ prefix.low) >>> (64 - bits) === 0
}
