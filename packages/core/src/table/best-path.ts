import type { VpnRoute } from '../vpn-route.js'

/**
 * Order of two routes to one prefix: negative when `a` is better. The steps of RFC 4271 §9.1.2.2 and RFC 4456 §9, after what the sources could not
 * compare: a route that is kept over a restart loses to one that is not. Of routes that are as good, those of EVPN win over those of
 * VPNv4 and VPNv6, and both kinds are never used side by side: one router tells the same prefix in both (docs/adr/0019).
 */
export function compareRoutes(a: VpnRoute, b: VpnRoute): number {
  return compareCost(a, b) || compareTie(a, b)
}

/** The steps that make a difference to packets; 0: the routes may be used side by side. */
export function compareCost(a: VpnRoute, b: VpnRoute): number {
  const p = a.preference
  const q = b.preference
  return (
    Number(a.stale === true) - Number(b.stale === true) ||
    q.localPref - p.localPref ||
    p.asPathLength - q.asPathLength ||
    p.origin - q.origin ||
    (p.neighborAs === q.neighborAs ? p.med - q.med : 0) ||
    Number(q.external) - Number(p.external) ||
    Number(b.evpn === true) - Number(a.evpn === true)
  )
}

/** The steps that only decide. Total: two different routes never tie. */
function compareTie(a: VpnRoute, b: VpnRoute): number {
  const p = a.preference
  const q = b.preference
  return (
    p.originatorId - q.originatorId ||
    p.clusterListLength - q.clusterListLength ||
    order(a.source, b.source) ||
    a.rd.high - b.rd.high ||
    a.rd.low - b.rd.low ||
    a.pathId - b.pathId
  )
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * The best route and those that are as good, best first, at most `limit`. MED compares only routes from one neighbouring AS, which makes the order
 * of comparisons matter; so the best of each neighbour is found first (deterministic MED).
 */
export function selectRoutes(routes: readonly VpnRoute[], limit: number): readonly VpnRoute[] {
  if (routes.length < 2) return routes
  const byNeighbor = new Map<number, VpnRoute[]>()
  for (const route of routes) {
    const group = byNeighbor.get(route.preference.neighborAs)
    if (group === undefined) byNeighbor.set(route.preference.neighborAs, [route])
    else group.push(route)
  }
  const winners: VpnRoute[] = []
  for (const group of byNeighbor.values()) {
    const sorted = group.toSorted(compareRoutes)
    const [first] = sorted
    if (first !== undefined) winners.push(...sorted.filter((route) => compareCost(first, route) === 0))
  }
  const sorted = winners.toSorted(compareRoutes)
  const [best] = sorted
  return best === undefined ? [] : sorted.filter((route) => compareCost(best, route) === 0).slice(0, limit)
}
