import type { IpPrefix } from '@heddle/wire'
import type { VrfState } from './vrf-state.js'

/** What has changed in the tables since the last compilation: prefixes of VRFs, and the tunnel sources of VRFs. */
export class Changes {
  readonly routes = new Map<VrfState, Map<string, IpPrefix>>()
  readonly sources = new Set<VrfState>()

  touch(vrf: VrfState, prefix: IpPrefix): void {
    const prefixes = this.routes.get(vrf)
    if (prefixes === undefined) this.routes.set(vrf, new Map([[String(prefix), prefix]]))
    else prefixes.set(String(prefix), prefix)
  }
}
