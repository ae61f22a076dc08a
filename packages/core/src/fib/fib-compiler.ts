import type { IpPrefix } from '@heddle/wire'
import type { DataplaneState } from '../dataplane/dataplane.js'
import type {
  GroupObject,
  LabelObject,
  NextHopAction,
  NextHopObject,
  PortObject,
  TunnelSourcesObject,
  VrfObject,
} from '../dataplane/objects.js'
import { NO_GROUP, RouteBatch } from '../dataplane/route-batch.js'
import type { ApplyReport, FibTransaction, ObjectChanges } from '../dataplane/transaction.js'
import { Interner } from '../nexthop/interner.js'
import { ObjectSet } from './object-set.js'

interface RouteEntry {
  readonly vrf: number
  readonly prefix: IpPrefix
  wanted: number | undefined
  programmed: number | undefined
}

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
  readonly #routes = new Map<string, RouteEntry>()
  readonly #dirtyRoutes = new Set<string>()
  #inFlight: InFlight | undefined
  #generation = 0
  /** While true, nothing is removed: what a running dataplane holds stays until the model knows enough to judge it. */
  keep = false

  /** @param seed of the flow hash of every group */
  constructor(readonly seed: number) {
    this.#nextHopIds = new Interner(
      (action) => JSON.stringify(action),
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
    const name = routeName(vrf, prefix)
    const entry = this.#routes.get(name)
    const group = actions === undefined || actions.length === 0 ? undefined : this.#acquireGroup(actions)
    if (entry === undefined) {
      if (group === undefined) return
      this.#routes.set(name, { vrf, prefix, wanted: group, programmed: undefined })
    } else {
      const before = entry.wanted
      entry.wanted = group
      if (before !== undefined) this.#groupIds.release(before)
      if (before === group) return
    }
    this.#dirtyRoutes.add(name)
  }

  /** Whether the dataplane holds what is wanted for `prefix`. */
  isInstalled(vrf: number, prefix: IpPrefix): boolean {
    const entry = this.#routes.get(routeName(vrf, prefix))
    if (entry?.wanted === undefined || entry.wanted !== entry.programmed || !this.#groups.isProgrammed(entry.wanted)) return false
    return this.#groups.wanted.get(entry.wanted)?.members.every(({ nextHop }) => this.#nextHops.isProgrammed(nextHop)) === true
  }

  /** Takes over what a running dataplane holds: equal objects keep their ids, and nothing is removed until `keep` ends. */
  adopt(state: DataplaneState): void {
    this.#generation = Math.max(this.#generation, state.generation)
    this.keep = true
    for (const object of state.vrfs) this.vrfs.adopt(object.id, object)
    for (const object of state.ports) this.ports.adopt(object.id, object)
    for (const object of state.tunnelSources) this.tunnelSources.adopt(object.id, object)
    for (const object of state.labels) this.labels.adopt(object.label, object)
    for (const object of state.nextHops) {
      this.#nextHops.adopt(object.id, object)
      this.#nextHopIds.adopt(object.id, object.action)
    }
    for (const object of state.groups) {
      this.#groups.adopt(object.id, object)
      this.#groupIds.adopt(
        object.id,
        object.members.map(({ nextHop }) => nextHop),
      )
    }
    const { routes } = state
    for (let row = 0; row < routes.count; row++) {
      const vrf = routes.vrf[row]
      const prefix = routes.prefixAt(row)
      const name = routeName(vrf, prefix)
      this.#routes.set(name, { vrf, prefix, wanted: undefined, programmed: routes.group[row] })
      this.#dirtyRoutes.add(name)
    }
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
    const transaction: FibTransaction = {
      generation: this.#generation + 1,
      vrfs: this.vrfs.diff({ keep }),
      ports: this.ports.diff({ keep }),
      nextHops: this.#nextHops.diff({ keep }),
      groups: this.#groups.diff({ keep }),
      tunnelSources: this.tunnelSources.diff({ keep }),
      labels: this.labels.diff({ keep }),
      vnis: NO_CHANGES,
      routes: this.#diffRoutes(keep),
    }
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
    this.#settleRoutes(transaction.routes, (name) => ok(`route ${name}`))
    const complete = report.status === 'applied' && failed.size === 0
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

  #diffRoutes(keep: boolean): RouteBatch {
    const batch = new RouteBatch(Math.max(4, this.#dirtyRoutes.size))
    for (const name of this.#dirtyRoutes) {
      const entry = this.#routes.get(name)
      if (entry === undefined) {
        this.#dirtyRoutes.delete(name)
        continue
      }
      if (entry.wanted === undefined && keep) continue
      this.#dirtyRoutes.delete(name)
      if (entry.wanted === entry.programmed) {
        if (entry.wanted === undefined) this.#routes.delete(name)
      } else batch.push(entry.vrf, entry.prefix, entry.wanted ?? NO_GROUP)
    }
    return batch
  }

  #settleRoutes(routes: RouteBatch, ok: (name: string) => boolean): void {
    for (let row = 0; row < routes.count; row++) {
      const name = routeName(routes.vrf[row], routes.prefixAt(row))
      const entry = this.#routes.get(name)
      if (entry === undefined) continue
      if (!ok(name)) {
        this.#dirtyRoutes.add(name)
        continue
      }
      const group = routes.group[row]
      entry.programmed = group === NO_GROUP ? undefined : group
      if (entry.wanted === undefined && entry.programmed === undefined) this.#routes.delete(name)
    }
  }
}

/** Names a route in reports: `VRF PREFIX`. */
export function routeName(vrf: number, prefix: IpPrefix): string {
  return `${vrf} ${prefix}`
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
