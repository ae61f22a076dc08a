import type { DataplaneState } from '../dataplane/dataplane.js'
import type { LivenessObject } from '../dataplane/liveness.js'
import type { MirrorObject } from '../dataplane/mirror.js'
import type { NatPoolObject } from '../dataplane/nat-pool.js'
import type {
  GroupObject,
  LabelObject,
  NextHopObject,
  PortObject,
  TunnelSourcesObject,
  VniObject,
  VrfObject,
} from '../dataplane/objects.js'
import type { PolicyObject } from '../dataplane/policy.js'
import type { ServiceObject } from '../dataplane/service.js'
import type { TraceObject } from '../dataplane/trace.js'
import type { FibTransaction, ObjectChanges, ObjectKind } from '../dataplane/transaction.js'
import { ObjectSet } from './object-set.js'

/** All objects of a transaction but its routes. */
export type ObjectsOfTransaction = Omit<FibTransaction, 'generation' | 'routes'>

/** Members of a transaction and of a state that hold objects, with the kind's name in reports; those that a dataplane may not know are left out when empty. */
const KINDS = {
  vrfs: { kind: 'vrf', isOptional: false },
  ports: { kind: 'port', isOptional: false },
  nextHops: { kind: 'next-hop', isOptional: false },
  groups: { kind: 'group', isOptional: false },
  tunnelSources: { kind: 'tunnel-sources', isOptional: false },
  labels: { kind: 'label', isOptional: false },
  vnis: { kind: 'vni', isOptional: false },
  policies: { kind: 'policy', isOptional: true },
  services: { kind: 'service', isOptional: true },
  liveness: { kind: 'liveness', isOptional: true },
  natPools: { kind: 'nat-pool', isOptional: true },
  mirrors: { kind: 'mirror', isOptional: true },
  traces: { kind: 'trace', isOptional: true },
} as const satisfies Readonly<Record<keyof ObjectsOfTransaction, { readonly kind: ObjectKind; readonly isOptional: boolean }>>

type Member = keyof typeof KINDS

/** What is wanted of a dataplane and what it holds, of every kind but routes. */
export class FibObjects {
  readonly vrfs = new ObjectSet<VrfObject>()
  readonly ports = new ObjectSet<PortObject>()
  readonly nextHops = new ObjectSet<NextHopObject>()
  readonly groups = new ObjectSet<GroupObject>()
  readonly tunnelSources = new ObjectSet<TunnelSourcesObject>()
  readonly labels = new ObjectSet<LabelObject>()
  readonly vnis = new ObjectSet<VniObject>()
  readonly policies = new ObjectSet<PolicyObject>()
  readonly services = new ObjectSet<ServiceObject>()
  readonly liveness = new ObjectSet<LivenessObject>()
  readonly natPools = new ObjectSet<NatPoolObject>()
  readonly mirrors = new ObjectSet<MirrorObject>()
  readonly traces = new ObjectSet<TraceObject>()

  /** Takes over what a running dataplane holds. */
  adopt(state: DataplaneState): void {
    for (const [member, set] of this.#sets()) for (const object of state[member] ?? []) set.adopt(keyOf(object), object)
  }

  /** The dataplane was replaced by one that holds `state`. */
  replace(state: DataplaneState): void {
    for (const [member, set] of this.#sets()) set.replace((state[member] ?? []).map((object) => [keyOf(object), object]))
  }

  /** What has to be done; with `keep`, nothing is removed. */
  diff(options: { readonly keep: boolean }): ObjectsOfTransaction {
    return this.#changes((set) => set.diff(options))
  }

  /** The removal of everything that is programmed. */
  clearing(): ObjectsOfTransaction {
    return this.#changes((set) => set.clearing())
  }

  /** What became of changes. @param ok whether an object of this kind and key was taken */
  settle(changes: ObjectsOfTransaction, ok: (kind: ObjectKind, key: number) => boolean): void {
    for (const [member, set] of this.#sets()) {
      const { kind } = KINDS[member]
      const { set: added, remove } = changes[member] ?? { set: [], remove: [] }
      for (const object of added) settleOne(set, keyOf(object), object, ok(kind, keyOf(object)))
      for (const key of remove) settleOne(set, key, undefined, ok(kind, key))
    }
  }

  /** The kernel or device refused something of an object, or that follows from it, whether changes had it or not. */
  refused(kind: ObjectKind, key: number): void {
    for (const [member, set] of this.#sets()) if (KINDS[member].kind === kind) set.refused(key)
  }

  #changes(changesOf: (set: ObjectSet<unknown>) => ObjectChanges<unknown>): ObjectsOfTransaction {
    const all = this.#sets().map(([member, set]) => [member, changesOf(set)] as const)
    const told = all.filter(([member, { set, remove }]) => !KINDS[member].isOptional || set.length + remove.length > 0)
    return Object.fromEntries(told) as unknown as ObjectsOfTransaction
  }

  #sets(): readonly (readonly [Member, ObjectSet<unknown>])[] {
    return (Object.keys(KINDS) as Member[]).map((member) => [member, this[member] as ObjectSet<unknown>])
  }
}

/** Whether there is nothing in them. */
export function areEmpty(changes: ObjectsOfTransaction): boolean {
  return (Object.keys(KINDS) as Member[]).every((member) => {
    const { set, remove } = changes[member] ?? { set: [], remove: [] }
    return set.length + remove.length === 0
  })
}

function settleOne(set: ObjectSet<unknown>, key: number, object: unknown, isDone: boolean): void {
  if (isDone) set.done(key, object)
  else set.failed(key)
}

/** Labels and VNIs are their own ids. */
function keyOf(object: unknown): number {
  const { id, label, vni } = object as { readonly id?: number; readonly label?: number; readonly vni?: number }
  return (id ?? label ?? vni) as number
}
