import type { PeerProtection } from '@heddle/io'
import type { IpPrefix, RouteTarget } from '@heddle/wire'
import type * as typed from 'typed-emitter'
import { CEASE } from '../iana.js'
import type { Family } from '../nlri/family.js'
import { SHUTDOWN_LIMIT } from '../message/notification.js'
import { truncateText } from '../message/text.js'
import type {
  ConfederationConfig,
  DynamicNeighborConfig,
  FamilyName,
  ListenConfig,
  NeighborConfig,
  SpeakerConfig,
  SpeakerDefaults,
  SpeakerOptions,
  VrfConfig,
} from './config.js'
import type { DecisionConfig } from './table/decision.js'
import type { SpeakerEvents } from './events.js'
import { collectMetrics } from './query/collect-metrics.js'
import type { SpeakerMetrics } from './query/metrics.js'
import type { NeighborView } from './peer/neighbor-view.js'
import type { OriginValidator } from './origin-validator.js'
import type { Explanation } from './query/explain.js'
import type { MessageTrace } from './peer/message-trace.js'
import type { Reconciliation } from './peer/reconcile.js'
import type { WatchEvent } from './follow/watch.js'
import type { LocalRoute, LocalRouteKey, RouteChange, RouteView } from './route.js'
import type { ExplainQuery, RoutesQuery, StopOptions } from './query/queries.js'
import { PrefixCover } from './prefix-cover.js'
import { SpeakerError } from './speaker-error.js'
import type { TableAccess, TableObserver } from './table/table-observers.js'
import { SpeakerParts } from './speaker-parts.js'
import { explanationOf, familyNamed, routesOf } from './query/answer-queries.js'

/**
 * A BGP speaker: sessions with its neighbors, their routes and its own, and the decision between them. It has no globals; clock, randomness
 * and transport are injected, and with fakes of these it is deterministic.
 *
 * @example
 * const speaker = new Speaker({ clock, random, transport, config: { as: 65000, routerId: '192.0.2.1', neighbors } })
 * await speaker.start()
 * speaker.announce([{ family: VPNV4_UNICAST, nlri, attributes }])
 * for await (const changes of speaker.changes) apply(changes)
 */
export class Speaker implements AsyncDisposable {
  readonly #parts: SpeakerParts
  #places: readonly ListenConfig[]

  /** @throws SpeakerError `speaker.config` naming the value, `speaker.neighbor-exists` */
  constructor(options: SpeakerOptions) {
    this.#parts = new SpeakerParts(options)
    this.#places = options.config.listen ?? []
    this.setRouteTargetMembership('all')
  }

  /** Control events. */
  get events(): typed.default<SpeakerEvents> {
    return this.#parts.events
  }

  /**
   * Changes of all valid paths that peers gave, best or not, because a VRF imports by its own rules; those of customers with their VRF. See `ChangeFeed`.
   */
  get changes(): AsyncIterable<readonly RouteChange[]> {
    return this.#parts.feed
  }

  /** Changes that the iteration of `changes` has queued and not handed out yet; 0 while there is no iteration. */
  get pendingChanges(): number {
    return this.#parts.feed.pending
  }

  /** Where the speaker listens in fact. */
  get listening(): readonly { readonly address: string; readonly port: number }[] {
    return this.#parts.listeners.local
  }

  /**
   * Listens and begins to connect. What was announced before is sent as soon as a session is up, so a speaker that takes another's place
   * announces first.
   *
   * @throws SpeakerError `speaker.listen` naming address and port, with the transport's error as cause; then nothing has been started
   */
  async start(): Promise<void> {
    this.#parts.options.recorder?.call('start', [])
    if (this.#parts.state !== 'new') throw new SpeakerError('speaker.state', 'start', `the speaker is ${this.#parts.state}`)
    this.#parts.state = 'running'
    try {
      await this.#parts.listeners.use(this.#places, this.#parts.neighbors.protection())
    } catch (error) {
      this.#parts.state = 'new'
      throw error
    }
    this.#parts.deferral.start()
    for (const peer of this.#parts.neighbors.all()) peer.start()
    this.#parts.listeners.begin()
  }

  /**
   * Ends all sessions: with Cease and `message`, or silently when `graceful`. What was announced and withdrawn before is decided and written
   * first, as far as the peers take it at once; see `flushed` for those that do not. Iterations of `changes` end at once, without withdrawals.
   * Resolves when nothing listens any more. Idempotent.
   */
  async stop({ graceful = false, message }: StopOptions = {}): Promise<void> {
    this.#parts.options.recorder?.call('stop', [{ graceful, ...(message === undefined ? {} : { message }) }])
    if (this.#parts.state === 'stopped') return
    this.#parts.state = 'stopped'
    this.#parts.feed.close()
    this.#parts.watches.close()
    // what was taken back a moment ago must not be kept as stale by peers that wait for us
    this.#hurry()
    this.#parts.scheduler.drain(['decide', 'export'])
    const shutdown = message === undefined ? undefined : truncateText(message, SHUTDOWN_LIMIT)
    for (const peer of this.#parts.neighbors.all()) {
      peer.stop({ type: 'manual-stop', silent: graceful, ...(shutdown === undefined ? {} : { shutdown }) })
    }
    this.#parts.deferral.stop()
    this.#parts.scheduler.stop()
    this.#parts.flushes.stop()
    await this.#parts.listeners.close()
  }

  /** As `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Originates routes, or changes those that are there.
   *
   * @throws SpeakerError `speaker.route` when one cannot stand on the wire; then none was applied
   */
  announce(routes: readonly LocalRoute[]): void {
    this.#parts.options.recorder?.call('announce', [routes])
    this.#parts.local.announce(routes)
  }

  /** Takes routes of our own back; those that are not there do not matter. */
  withdraw(keys: readonly LocalRouteKey[]): void {
    this.#parts.options.recorder?.call('withdraw', [keys])
    this.#parts.local.withdraw(keys)
  }

  /**
   * Resolves when everything that was announced and withdrawn so far has been decided and handed to the connections of the established
   * sessions: a `stop` that follows reaches the peers behind it. A family that is still held back from a peer (restart deferral, memberships
   * that are awaited) is not waited for; the advertisement interval is not kept.
   *
   * @param options `timeout`: milliseconds by the injected clock after which it resolves although a peer takes nothing. Default 1000.
   */
  flushed({ timeout = 1000 }: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#parts.state === 'stopped') return Promise.resolve()
    this.#hurry()
    return this.#parts.flushes.wait(timeout)
  }

  /**
   * Which VPN routes peers should send us (RFC 4684). Until it is called: all of them.
   *
   * @param targets `all`, or exactly these
   */
  setRouteTargetMembership(targets: readonly RouteTarget[] | 'all'): void {
    this.#parts.options.recorder?.call('setRouteTargetMembership', [targets])
    this.#parts.local.wantTargets(targets)
  }

  /** All VRFs, at this moment. */
  get vrfs(): readonly VrfConfig[] {
    return this.#parts.neighbors.vrfs
  }

  /** All neighbors, at this moment. */
  neighbors(): NeighborView[] {
    return Array.from(this.#parts.neighbors.all(), (peer) => peer.view())
  }

  /**
   * @throws SpeakerError `speaker.config`, `speaker.neighbor-exists`
   * @throws TransportError `transport.unsupported`: the transport cannot protect the neighbor's streams; then nothing has changed
   */
  addNeighbor(neighbor: NeighborConfig): void {
    this.#parts.options.recorder?.call('addNeighbor', [neighbor])
    this.#parts.neighbors.add(neighbor)
  }

  /** Ends the session with Cease and forgets the peer and its routes. @throws SpeakerError `speaker.neighbor-unknown` */
  removeNeighbor(address: string): void {
    this.#parts.options.recorder?.call('removeNeighbor', [address])
    this.#parts.neighbors.remove(address)
  }

  /**
   * Changes a neighbor's configuration. The session is reset only where the change needs it; no other neighbor notices.
   *
   * @returns what was done
   * @throws SpeakerError `speaker.config`, `speaker.neighbor-unknown`
   * @throws TransportError `transport.unsupported`: the transport cannot protect the neighbor's streams; then nothing has changed
   */
  updateNeighbor(neighbor: NeighborConfig): 'unchanged' | 'applied' | 'reset' {
    this.#parts.options.recorder?.call('updateNeighbor', [neighbor])
    return this.#parts.neighbors.update(neighbor)
  }

  /**
   * Takes other VRFs in the place of those that there are. One of the same name keeps its routes and neighbors: they go out with its RD, label and
   * route targets of now, and what its import targets of now want comes in. Local routes of a VRF that goes are gone with it.
   *
   * @throws SpeakerError `speaker.config` for a value that cannot be used, or a VRF that goes and still has neighbors; then nothing has changed
   */
  setVrfs(vrfs: readonly VrfConfig[]): void {
    this.#parts.options.recorder?.call('setVrfs', [vrfs])
    this.#parts.neighbors.useVrfs(vrfs, () => this.#parts.tables.useVrfs(vrfs))
    this.#parts.events.emit('vrfs', vrfs)
  }

  /**
   * Listens elsewhere; sessions that came from a place that goes are left alone. Resolves when it does.
   *
   * @param protection what the streams of peers must have that come soon. Default: of those that there are
   * @throws SpeakerError `speaker.config`, `speaker.listen`; then it listens where it did before
   */
  async setListen(places: readonly ListenConfig[], protection?: readonly PeerProtection[]): Promise<void> {
    this.#parts.options.recorder?.call('setListen', [places, protection])
    const { state, listeners, neighbors } = this.#parts
    if (state === 'running') await listeners.use(places, protection ?? neighbors.protection())
    this.#places = places
    this.#parts.neighbors.configured({ listen: places })
  }

  /**
   * Belongs to another confederation, or to none. Sessions begin anew with peers that know us by another AS number from here on, or become members of
   * it, or cease to be.
   *
   * @throws SpeakerError `speaker.config`; then nothing has changed
   */
  setConfederation(confederation: ConfederationConfig | undefined): void {
    this.#parts.options.recorder?.call('setConfederation', [confederation])
    this.#parts.neighbors.useConfederation(confederation)
  }

  /**
   * Says other things to neighbors of which nothing else is said: sessions begin anew with those whose OPEN from us is another one, and routes go out
   * anew to those that they are reflected to.
   *
   * @param defaults all of them; what is left out is what it is by default
   * @throws SpeakerError `speaker.config`; then nothing has changed
   */
  setDefaults(defaults: SpeakerDefaults): void {
    this.#parts.options.recorder?.call('setDefaults', [defaults])
    this.#parts.neighbors.useDefaults(defaults)
  }

  /** Compares paths in another way: every destination is decided again, and no session ends. */
  setDecision(decision: DecisionConfig): void {
    this.#parts.options.recorder?.call('setDecision', [decision])
    this.#parts.tables.useDecision(decision)
    this.#parts.neighbors.configured({ decision })
  }

  /**
   * Takes peers that nobody has named from other ranges. Those that have come go on as the range that they are in now has it; sessions with those that
   * are in none end.
   *
   * @throws SpeakerError `speaker.config`; TransportError `transport.unsupported`; then nothing has changed
   */
  setDynamicNeighbors(ranges: readonly DynamicNeighborConfig[]): void {
    this.#parts.options.recorder?.call('setDynamicNeighbors', [ranges])
    this.#parts.neighbors.useDynamic(ranges)
  }

  /** Has origins validated by another validator, or not at all: import policies are applied again. No peer is asked for anything. */
  setOriginValidator(validator: OriginValidator | undefined): void {
    this.#parts.options.recorder?.call('originsChanged', [])
    this.#parts.validator = validator
    for (const peer of this.#parts.neighbors.all()) peer.flows?.reconfigure(peer.config)
  }

  /**
   * Compares a desired configuration with the one that is there. Nothing happens before `apply`; see `NeighborChange.impact` for what will.
   *
   * @throws SpeakerError `speaker.config` when a value cannot be used, or cannot change while the speaker lives
   */
  reconcile(desired: SpeakerConfig): Reconciliation {
    return this.#parts.neighbors.reconcile(desired, this)
  }

  /**
   * Ends the session with a neighbor and begins anew, also with one that is kept down because it sent too many routes.
   *
   * @throws SpeakerError `speaker.neighbor-unknown`
   */
  resetNeighbor(address: string): void {
    this.#parts.options.recorder?.call('resetNeighbor', [address])
    const peer = this.#parts.neighbors.get(address)
    if (this.#parts.state === 'running') peer.reset(peer.config, CEASE.administrativeReset)
  }

  /** Asks a neighbor to send its routes again (RFC 2918). @returns whether it can be asked @throws SpeakerError `speaker.neighbor-unknown` */
  requestRefresh(address: string, family: Family | FamilyName): boolean {
    this.#parts.options.recorder?.call('requestRefresh', [address, family])
    return this.#parts.neighbors.get(address).flows?.requestRefresh(familyNamed(family)) ?? false
  }

  /** Routes as they are while the iteration goes on. @throws SpeakerError `speaker.neighbor-unknown` */
  routes(query: RoutesQuery): Generator<RouteView> {
    return routesOf(this.#parts, query)
  }

  /**
   * What the validator of origins says has changed: import policies that look at it are applied again. No peer is asked for anything, and paths
   * whose result is the same are not touched.
   *
   * @param prefixes only what it says of routes in these has changed, which costs that much less. Default: of any route
   */
  originsChanged(prefixes?: readonly IpPrefix[]): void {
    this.#parts.options.recorder?.call('originsChanged', prefixes === undefined ? [] : [prefixes])
    const cover = prefixes === undefined ? undefined : new PrefixCover(prefixes)
    for (const peer of this.#parts.neighbors.all()) peer.flows?.revalidate(cover)
  }

  /** How next hops are reached has changed: every destination is decided again. */
  nextHopsChanged(): void {
    this.#parts.options.recorder?.call('nextHopsChanged', [])
    this.#parts.tables.redecide()
  }

  /**
   * Best paths, those of VRFs among them, and states of neighbors: first a snapshot of everything, then every event in order, numbered without a gap. A reader that is more
   * than `limit` events behind is given a new snapshot in their place. Any number of iterations at one time; all end when the speaker stops.
   */
  watch({ limit }: { readonly limit?: number } = {}): AsyncIterable<WatchEvent> {
    return this.#parts.watches.watch(limit)
  }

  /**
   * Why a destination is what it is: every path with the step at which it lost or why it is not used, and what each neighbor is told or why not.
   *
   * @throws SpeakerError `speaker.route` for an NLRI that cannot stand in the family, `speaker.config` for a VRF that there is not
   */
  explain(query: ExplainQuery): Explanation {
    return explanationOf(this.#parts, query)
  }

  /**
   * Has what happens in the tables told as it happens, for who keeps a copy of them elsewhere (`BmpClient`). For routes as values see `changes` and
   * `watch`.
   */
  observe(observer: TableObserver): TableAccess {
    this.#parts.observers.add(observer)
    return {
      tables: () => [...this.#parts.tables.all()],
      nameOf: (index) => this.#parts.index.nameOf(index),
      indexOf: (neighbor) => this.#parts.neighbors.get(neighbor).index,
      stop: () => this.#parts.observers.delete(observer),
    }
  }

  /**
   * Has each message to and from a neighbor told, as octets.
   *
   * @returns ends it
   * @throws SpeakerError `speaker.neighbor-unknown`
   */
  trace(address: string, trace: MessageTrace): () => void {
    return this.#parts.neighbors.get(address).trace(trace)
  }

  /** Counts and gauges of this moment. Cheap enough to be asked for every second. */
  metrics(): SpeakerMetrics {
    return collectMetrics({
      peers: [...this.#parts.neighbors.all()],
      tables: [...this.#parts.tables.of(undefined).all()],
      groups: this.#parts.groups,
      scheduler: this.#parts.scheduler,
      sets: this.#parts.sets,
      changes: this.#parts.feed.pending,
    })
  }

  #hurry(): void {
    for (const peer of this.#parts.neighbors.all()) peer.flows?.hurry()
  }
}
