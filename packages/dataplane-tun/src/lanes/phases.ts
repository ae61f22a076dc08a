import { RouteBatch, type FibTransaction, type ObjectChanges } from '@heddle/core'

/*
 * Threads that read one FIB see a route at the moment when it is written. So what routes lead to is there in every lane before, and what
 * they led to goes after: a transaction is programmed as what it sets, its routes, and what it removes.
 */

/** What a transaction sets, without its routes. */
export function settingPart(transaction: FibTransaction): FibTransaction {
  return withoutRoutes(transaction, ({ set }) => ({ set, remove: [] }))
}

/** What a transaction removes, without its routes; what it sets as well is replaced, and stays. */
export function removingPart(transaction: FibTransaction): FibTransaction {
  return withoutRoutes(transaction, ({ set, remove }, keyOf) => {
    const kept = new Set(set.map(keyOf))
    return { set: [], remove: remove.filter((key) => !kept.has(key)) }
  })
}

/** Whether a part changes anything. */
export function isEmpty({ generation: _generation, routes, ...kinds }: FibTransaction): boolean {
  const changes = Object.values<ObjectChanges<unknown> | undefined>(kinds)
  return routes.count === 0 && changes.every((kind) => kind === undefined || kind.set.length + kind.remove.length === 0)
}

type Part = <T>(changes: ObjectChanges<T>, keyOf: (object: T) => number) => ObjectChanges<T>

function withoutRoutes(transaction: FibTransaction, part: Part): FibTransaction {
  const { vrfs, ports, nextHops, groups, tunnelSources, labels, vnis } = transaction
  const { policies, services, natPools, liveness, mirrors, traces } = transaction
  return {
    generation: transaction.generation,
    vrfs: part(vrfs, idOf),
    ports: part(ports, idOf),
    nextHops: part(nextHops, idOf),
    groups: part(groups, idOf),
    tunnelSources: part(tunnelSources, idOf),
    labels: part(labels, ({ label }) => label),
    vnis: part(vnis, ({ vni }) => vni),
    ...(policies !== undefined && { policies: part(policies, idOf) }),
    ...(services !== undefined && { services: part(services, idOf) }),
    ...(natPools !== undefined && { natPools: part(natPools, idOf) }),
    ...(liveness !== undefined && { liveness: part(liveness, idOf) }),
    ...(mirrors !== undefined && { mirrors: part(mirrors, idOf) }),
    ...(traces !== undefined && { traces: part(traces, idOf) }),
    routes: new RouteBatch(0),
  }
}

function idOf({ id }: { readonly id: number }): number {
  return id
}
