import type { RouteTarget } from '@heddle/wire'
import { RTC } from '../../nlri/family.js'
import { RTC_DEFAULT, routeTargetMembership } from '../../nlri/route-target-membership.js'
import type { AttributeSets } from '../../rib/attribute-sets.js'
import { LOCAL } from '../../rib/rib-table.js'
import { internLocal, pathIdOf } from './local-route.js'
import type { LocalRoute, LocalRouteKey } from '../route.js'
import type { Tables } from './tables.js'

/** Routes that the speaker originates, and its route target memberships, which are routes too. */
export class LocalRoutes {
  #memberships: LocalRoute[] = []

  /** @param as the AS that memberships are told of */
  constructor(
    private readonly tablesOf: (vrf: string | undefined) => Tables,
    private readonly sets: AttributeSets,
    private readonly as: number,
  ) {}

  /** @throws SpeakerError `speaker.route`, `speaker.config` for a VRF that there is not; then none was applied */
  announce(routes: readonly LocalRoute[]): void {
    const tables = routes.map(({ vrf }) => this.tablesOf(vrf))
    const sets = internLocal(routes, this.sets)
    routes.forEach(({ family, nlri }, at) => {
      const table = tables[at].of(family)
      const key = table.newKey()
      table.key.fromNlri(nlri, key)
      table.announce(LOCAL, key, pathIdOf(nlri), table.key.dataFromNlri(nlri), sets[at])
      tables[at].touched(table)
    })
  }

  withdraw(keys: readonly LocalRouteKey[]): void {
    for (const { family, nlri, vrf } of keys) {
      const tables = this.tablesOf(vrf)
      const table = tables.of(family)
      const key = table.newKey()
      table.key.fromNlri(nlri, key)
      table.withdraw(LOCAL, key, pathIdOf(nlri))
      tables.touched(table)
    }
  }

  /** Takes these memberships (RFC 4684) in the place of those before. */
  wantTargets(targets: readonly RouteTarget[] | 'all'): void {
    const nlri = targets === 'all' ? [RTC_DEFAULT] : targets.map((target) => routeTargetMembership(this.as, target))
    const next = nlri.map((entry): LocalRoute => ({ family: RTC, nlri: entry }))
    this.announce(next)
    const wanted = new Set(next.map((route) => JSON.stringify(route.nlri)))
    this.withdraw(this.#memberships.filter((route) => !wanted.has(JSON.stringify(route.nlri))))
    this.#memberships = next
  }
}
