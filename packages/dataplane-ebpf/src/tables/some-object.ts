import { routeName, type FibTransaction, type ObjectChanges, type ObjectKind, type ObjectName } from '@heddle/core'
import { idOf } from './changes.js'

/** An object that a transaction changes, to name a refusal of all of it by; undefined when it changes none. */
export function someObjectOf(transaction: FibTransaction): ObjectName | undefined {
  const { vrfs, ports, liveness, nextHops, groups, tunnelSources, labels, vnis, mirrors, policies, services, natPools, traces, routes } =
    transaction
  const ids: readonly (readonly [ObjectKind, ObjectChanges<{ readonly id: number }> | undefined])[] = [
    ['vrf', vrfs],
    ['port', ports],
    ['liveness', liveness],
    ['next-hop', nextHops],
    ['group', groups],
    ['tunnel-sources', tunnelSources],
    ['mirror', mirrors],
    ['policy', policies],
    ['service', services],
    ['nat-pool', natPools],
    ['trace', traces],
  ]
  const named = [
    ...ids.map(([kind, changes]) => [kind, [...(changes?.set.map(idOf) ?? []), ...(changes?.remove ?? [])]] as const),
    ['label', [...labels.set.map(({ label }) => label), ...labels.remove]] as const,
    ['vni', [...vnis.set.map(({ vni }) => vni), ...vnis.remove]] as const,
  ]
  const [found] = named.flatMap(([kind, keys]) => keys.slice(0, 1).map((key) => ({ kind, key: String(key) })))
  if (found !== undefined || routes.count === 0) return found
  return { kind: 'route', key: routeName(routes.vrf[0], routes.prefixAt(0)) }
}
