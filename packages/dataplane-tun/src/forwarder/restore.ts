import type { DataplaneState, FibTransaction, ObjectChanges } from '@heddle/core'

/** The transaction that programs a state into empty tables. */
export function transactionOf(state: DataplaneState): FibTransaction {
  const { generation, routes } = state
  return {
    generation,
    vrfs: all(state.vrfs),
    ports: all(state.ports),
    nextHops: all(state.nextHops),
    groups: all(state.groups),
    tunnelSources: all(state.tunnelSources),
    labels: all(state.labels),
    vnis: all(state.vnis),
    policies: all(state.policies),
    services: all(state.services),
    natPools: all(state.natPools),
    liveness: all(state.liveness),
    mirrors: all(state.mirrors),
    traces: all(state.traces),
    routes,
  }
}

function all<T>(set: readonly T[] = []): ObjectChanges<T> {
  return { set, remove: [] }
}
