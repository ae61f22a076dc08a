import {
  NO_GROUP,
  RouteBatch,
  type DataplaneState,
  type FibTransaction,
  type GroupObject,
  type LabelObject,
  type LivenessObject,
  type MirrorObject,
  type NatPoolObject,
  type NextHopObject,
  type ObjectChanges,
  type PolicyObject,
  type PortObject,
  type ServiceObject,
  type TraceObject,
  type TunnelSourcesObject,
  type VniObject,
  type VrfObject,
} from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'

/** Tables as the suite writes them: plain lists, routes as rows. */
export interface Tables {
  readonly vrfs: readonly VrfObject[]
  readonly ports: readonly PortObject[]
  readonly nextHops: readonly NextHopObject[]
  readonly groups: readonly GroupObject[]
  readonly tunnelSources: readonly TunnelSourcesObject[]
  readonly labels: readonly LabelObject[]
  readonly vnis: readonly VniObject[]
  readonly policies?: readonly PolicyObject[]
  readonly services?: readonly ServiceObject[]
  readonly natPools?: readonly NatPoolObject[]
  readonly liveness?: readonly LivenessObject[]
  readonly mirrors?: readonly MirrorObject[]
  readonly traces?: readonly TraceObject[]
  readonly routes: readonly { readonly vrf: number; readonly prefix: string; readonly group: number }[]
}

/** Tables that hold nothing. */
export const EMPTY: Tables = { vrfs: [], ports: [], nextHops: [], groups: [], tunnelSources: [], labels: [], vnis: [], routes: [] }

/** The transaction that leads from `before` to `after`: every object of `after` is set again, what is only in `before` is removed. */
export function transition(generation: number, before: Tables, after: Tables): FibTransaction {
  const routes = new RouteBatch()
  const kept = new Set(after.routes.map(({ vrf, prefix }) => `${vrf} ${prefix}`))
  for (const { vrf, prefix } of before.routes) {
    if (!kept.has(`${vrf} ${prefix}`)) routes.push(vrf, IpPrefix.parse(prefix), NO_GROUP)
  }
  for (const { vrf, prefix, group } of after.routes) routes.push(vrf, IpPrefix.parse(prefix), group)
  const byId = ({ id }: { readonly id: number }): number => id
  return {
    generation,
    vrfs: changes(before.vrfs, after.vrfs, byId),
    ports: changes(before.ports, after.ports, byId),
    nextHops: changes(before.nextHops, after.nextHops, byId),
    groups: changes(before.groups, after.groups, byId),
    tunnelSources: changes(before.tunnelSources, after.tunnelSources, byId),
    labels: changes(before.labels, after.labels, ({ label }) => label),
    vnis: changes(before.vnis, after.vnis, ({ vni }) => vni),
    ...(before.policies === undefined && after.policies === undefined
      ? {}
      : { policies: changes(before.policies ?? [], after.policies ?? [], byId) }),
    ...(before.services === undefined && after.services === undefined
      ? {}
      : { services: changes(before.services ?? [], after.services ?? [], byId) }),
    ...(before.liveness === undefined && after.liveness === undefined
      ? {}
      : { liveness: changes(before.liveness ?? [], after.liveness ?? [], byId) }),
    ...(before.natPools === undefined && after.natPools === undefined
      ? {}
      : { natPools: changes(before.natPools ?? [], after.natPools ?? [], byId) }),
    ...(before.mirrors === undefined && after.mirrors === undefined
      ? {}
      : { mirrors: changes(before.mirrors ?? [], after.mirrors ?? [], byId) }),
    ...(before.traces === undefined && after.traces === undefined
      ? {}
      : { traces: changes(before.traces ?? [], after.traces ?? [], byId) }),
    routes,
  }
}

/** The transaction that only does what `part` says. */
export function only(generation: number, part: Partial<Omit<FibTransaction, 'generation'>>): FibTransaction {
  return { ...transition(generation, EMPTY, EMPTY), ...part }
}

/** A state as one value that equals another's exactly when the tables are the same; order within a kind does not count. */
export function comparable(state: Omit<DataplaneState, 'devices' | 'generation'>): Record<string, string[]> {
  const sorted = (objects: readonly unknown[]): string[] => objects.map((object) => JSON.stringify(normal(object))).toSorted()
  const { routes } = state
  return {
    vrfs: sorted(state.vrfs),
    ports: sorted(state.ports),
    nextHops: sorted(state.nextHops),
    groups: sorted(state.groups),
    tunnelSources: sorted(state.tunnelSources),
    labels: sorted(state.labels),
    vnis: sorted(state.vnis),
    policies: sorted(state.policies ?? []),
    services: sorted(state.services ?? []),
    liveness: sorted(state.liveness ?? []),
    natPools: sorted(state.natPools ?? []),
    mirrors: sorted(state.mirrors ?? []),
    traces: sorted(state.traces ?? []),
    routes: Array.from({ length: routes.count }, (_, row) => `${routes.vrf[row]} ${routes.prefixAt(row)} ${routes.group[row]}`).toSorted(),
  }
}

/** The state that `tables` describe. */
export function stateOf(tables: Tables): Omit<DataplaneState, 'devices' | 'generation'> {
  const { routes } = transition(1, EMPTY, tables)
  return { ...tables, routes }
}

/** Keys in one order, values that print as text printed. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof IpAddress || value instanceof IpPrefix || value instanceof MacAddress) return String(value)
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, normal(inner)]),
  )
}

function changes<T>(before: readonly T[], after: readonly T[], keyOf: (object: T) => number): ObjectChanges<T> {
  const kept = new Set(after.map(keyOf))
  return { set: after, remove: before.map(keyOf).filter((key) => !kept.has(key)) }
}
