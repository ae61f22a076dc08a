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
  routes,
}: DataplaneState): ReadonlyMap<Name, readonly Name[]> {
  return new Map<Name, readonly Name[]>([
    ...vrfs.map(({ id }): [Name, Name[]] => [`vrf ${id}`, []]),
    ...ports.map(({ id, vrf }): [Name, Name[]] => [`port ${id}`, vrf === undefined ? [] : [`vrf ${vrf}`]]),
    ...nextHops.map(({ id, action }): [Name, Name[]] => [`next-hop ${id}`, action.type === 'port' ? [`port ${action.port}`] : []]),
    ...groups.map(({ id, members }): [Name, Name[]] => [`group ${id}`, members.map(({ nextHop }): Name => `next-hop ${nextHop}`)]),
    ...tunnelSources.map(({ id }): [Name, Name[]] => [`tunnel-sources ${id}`, []]),
    ...labels.map(({ label, action, sources }): [Name, Name[]] => [
      `label ${label}`,
      [
        `tunnel-sources ${sources}`,
        action.type === 'pop-forward' ? `port ${action.port}` : action.type === 'pop-lookup' ? `vrf ${action.vrf}` : 'vrf ?',
      ],
    ]),
    ...Array.from({ length: routes.count }, (_, row): [Name, Name[]] => [
      `route ${routeName(routes.vrf[row], routes.prefixAt(row))}`,
      [`vrf ${routes.vrf[row]}`, `group ${routes.group[row]}`],
    ]),
  ])
}

/** References that lead nowhere. */
export function danglingIn(state: DataplaneState): readonly { readonly from: Name; readonly to: Name }[] {
  const references = referencesOf(state)
  return [...references].flatMap(([from, all]) => all.filter((to) => !references.has(to)).map((to) => ({ from, to })))
}

/** The names of what a transaction sets and removes, in its order. */
export function namesIn(transaction: FibTransaction): { readonly set: readonly Name[]; readonly removed: readonly Name[] } {
  const { vrfs, ports, nextHops, groups, tunnelSources, labels, routes } = transaction
  const kinds = [
    { kind: 'vrf', set: vrfs.set.map(({ id }) => id), remove: vrfs.remove },
    { kind: 'port', set: ports.set.map(({ id }) => id), remove: ports.remove },
    { kind: 'next-hop', set: nextHops.set.map(({ id }) => id), remove: nextHops.remove },
    { kind: 'group', set: groups.set.map(({ id }) => id), remove: groups.remove },
    { kind: 'tunnel-sources', set: tunnelSources.set.map(({ id }) => id), remove: tunnelSources.remove },
    { kind: 'label', set: labels.set.map(({ label }) => label), remove: labels.remove },
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
  const meanings = ({ vrfs, ports, nextHops, groups, labels }: DataplaneState): ReadonlyMap<Name, string> =>
    new Map<Name, string>([
      ...vrfs.map(({ id, name }): [Name, string] => [`vrf ${id}`, name]),
      ...ports.map(({ id, kind, vrf }): [Name, string] => [`port ${id}`, `${kind} ${vrf}`]),
      ...nextHops.map(({ id, action }): [Name, string] => [`next-hop ${id}`, JSON.stringify(action)]),
      ...groups.map(({ id, members }): [Name, string] => [`group ${id}`, JSON.stringify(members)]),
      ...labels.map(({ label, action }): [Name, string] => [`label ${label}`, JSON.stringify(action)]),
    ])
  const old = meanings(before)
  return [...meanings(after)].filter(([name, meaning]) => (old.get(name) ?? meaning) !== meaning).map(([name]) => name)
}
