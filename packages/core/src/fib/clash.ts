import type { DataplaneState } from '../dataplane/dataplane.js'
import { canonicalText } from './canonical.js'
import type { FibObjects } from './fib-objects.js'
import type { ObjectSet } from './object-set.js'

/**
 * Whether a dataplane uses an id or a label for another thing than the one that is wanted under it. Changing such an object in place would, for a
 * moment, make what still refers to the old thing lead to the new one: into another VRF.
 */
export function clashes(wanted: FibObjects, state: DataplaneState): boolean {
  const differs = <T>(objects: ObjectSet<T>, key: number, object: T, meaning: (object: T) => unknown): boolean => {
    const own = objects.wanted.get(key)
    return own !== undefined && canonicalText(meaning(own)) !== canonicalText(meaning(object))
  }
  return (
    state.vrfs.some((vrf) => differs(wanted.vrfs, vrf.id, vrf, ({ name }) => name)) ||
    state.ports.some((port) => differs(wanted.ports, port.id, port, ({ kind, vrf }) => [kind, vrf ?? null])) ||
    state.nextHops.some((nextHop) => differs(wanted.nextHops, nextHop.id, nextHop, ({ action, liveness }) => [action, liveness ?? null])) ||
    state.groups.some((group) => differs(wanted.groups, group.id, group, ({ members }) => members)) ||
    state.labels.some((label) => differs(wanted.labels, label.label, label, ({ action }) => action)) ||
    state.vnis.some((vni) => differs(wanted.vnis, vni.vni, vni, ({ vrf }) => vrf))
  )
}
