import type { IpPrefix } from '@heddle/wire'
import type { DataplaneLimits, DataplaneState } from '../dataplane/dataplane.js'
import type { MirrorObject } from '../dataplane/mirror.js'
import type { NextHopObject, VniObject } from '../dataplane/objects.js'
import type { TraceObject } from '../dataplane/trace.js'
import type { ApplyReport, FibTransaction } from '../dataplane/transaction.js'
import { Interner } from '../nexthop/interner.js'
import { canonicalText, nextHopText } from './canonical.js'
import { clashes } from './clash.js'
import { areEmpty, FibObjects } from './fib-objects.js'
import { KeyedObjects } from './keyed-objects.js'
import { LivenessObjects } from './liveness-objects.js'
import { RouteSet } from './route-set.js'
import { WaitingRoutes, type WaitingRoute } from './waiting-routes.js'

export { routeName } from './route-set.js'

/** What a mirror stands for: its session with a collector, or a stream of just these packets. */
export function mirrorKey({ sink, ports, snapLength }: Omit<MirrorObject, 'id'>): string {
  return sink.type === 'erspan' ? `${sink.remote} ${sink.session}` : canonicalText({ ports, snapLength })
}

/** What a trace stands for. */
export function traceKey({ filter }: Omit<TraceObject, 'id'>): string {
  return canonicalText(filter)
}

/** Where packets go, and on whose liveness that depends. */
export type Hop = Pick<NextHopObject, 'action' | 'liveness'>

/** What `take` handed out and `commit` has not heard of. */
interface InFlight {
  readonly transaction: FibTransaction
  readonly keep: boolean
}

/**
 * Keeps what a dataplane shall hold beside what it holds, and makes transactions of the difference. Next hops and groups are shared by value: a
 * thousand routes to one tunnel are one group.
 */
export class FibCompiler {
  /** Objects of every kind; next hops and groups come and go with the routes. */
  readonly objects = new FibObjects()
  /** Routes by the ids of their groups: `setRoute` knows those. */
  readonly routes: RouteSet
  readonly policies = new KeyedObjects(this.objects.policies, ({ port, direction }) => `${port} ${direction}`)
  readonly services = new KeyedObjects(this.objects.services, ({ vrf, address, protocol, port }) => `${vrf} ${address} ${protocol} ${port}`)
  readonly natPools = new KeyedObjects(this.objects.natPools, ({ vrf, outside, address }) => `${vrf} ${outside} ${address.family}`)
  readonly liveness = new LivenessObjects(this.objects.liveness)
  readonly mirrors = new KeyedObjects(this.objects.mirrors, mirrorKey)
  readonly traces = new KeyedObjects(this.objects.traces, traceKey)
  readonly #nextHopIds: Interner<Hop>
  readonly #groupIds: Interner<readonly number[]>
  /** Routes for whose next hops, or group, there is no room: they come when others go. */
  readonly #waiting = new WaitingRoutes<readonly Hop[]>((hops) => hops.map(nextHopText).join(', '))
  readonly #most: { readonly nextHops: number; readonly groups: number }
  #inFlight: InFlight | undefined
  #generation = 0
  /** The dataplane uses ids for other things than we do: it is emptied before it is told anything. */
  #emptying = false
  /** While true, nothing is removed: what a running dataplane holds stays until the model knows enough to judge it. */
  keep = false

  /**
   * @param seed of the flow hash of every group
   * @param limits of the dataplane: routes beyond them, and those whose next hops would be, are not handed out, since a transaction over the limits is refused whole
   */
  constructor(
    readonly seed: number,
    limits?: Pick<DataplaneLimits, 'routes' | 'nextHops' | 'groups'>,
  ) {
    this.routes = new RouteSet(limits?.routes)
    const { nextHops = Number.POSITIVE_INFINITY, groups = Number.POSITIVE_INFINITY } = limits ?? {}
    this.#most = { nextHops, groups }
    this.#nextHopIds = new Interner(
      nextHopText,
      (id, hop) => {
        this.objects.nextHops.want(id, { id, ...hop })
      },
      (id) => {
        this.objects.nextHops.drop(id)
      },
    )
    this.#groupIds = new Interner(
      (members) => members.join(' '),
      (id, members) => {
        for (const member of members) this.#nextHopIds.retain(member)
        this.objects.groups.want(id, { id, members: members.map((nextHop) => ({ nextHop, weight: 1 })), seed: this.seed })
      },
      (id, members) => {
        this.objects.groups.drop(id)
        for (const member of members) this.#nextHopIds.release(member)
      },
    )
  }

  /** Wants `prefix` in `vrf` to go by `hops`, side by side; `undefined` or none: no route. */
  setRoute(vrf: number, prefix: IpPrefix, hops: readonly Hop[] | undefined): void {
    const route = { vrf, prefix }
    this.#waiting.delete(route)
    if (hops === undefined || hops.length === 0) return this.#wantRoute(route, undefined)
    // It may have held the room itself.
    if (!this.#hasRoom(hops)) this.#wantRoute(route, undefined)
    if (!this.#hasRoom(hops)) return this.#waiting.add(route, hops)
    this.#wantRoute(route, hops)
    this.#admit(hops)
  }

  /** Has routes come that have waited for these next hops. */
  #admit(hops: readonly Hop[]): void {
    for (const route of this.#waiting.take(hops)) this.#wantRoute(route, hops)
  }

  #wantRoute({ vrf, prefix }: WaitingRoute, hops: readonly Hop[] | undefined): void {
    const group = hops === undefined ? undefined : this.#acquireGroup(hops)
    const before = this.routes.want(vrf, prefix, group)
    if (before !== undefined) this.#groupIds.release(before)
  }

  /** Whether there is room for what of these next hops, and of their group, is not there yet. */
  #hasRoom(hops: readonly Hop[]): boolean {
    const { nextHops, groups } = this.#most
    if (this.#nextHopIds.size + hops.length <= nextHops && this.#groupIds.size < groups) return true
    const ids = hops.map((hop) => this.#nextHopIds.idOf(hop))
    const fresh = new Set(hops.filter((_, index) => ids[index] === undefined).map(nextHopText)).size
    if (fresh > 0) return this.#nextHopIds.size + fresh <= nextHops && this.#groupIds.size < groups
    return this.#groupIds.size < groups || this.#groupIds.idOf(membersOf(ids as number[])) !== undefined
  }

  /** Routes come that have waited, as far as there is room by now. */
  #admitWaiting(): void {
    for (const hops of this.#waiting.ways()) {
      if (this.#isFull) return
      if (this.#hasRoom(hops)) this.#admit(hops)
    }
  }

  get #isFull(): boolean {
    return this.#nextHopIds.size >= this.#most.nextHops || this.#groupIds.size >= this.#most.groups
  }

  /** Has an adopted route go with the next transaction, unless it is wanted. */
  forbid(vrf: number, prefix: IpPrefix): void {
    this.routes.forbid(vrf, prefix)
  }

  /** Whether the next transaction, or the one under way, removes everything. */
  get isEmptying(): boolean {
    return this.#emptying
  }

  /** Whether the dataplane holds what is wanted for `prefix`, and its programs look it up there. */
  isInstalled(vrf: number, prefix: IpPrefix): boolean {
    const group = this.routes.installed(vrf, prefix)
    const { vrfs, groups, nextHops } = this.objects
    if (group === undefined || !vrfs.isProgrammed(vrf) || !groups.isProgrammed(group)) return false
    return groups.wanted.get(group)?.members.every(({ nextHop }) => nextHops.isProgrammed(nextHop)) === true
  }

  /** Takes over what a running dataplane holds: equal objects keep their ids, and nothing is removed until `keep` ends. */
  adopt(state: DataplaneState): void {
    this.#generation = Math.max(this.#generation, state.generation)
    this.keep = true
    this.objects.adopt(state)
    this.#adoptIds(state)
    this.routes.adopt(state.routes)
  }

  /**
   * The dataplane was replaced by another one, which holds `state`: a transaction that is under way is void, and the next one starts from there. When
   * the other one uses ids for other things than we do, it is emptied first, also while `keep` holds.
   */
  replaced(state: DataplaneState): void {
    this.#inFlight = undefined
    this.#generation = Math.max(this.#generation, state.generation)
    this.objects.replace(state)
    this.routes.replace(state.routes)
    this.#adoptIds(state)
    if (!this.keep) this.release()
    this.#emptying = clashes(this.objects, state)
  }

  /** What was adopted and is not wanted may go. */
  release(): void {
    this.keep = false
    for (const ids of this.#allIds) ids.forgetAdopted()
  }

  /** What the transaction that is under way makes of a VNI, if it sets it. */
  vniUnderWay(vni: number): VniObject | undefined {
    return this.#inFlight?.transaction.vnis.set.find((object) => object.vni === vni)
  }

  /** The next generation, or `undefined` when nothing is to do or the last one is still under way. */
  take(): FibTransaction | undefined {
    if (this.#inFlight !== undefined) return undefined
    const { keep } = this
    this.#admitWaiting()
    const transaction = this.#emptying ? this.#clearing() : this.#diff(keep)
    if (areEmpty(transaction) && transaction.routes.count === 0) return undefined
    this.#generation++
    if (!keep) {
      for (const ids of this.#allIds) ids.seal()
    }
    this.#inFlight = { transaction, keep }
    return transaction
  }

  /**
   * What became of the transaction that `take` gave. What was not taken is part of the next one, and so is whatever else the report names. Returns whether
   * all of it was applied.
   */
  commit(report: ApplyReport): boolean {
    const inFlight = this.#inFlight
    if (inFlight === undefined || inFlight.transaction.generation !== report.generation) return false
    this.#inFlight = undefined
    const { transaction, keep } = inFlight
    const failed = new Set(report.failures.map(({ object }) => `${object.kind} ${object.key}`))
    const ok = (name: string): boolean => report.status === 'applied' && !failed.has(name)
    this.objects.settle(transaction, (kind, key) => ok(`${kind} ${key}`))
    if (report.status === 'applied') for (const { object } of report.failures) this.objects.refused(object.kind, Number(object.key))
    this.routes.settle(transaction.routes, (name) => ok(`route ${name}`))
    const complete = report.status === 'applied' && failed.size === 0
    if (complete) this.#emptying = false
    if (complete && !keep) {
      for (const ids of this.#allIds) ids.settle()
    }
    return complete
  }

  #acquireGroup(hops: readonly Hop[]): number {
    const ids = hops.map((hop) => this.#nextHopIds.acquire(hop))
    const group = this.#groupIds.acquire(membersOf(ids))
    for (const id of ids) this.#nextHopIds.release(id) // a group holds its members for its life
    return group
  }

  get #allIds(): readonly Pick<KeyedObjects<never>, 'seal' | 'settle' | 'forgetAdopted'>[] {
    const { policies, services, natPools, liveness, mirrors, traces } = this
    return [this.#nextHopIds, this.#groupIds, policies, services, natPools, liveness, mirrors, traces]
  }

  #adoptIds({
    nextHops,
    groups,
    policies = [],
    services = [],
    natPools = [],
    liveness = [],
    mirrors = [],
    traces = [],
  }: DataplaneState): void {
    this.mirrors.adopt(mirrors)
    this.traces.adopt(traces)
    this.policies.adopt(policies)
    this.services.adopt(services)
    this.natPools.adopt(natPools)
    this.liveness.adopt(liveness)
    for (const { id, ...hop } of nextHops) this.#nextHopIds.adopt(id, hop)
    for (const { id, members } of groups) {
      this.#groupIds.adopt(
        id,
        members.map(({ nextHop }) => nextHop),
      )
    }
  }

  #diff(keep: boolean): FibTransaction {
    return { generation: this.#generation + 1, ...this.objects.diff({ keep }), routes: this.routes.diff({ keep }) }
  }

  /** Removes all that is programmed. What is wanted counts as not done, so that the next transaction has it. */
  #clearing(): FibTransaction {
    return { generation: this.#generation + 1, ...this.objects.clearing(), routes: this.routes.clearing() }
  }
}

/** Members of a group: each once, in order. */
function membersOf(ids: readonly number[]): readonly number[] {
  return [...new Set(ids)].sort((a, b) => a - b)
}
