import { routeName, type DataplaneState, type FibTransaction, type ObjectKind } from '../../src/index.js'

/** `KIND KEY`, as reports name objects. */
export type Name = `${ObjectKind} ${string}`

/** Every object of a state by its name, with the names of those it refers to. */
export function referencesOf({
  vrfs,
  ports,
  nextHops,
  groups,
  tunnelSources,
  labels,
  vnis,
  policies = [],
  services = [],
  natPools = [],
  liveness = [],
  mirrors = [],
  traces = [],
  routes,
}: DataplaneState): ReadonlyMap<Name, readonly Name[]> {
  return new Map<Name, readonly Name[]>([
    ...vrfs.map(({ id }): [Name, Name[]] => [`vrf ${id}`, []]),
    ...ports.map(({ id, vrf }): [Name, Name[]] => [`port ${id}`, vrf === undefined ? [] : [`vrf ${vrf}`]]),
    ...nextHops.map(({ id, action, liveness: needed }): [Name, Name[]] => [
      `next-hop ${id}`,
      [
        ...(action.type === 'port' ? [`port ${action.port}` as const] : action.type === 'lookup' ? [`vrf ${action.vrf}` as const] : []),
        ...(needed === undefined ? [] : [`liveness ${needed}` as const]),
      ],
    ]),
    ...policies.map(({ id, port, rules }): [Name, Name[]] => [
      `policy ${id}`,
      [`port ${port}`, ...rules.flatMap(({ mirror }) => (mirror === undefined ? [] : [`mirror ${mirror}` as const]))],
    ]),
    ...services.map(({ id, vrf }): [Name, Name[]] => [`service ${id}`, [`vrf ${vrf}`]]),
    ...natPools.map(({ id, vrf, outside }): [Name, Name[]] => [`nat-pool ${id}`, [`vrf ${vrf}`, `vrf ${outside}`]]),
    ...liveness.map(({ id }): [Name, Name[]] => [`liveness ${id}`, []]),
    ...mirrors.map(({ id, ports: sources }): [Name, Name[]] => [`mirror ${id}`, sources.map(({ port }): Name => `port ${port}`)]),
    ...traces.map(({ id, filter }): [Name, Name[]] => [`trace ${id}`, filter.vrf === undefined ? [] : [`vrf ${filter.vrf}`]]),
    ...groups.map(({ id, members }): [Name, Name[]] => [`group ${id}`, members.map(({ nextHop }): Name => `next-hop ${nextHop}`)]),
    ...tunnelSources.map(({ id }): [Name, Name[]] => [`tunnel-sources ${id}`, []]),
    ...labels.map(({ label, action, sources }): [Name, Name[]] => [
      `label ${label}`,
      [
        `tunnel-sources ${sources}`,
        action.type === 'pop-forward' ? `port ${action.port}` : action.type === 'pop-lookup' ? `vrf ${action.vrf}` : 'vrf ?',
      ],
    ]),
    ...vnis.map(({ vni, vrf, sources }): [Name, Name[]] => [`vni ${vni}`, [`vrf ${vrf}`, `tunnel-sources ${sources}`]]),
    ...Array.from({ length: routes.count }, (_, row): [Name, Name[]] => [
      `route ${routeName(routes.vrf[row], routes.prefixAt(row))}`,
      [`vrf ${routes.vrf[row]}`, `group ${routes.group[row]}`],
    ]),
  ])
}

const NONE = { set: [], remove: [] }

/** References that lead nowhere. */
export function danglingIn(state: DataplaneState): readonly { readonly from: Name; readonly to: Name }[] {
  const references = referencesOf(state)
  return [...references].flatMap(([from, all]) => all.filter((to) => !references.has(to)).map((to) => ({ from, to })))
}

/** The names of what a transaction sets and removes, in its order. */
export function namesIn(transaction: FibTransaction): { readonly set: readonly Name[]; readonly removed: readonly Name[] } {
  const { vrfs, ports, nextHops, groups, tunnelSources, labels, vnis, routes } = transaction
  const { policies = NONE, services = NONE, natPools = NONE, liveness = NONE, mirrors = NONE, traces = NONE } = transaction
  const kinds = [
    { kind: 'vrf', set: vrfs.set.map(({ id }) => id), remove: vrfs.remove },
    { kind: 'port', set: ports.set.map(({ id }) => id), remove: ports.remove },
    { kind: 'next-hop', set: nextHops.set.map(({ id }) => id), remove: nextHops.remove },
    { kind: 'group', set: groups.set.map(({ id }) => id), remove: groups.remove },
    { kind: 'tunnel-sources', set: tunnelSources.set.map(({ id }) => id), remove: tunnelSources.remove },
    { kind: 'label', set: labels.set.map(({ label }) => label), remove: labels.remove },
    { kind: 'vni', set: vnis.set.map(({ vni }) => vni), remove: vnis.remove },
    { kind: 'policy', set: policies.set.map(({ id }) => id), remove: policies.remove },
    { kind: 'service', set: services.set.map(({ id }) => id), remove: services.remove },
    { kind: 'nat-pool', set: natPools.set.map(({ id }) => id), remove: natPools.remove },
    { kind: 'liveness', set: liveness.set.map(({ id }) => id), remove: liveness.remove },
    { kind: 'mirror', set: mirrors.set.map(({ id }) => id), remove: mirrors.remove },
    { kind: 'trace', set: traces.set.map(({ id }) => id), remove: traces.remove },
  ] as const
  const rows = Array.from({ length: routes.count }, (_, row): Name => `route ${routeName(routes.vrf[row], routes.prefixAt(row))}`)
  return {
    set: [...kinds.flatMap(({ kind, set }) => set.map((key): Name => `${kind} ${key}`)), ...rows],
    removed: kinds.flatMap(({ kind, remove }) => remove.map((key): Name => `${kind} ${key}`)),
  }
}

/**
 * Ids and labels that mean another thing after a transaction than before it. Whatever still refers to them in the middle of it would lead into another
 * VRF for a moment.
 */
export function changedMeanings(before: DataplaneState, after: DataplaneState): readonly Name[] {
  const meanings = ({ vrfs, ports, nextHops, groups, labels, vnis }: DataplaneState): ReadonlyMap<Name, string> =>
    new Map<Name, string>([
      ...vrfs.map(({ id, name }): [Name, string] => [`vrf ${id}`, name]),
      ...ports.map(({ id, kind, vrf }): [Name, string] => [`port ${id}`, `${kind} ${vrf}`]),
      ...nextHops.map(({ id, action }): [Name, string] => [`next-hop ${id}`, JSON.stringify(action)]),
      ...groups.map(({ id, members }): [Name, string] => [`group ${id}`, JSON.stringify(members)]),
      ...labels.map(({ label, action }): [Name, string] => [`label ${label}`, JSON.stringify(action)]),
      ...vnis.map(({ vni, vrf }): [Name, string] => [`vni ${vni}`, `${vrf}`]),
    ])
  const old = meanings(before)
  return [...meanings(after)].filter(([name, meaning]) => (old.get(name) ?? meaning) !== meaning).map(([name]) => name)
}
