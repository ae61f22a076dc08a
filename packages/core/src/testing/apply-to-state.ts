import type { DataplaneState } from '../dataplane/dataplane.js'
import { NO_GROUP, RouteBatch } from '../dataplane/route-batch.js'
import type { FibTransaction, ObjectChanges } from '../dataplane/transaction.js'

/** A dataplane that holds nothing. */
export function emptyState(): DataplaneState {
  return {
    generation: 0,
    vrfs: [],
    ports: [],
    nextHops: [],
    groups: [],
    tunnelSources: [],
    labels: [],
    vnis: [],
    routes: new RouteBatch(),
    devices: [],
  }
}

/** What a dataplane that held `state` holds after `transaction`: the reference for adapters and for the model. */
export function applyToState(state: DataplaneState, transaction: FibTransaction): DataplaneState {
  const routes = new Map<string, { vrf: number; row: number; batch: RouteBatch }>()
  for (const batch of [state.routes, transaction.routes]) {
    for (let row = 0; row < batch.count; row++) {
      const name = `${batch.vrf[row]} ${batch.prefixAt(row)}`
      if (batch.group[row] === NO_GROUP) routes.delete(name)
      else routes.set(name, { vrf: batch.vrf[row], row, batch })
    }
  }
  const after = new RouteBatch(Math.max(1, routes.size))
  for (const { vrf, row, batch } of routes.values()) after.push(vrf, batch.prefixAt(row), batch.group[row])
  return {
    generation: transaction.generation,
    vrfs: changed(state.vrfs, transaction.vrfs, ({ id }) => id),
    ports: changed(state.ports, transaction.ports, ({ id }) => id),
    nextHops: changed(state.nextHops, transaction.nextHops, ({ id }) => id),
    groups: changed(state.groups, transaction.groups, ({ id }) => id),
    tunnelSources: changed(state.tunnelSources, transaction.tunnelSources, ({ id }) => id),
    labels: changed(state.labels, transaction.labels, ({ label }) => label),
    vnis: changed(state.vnis, transaction.vnis, ({ vni }) => vni),
    ...(state.policies === undefined && transaction.policies === undefined
      ? {}
      : { policies: changed(state.policies ?? [], transaction.policies ?? { set: [], remove: [] }, ({ id }) => id) }),
    ...(state.services === undefined && transaction.services === undefined
      ? {}
      : { services: changed(state.services ?? [], transaction.services ?? { set: [], remove: [] }, ({ id }) => id) }),
    ...(state.natPools === undefined && transaction.natPools === undefined
      ? {}
      : { natPools: changed(state.natPools ?? [], transaction.natPools ?? { set: [], remove: [] }, ({ id }) => id) }),
    ...(state.liveness === undefined && transaction.liveness === undefined
      ? {}
      : { liveness: changed(state.liveness ?? [], transaction.liveness ?? { set: [], remove: [] }, ({ id }) => id) }),
    ...(state.mirrors === undefined && transaction.mirrors === undefined
      ? {}
      : { mirrors: changed(state.mirrors ?? [], transaction.mirrors ?? { set: [], remove: [] }, ({ id }) => id) }),
    ...(state.traces === undefined && transaction.traces === undefined
      ? {}
      : { traces: changed(state.traces ?? [], transaction.traces ?? { set: [], remove: [] }, ({ id }) => id) }),
    ...(state.down !== undefined && { down: state.down.filter((id) => !(transaction.liveness?.remove.includes(id) ?? false)) }),
    routes: after,
    devices: state.devices,
  }
}

function changed<T>(before: readonly T[], { set, remove }: ObjectChanges<T>, keyOf: (object: T) => number): readonly T[] {
  const objects = new Map(before.map((object) => [keyOf(object), object]))
  for (const key of remove) objects.delete(key)
  for (const object of set) objects.set(keyOf(object), object)
  return [...objects.values()]
}
