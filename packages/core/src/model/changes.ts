import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { VrfState } from './vrf-state.js'

/** What has changed in the tables since the last compilation: prefixes of VRFs, and the tunnel sources of VRFs; and what of it others may have to hear. */
export class Changes {
  readonly routes = new Map<VrfState, Map<string, IpPrefix>>()
  readonly sources = new Set<VrfState>()
  /** Prefixes of routes that start here, by the VRF that they belong to, since others were told last. */
  readonly exports = new Map<VrfState, Map<string, IpPrefix>>()

  touch(vrf: VrfState, prefix: IpPrefix): void {
    put(this.routes, vrf, prefix)
  }

  /** Touches what others tell with one of these next hops. */
  touchRemote(vrfs: Iterable<VrfState>, isTouched: (nextHop: IpAddress) => boolean): void {
    for (const vrf of vrfs) {
      for (const { prefix, remote } of vrf.table.values()) {
        for (const { nextHop } of remote.values()) if (isTouched(nextHop)) this.touch(vrf, prefix)
      }
    }
  }

  touchExport(vrf: VrfState, prefix: IpPrefix): void {
    put(this.exports, vrf, prefix)
  }
}

function put(table: Map<VrfState, Map<string, IpPrefix>>, vrf: VrfState, prefix: IpPrefix): void {
  const prefixes = table.get(vrf)
  if (prefixes === undefined) table.set(vrf, new Map([[String(prefix), prefix]]))
  else prefixes.set(String(prefix), prefix)
}
