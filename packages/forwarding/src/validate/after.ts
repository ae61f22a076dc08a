import type {
  FibTransaction,
  GroupObject,
  LabelObject,
  LivenessObject,
  MirrorObject,
  NatPoolObject,
  NextHopObject,
  ObjectChanges,
  PolicyObject,
  PortObject,
  ServiceObject,
  TraceObject,
  TunnelSourcesObject,
  VniObject,
  VrfObject,
} from '@heddle/core'
import type { Mirror } from '../mirror/mirrors.js'
import type { NextHop, Port, Tables, TunnelSources, Vrf } from '../tables.js'

/** The ids and objects that there will be, as a view of the tables and the transaction. */
export class After {
  readonly vrfs: Changed<VrfObject, Vrf>
  readonly ports: Changed<PortObject, Port>
  readonly nextHops: Changed<NextHopObject, NextHop>
  readonly groups: Changed<GroupObject, GroupObject>
  readonly tunnelSources: Changed<TunnelSourcesObject, TunnelSources>
  readonly labels: Changed<LabelObject, LabelObject>
  readonly vnis: Changed<VniObject, VniObject>
  readonly policies: Changed<PolicyObject, PolicyObject>
  readonly services: Changed<ServiceObject, ServiceObject>
  readonly natPools: Changed<NatPoolObject, NatPoolObject>
  readonly liveness: Changed<LivenessObject, LivenessObject>
  readonly mirrors: Changed<MirrorObject, Mirror>
  readonly traces: Changed<TraceObject, TraceObject>

  constructor(
    readonly tables: Tables,
    readonly transaction: FibTransaction,
  ) {
    const idOf = ({ id }: { readonly id: number }): number => id
    this.vrfs = new Changed(transaction.vrfs, tables.vrfs, idOf, ({ object }) => object)
    this.ports = new Changed(transaction.ports, tables.ports, idOf, ({ object }) => object)
    this.nextHops = new Changed(transaction.nextHops, tables.nextHops, idOf, ({ object }) => object)
    this.groups = new Changed(transaction.groups, tables.groups, idOf, (object) => object)
    this.tunnelSources = new Changed(transaction.tunnelSources, tables.tunnelSources, idOf, ({ object }) => object)
    this.policies = new Changed(transaction.policies ?? { set: [], remove: [] }, tables.policies, idOf, (object) => object)
    this.liveness = new Changed(transaction.liveness ?? { set: [], remove: [] }, tables.liveness, idOf, (object) => object)
    this.natPools = new Changed(transaction.natPools ?? { set: [], remove: [] }, tables.natPools, idOf, (object) => object)
    this.services = new Changed(transaction.services ?? { set: [], remove: [] }, tables.serviceObjects, idOf, (object) => object)
    this.mirrors = new Changed(transaction.mirrors ?? { set: [], remove: [] }, tables.mirrors, idOf, ({ object }) => object)
    this.traces = new Changed(transaction.traces ?? { set: [], remove: [] }, tables.traces, idOf, (object) => object)
    this.labels = new Changed(
      transaction.labels,
      tables.labels,
      ({ label }) => label,
      (object) => object,
    )
    this.vnis = new Changed(
      transaction.vnis,
      tables.vnis,
      ({ vni }) => vni,
      (object) => object,
    )
  }
}

/** One kind of objects as it will be. */
export class Changed<T, Held> {
  readonly #set = new Map<number, T>()
  readonly #removed: ReadonlySet<number>
  readonly #objectOf: (held: Held) => T

  constructor(
    changes: ObjectChanges<T>,
    private readonly before: ReadonlyMap<number, Held>,
    keyOf: (object: T) => number,
    objectOf: (held: Held) => T,
  ) {
    for (const object of changes.set) this.#set.set(keyOf(object), object)
    this.#removed = new Set(changes.remove.filter((key) => !this.#set.has(key)))
    this.#objectOf = objectOf
  }

  has(key: number): boolean {
    return this.#set.has(key) || (this.before.has(key) && !this.#removed.has(key))
  }

  /** The object as it will be. */
  get(key: number): T | undefined {
    const held = this.#removed.has(key) ? undefined : this.before.get(key)
    return this.#set.get(key) ?? (held === undefined ? undefined : this.#objectOf(held))
  }

  get size(): number {
    let size = this.before.size
    for (const key of this.#set.keys()) if (!this.before.has(key)) size++
    for (const key of this.#removed) if (this.before.has(key)) size--
    return size
  }

  /** Keys that are there now and will not be. */
  get lost(): number[] {
    return [...this.#removed].filter((key) => this.before.has(key))
  }

  /** Objects that are set. */
  *[Symbol.iterator](): Generator<readonly [number, T]> {
    yield* this.#set
  }

  /** Every object that there will be. */
  *all(): Generator<readonly [number, T]> {
    yield* this.#set
    for (const [key, held] of this.before) if (!this.#set.has(key) && !this.#removed.has(key)) yield [key, this.#objectOf(held)]
  }

  /**
   * Visits the objects that are set, or all that there will be when something that they may refer to gets lost. With each endpoint that goes, this
   * looks at what is there for all others: a quarter of what a generator takes.
   */
  visit(all: boolean, look: (key: number, object: T) => void): void {
    this.#set.forEach((object, key) => look(key, object))
    if (!all) return
    this.before.forEach((held, key) => {
      if (!this.#set.has(key) && !this.#removed.has(key)) look(key, this.#objectOf(held))
    })
  }
}
