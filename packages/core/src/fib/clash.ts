import type { DataplaneState } from '../dataplane/dataplane.js'
import type { GroupObject, LabelObject, NextHopObject, PortObject, VrfObject } from '../dataplane/objects.js'
import { canonicalText } from './canonical.js'
import type { ObjectSet } from './object-set.js'

/** What is wanted, as far as others refer to it by id. */
export interface NamedObjects {
  readonly vrfs: ObjectSet<VrfObject>
  readonly ports: ObjectSet<PortObject>
  readonly nextHops: ObjectSet<NextHopObject>
  readonly groups: ObjectSet<GroupObject>
  readonly labels: ObjectSet<LabelObject>
}

/**
 * Whether a dataplane uses an id or a label for another thing than the one that is wanted under it. Changing such an object in place would, for a
 * moment, make what still refers to the old thing lead to the new one: into another VRF.
 */
export function clashes(wanted: NamedObjects, state: DataplaneState): boolean {
  const differs = <T>(objects: ObjectSet<T>, key: number, object: T, meaning: (object: T) => unknown): boolean => {
    const own = objects.wanted.get(key)
    return own !== undefined && canonicalText(meaning(own)) !== canonicalText(meaning(object))
  }
  return (
    state.vrfs.some((vrf) => differs(wanted.vrfs, vrf.id, vrf, ({ name }) => name)) ||
    state.ports.some((port) => differs(wanted.ports, port.id, port, ({ kind, vrf }) => [kind, vrf ?? null])) ||
    state.nextHops.some((nextHop) => differs(wanted.nextHops, nextHop.id, nextHop, ({ action }) => action)) ||
    state.groups.some((group) => differs(wanted.groups, group.id, group, ({ members }) => members)) ||
    state.labels.some((label) => differs(wanted.labels, label.label, label, ({ action }) => action))
  )
}
