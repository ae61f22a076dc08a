import type { IpPrefix } from '@heddle/wire'
import type { DataplaneLimits, DataplaneState } from '../dataplane/dataplane.js'
import type {
  GroupObject,
  LabelObject,
  NextHopAction,
  NextHopObject,
  PortObject,
  TunnelSourcesObject,
  VrfObject,
} from '../dataplane/objects.js'
import type { ApplyReport, FibTransaction, ObjectChanges } from '../dataplane/transaction.js'
import { Interner } from '../nexthop/interner.js'
import { nextHopText } from './canonical.js'
import { clashes } from './clash.js'
import { ObjectSet } from './object-set.js'
import { RouteSet } from './route-set.js'

export { routeName } from './route-set.js'

/** What `take` handed out and `commit` has not heard of. */
interface InFlight {
  readonly transaction: FibTransaction
  readonly keep: boolean
}

const NO_CHANGES: ObjectChanges<never> = { set: [], remove: [] }

/**
 * Keeps what a dataplane shall hold beside what it holds, and makes transactions of the difference. Next hops and groups are shared by value: a
 * thousand routes to one tunnel are one group.
 */
export class FibCompiler {
  readonly vrfs = new ObjectSet<VrfObject>()
  readonly ports = new ObjectSet<PortObject>()
  readonly tunnelSources = new ObjectSet<TunnelSourcesObject>()
  readonly labels = new ObjectSet<LabelObject>()
  readonly #nextHops = new ObjectSet<NextHopObject>()
  readonly #groups = new ObjectSet<GroupObject>()
  readonly #nextHopIds: Interner<NextHopAction>
  readonly #groupIds: Interner<readonly number[]>
  readonly #routes: RouteSet
  #inFlight: InFlight | undefined
  #generation = 0
  /** The dataplane uses ids for other things than we do: it is emptied before it is told anything. */
  #emptying = false
  /** While true, nothing is removed: what a running dataplane holds stays until the model knows enough to judge it. */
  keep = false

  /**
   * @param seed of the flow hash of every group
   * @param limits of the dataplane: routes beyond them are not handed out, since a transaction over the limits is refused whole
   */
  constructor(
    readonly seed: number,
    limits?: Pick<DataplaneLimits, 'routes'>,
  ) {
    this.#routes = new RouteSet(limits?.routes)
    this.#nextHopIds = new Interner(
      nextHopText,
      (id, action) => {
        this.#nextHops.want(id, { id, action })
      },
      (id) => {
        this.#nextHops.drop(id)
      },
    )
    this.#groupIds = new Interner(
      (members) => members.join(' '),
      (id, members) => {
        for (const member of members) this.#nextHopIds.retain(member)
        this.#groups.want(id, { id, members: members.map((nextHop) => ({ nextHop, weight: 1 })), seed: this.seed })
      },
      (id, members) => {
        this.#groups.drop(id)
        for (const member of members) this.#nextHopIds.release(member)
      },
    )
  }

  /** Wants `prefix` in `vrf` to go by `actions`, side by side; `undefined` or none: no route. */
  setRoute(vrf: number, prefix: IpPrefix, actions: readonly NextHopAction[] | undefined): void {
    const group = actions === undefined || actions.length === 0 ? undefined : this.#acquireGroup(actions)
    const before = this.#routes.want(vrf, prefix, group)
    if (before !== undefined) this.#groupIds.release(before)
  }

  /** Has an adopted route go with the next transaction, unless it is wanted. */
  forbid(vrf: number, prefix: IpPrefix): void {
    this.#routes.forbid(vrf, prefix)
  }

  /** Whether the dataplane holds what is wanted for `prefix`. */
  isInstalled(vrf: number, prefix: IpPrefix): boolean {
    const group = this.#routes.installed(vrf, prefix)
    if (group === undefined || !this.#groups.isProgrammed(group)) return false
    return this.#groups.wanted.get(group)?.members.every(({ nextHop }) => this.#nextHops.isProgrammed(nextHop)) === true
  }

  /** Takes over what a running dataplane holds: equal objects keep their ids, and nothing is removed until `keep` ends. */
  adopt(state: DataplaneState): void {
    this.#generation = Math.max(this.#generation, state.generation)
    this.keep = true
    for (const object of state.vrfs) this.vrfs.adopt(object.id, object)
    for (const object of state.ports) this.ports.adopt(object.id, object)
    for (const object of state.tunnelSources) this.tunnelSources.adopt(object.id, object)
    for (const object of state.labels) this.labels.adopt(object.label, object)
    for (const object of state.nextHops) this.#nextHops.adopt(object.id, object)
    for (const object of state.groups) this.#groups.adopt(object.id, object)
    this.#adoptIds(state)
    this.#routes.adopt(state.routes)
  }

  /**
   * The dataplane was replaced by another one, which holds `state`: a transaction that is under way is void, and the next one starts from there. When
   * the other one uses ids for other things than we do, it is emptied first, also while `keep` holds.
   */
  replaced(state: DataplaneState): void {
    this.#inFlight = undefined
    this.#generation = Math.max(this.#generation, state.generation)
    this.vrfs.replace(state.vrfs.map((object) => [object.id, object]))
    this.ports.replace(state.ports.map((object) => [object.id, object]))
    this.tunnelSources.replace(state.tunnelSources.map((object) => [object.id, object]))
    this.labels.replace(state.labels.map((object) => [object.label, object]))
    this.#nextHops.replace(state.nextHops.map((object) => [object.id, object]))
    this.#groups.replace(state.groups.map((object) => [object.id, object]))
    this.#routes.replace(state.routes)
    this.#adoptIds(state)
    if (!this.keep) this.release()
    this.#emptying = clashes(
      { vrfs: this.vrfs, ports: this.ports, nextHops: this.#nextHops, groups: this.#groups, labels: this.labels },
      state,
    )
  }

  /** What was adopted and is not wanted may go. */
  release(): void {
    this.keep = false
    this.#nextHopIds.forgetAdopted()
    this.#groupIds.forgetAdopted()
  }

  /** The next generation, or `undefined` when nothing is to do or the last one is still under way. */
  take(): FibTransaction | undefined {
    if (this.#inFlight !== undefined) return undefined
    const { keep } = this
    const transaction = this.#emptying ? this.#clearing() : this.#diff(keep)
    if (isEmpty(transaction)) return undefined
    this.#generation++
    if (!keep) {
      this.#nextHopIds.ids.seal()
      this.#groupIds.ids.seal()
    }
    this.#inFlight = { transaction, keep }
    return transaction
  }

  /** What became of the transaction that `take` gave. What was not taken is part of the next one. Returns whether all of it was applied. */
  commit(report: ApplyReport): boolean {
    const inFlight = this.#inFlight
    if (inFlight === undefined || inFlight.transaction.generation !== report.generation) return false
    this.#inFlight = undefined
    const { transaction, keep } = inFlight
    const failed = new Set(report.failures.map(({ object }) => `${object.kind} ${object.key}`))
    const ok = (name: string): boolean => report.status === 'applied' && !failed.has(name)
    settle(
      this.vrfs,
      transaction.vrfs,
      ({ id }) => id,
      (key) => ok(`vrf ${key}`),
    )
    settle(
      this.ports,
      transaction.ports,
      ({ id }) => id,
      (key) => ok(`port ${key}`),
    )
    settle(
      this.#nextHops,
      transaction.nextHops,
      ({ id }) => id,
      (key) => ok(`next-hop ${key}`),
    )
    settle(
      this.#groups,
      transaction.groups,
      ({ id }) => id,
      (key) => ok(`group ${key}`),
    )
    settle(
      this.tunnelSources,
      transaction.tunnelSources,
      ({ id }) => id,
      (key) => ok(`tunnel-sources ${key}`),
    )
    settle(
      this.labels,
      transaction.labels,
      ({ label }) => label,
      (key) => ok(`label ${key}`),
    )
    this.#routes.settle(transaction.routes, (name) => ok(`route ${name}`))
    const complete = report.status === 'applied' && failed.size === 0
    if (complete) this.#emptying = false
    if (complete && !keep) {
      this.#nextHopIds.ids.settle()
      this.#groupIds.ids.settle()
    }
    return complete
  }

  #acquireGroup(actions: readonly NextHopAction[]): number {
    const ids = actions.map((action) => this.#nextHopIds.acquire(action))
    const group = this.#groupIds.acquire([...new Set(ids)].sort((a, b) => a - b))
    for (const id of ids) this.#nextHopIds.release(id) // a group holds its members for its life
    return group
  }

  #adoptIds({ nextHops, groups }: DataplaneState): void {
    for (const { id, action } of nextHops) this.#nextHopIds.adopt(id, action)
    for (const { id, members } of groups) {
      this.#groupIds.adopt(
        id,
        members.map(({ nextHop }) => nextHop),
      )
    }
  }

  #diff(keep: boolean): FibTransaction {
    return {
      generation: this.#generation + 1,
      vrfs: this.vrfs.diff({ keep }),
      ports: this.ports.diff({ keep }),
      nextHops: this.#nextHops.diff({ keep }),
      groups: this.#groups.diff({ keep }),
      tunnelSources: this.tunnelSources.diff({ keep }),
      labels: this.labels.diff({ keep }),
      vnis: NO_CHANGES,
      routes: this.#routes.diff({ keep }),
    }
  }

  /** Removes all that is programmed. What is wanted counts as not done, so that the next transaction has it. */
  #clearing(): FibTransaction {
    return {
      generation: this.#generation + 1,
      vrfs: this.vrfs.clearing(),
      ports: this.ports.clearing(),
      nextHops: this.#nextHops.clearing(),
      groups: this.#groups.clearing(),
      tunnelSources: this.tunnelSources.clearing(),
      labels: this.labels.clearing(),
      vnis: NO_CHANGES,
      routes: this.#routes.clearing(),
    }
  }
}

function settle<T>(objects: ObjectSet<T>, changes: ObjectChanges<T>, keyOf: (object: T) => number, ok: (key: number) => boolean): void {
  for (const object of changes.set) {
    const key = keyOf(object)
    if (ok(key)) objects.done(key, object)
    else objects.failed(key)
  }
  for (const key of changes.remove) {
    if (ok(key)) objects.done(key, undefined)
    else objects.failed(key)
  }
}

function isEmpty({ vrfs, ports, nextHops, groups, tunnelSources, labels, routes }: FibTransaction): boolean {
  return (
    routes.count === 0 &&
    [vrfs, ports, nextHops, groups, tunnelSources, labels].every(({ set, remove }) => set.length + remove.length === 0)
  )
}
