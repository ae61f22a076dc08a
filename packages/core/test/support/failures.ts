import { RouteBatch, routeName, type ApplyFailure, type DataplaneState, type FibTransaction, type ObjectKind } from '../../src/index.js'
import { applyToState } from '../../src/testing/index.js'
import { danglingIn, namesIn, type Name } from './references.js'

/** Some of what a transaction tells, and all that cannot be without it. */
export function failing(before: DataplaneState, transaction: FibTransaction, seed: number): ReadonlySet<Name> {
  const { set, removed } = namesIn(transaction)
  const failed = new Set([...set, ...removed].filter((_, index) => (index * 7 + seed) % 5 === 0))
  for (;;) {
    const dangling = danglingIn(applyToState(before, without(transaction, failed)))
    if (dangling.length === 0) return failed
    // What is still referred to cannot go, and what refers to something that did not come cannot come.
    for (const { from, to } of dangling) failed.add(removed.includes(to) ? to : from)
  }
}

/** A transaction but for what failed. */
export function without(transaction: FibTransaction, failed: ReadonlySet<Name>): FibTransaction {
  const objects = <T>(
    kind: ObjectKind,
    { set, remove }: { readonly set: readonly T[]; readonly remove: readonly number[] },
    keyOf: (object: T) => number,
  ) => ({
    set: set.filter((object) => !failed.has(`${kind} ${keyOf(object)}`)),
    remove: remove.filter((key) => !failed.has(`${kind} ${key}`)),
  })
  const id = (object: { readonly id: number }): number => object.id
  const { vrfs, ports, nextHops, groups, tunnelSources, labels, vnis, policies, services, natPools, liveness, mirrors, traces, routes } =
    transaction
  const kept = new RouteBatch()
  for (let row = 0; row < routes.count; row++) {
    const prefix = routes.prefixAt(row)
    if (!failed.has(`route ${routeName(routes.vrf[row], prefix)}`)) kept.push(routes.vrf[row], prefix, routes.group[row])
  }
  return {
    ...transaction,
    vrfs: objects('vrf', vrfs, id),
    ports: objects('port', ports, id),
    nextHops: objects('next-hop', nextHops, id),
    groups: objects('group', groups, id),
    tunnelSources: objects('tunnel-sources', tunnelSources, id),
    labels: objects('label', labels, ({ label }) => label),
    vnis: objects('vni', vnis, ({ vni }) => vni),
    ...(policies && { policies: objects('policy', policies, id) }),
    ...(services && { services: objects('service', services, id) }),
    ...(natPools && { natPools: objects('nat-pool', natPools, id) }),
    ...(liveness && { liveness: objects('liveness', liveness, id) }),
    ...(mirrors && { mirrors: objects('mirror', mirrors, id) }),
    ...(traces && { traces: objects('trace', traces, id) }),
    routes: kept,
  }
}

/** What a report says of an object that was not taken. */
export function failure(name: Name): ApplyFailure {
  const space = name.indexOf(' ')
  return { object: { kind: name.slice(0, space) as ObjectKind, key: name.slice(space + 1) }, code: 'test', message: 'not taken' }
}
