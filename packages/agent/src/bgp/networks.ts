import { toBgp, type Originations } from '@heddle/exchange'
import { LOCAL_PREFERENCE, type VpnRoute, type VpnRouteChange } from '@heddle/core'
import type { NetworkConfig } from '../config.js'

/** What a speaker has to originate and take back so that `after` stands in the place of `before`. */
export function networkChanges(before: readonly NetworkConfig[], after: readonly NetworkConfig[]): Originations {
  const kept = new Set(before.map(textOf))
  const wanted = new Set(after.map(nameOf))
  const changes: VpnRouteChange[] = [
    ...before
      .filter((network) => !wanted.has(nameOf(network)))
      .map(({ rd, prefix }): VpnRouteChange => ({ kind: 'withdraw', source: 'local', rd, prefix, pathId: 0 })),
    ...after
      .filter((network) => !kept.has(textOf(network)))
      .map((network): VpnRouteChange => ({ kind: 'announce', route: routeOf(network) })),
  ]
  return toBgp(changes)
}

function routeOf(network: NetworkConfig): VpnRoute {
  return { ...network, source: 'local', pathId: 0, encapsulations: ['mpls-udp'], preference: LOCAL_PREFERENCE }
}

function nameOf({ rd, prefix }: NetworkConfig): string {
  return `${rd} ${prefix}`
}

function textOf(network: NetworkConfig): string {
  return `${nameOf(network)} ${network.label} ${network.nextHop} ${network.routeTargets.join(' ')}`
}
