import { IpAddress, type RouteTarget } from '@heddle/wire'
import { silentLogger, type Connection, type Logger } from '@heddle/io'
import { EventEmitter } from 'eventemitter3'
import type * as typed from 'typed-emitter'
import { CEASE } from '../iana.js'
import { familyByName, type Family } from '../nlri/family.js'
import { SHUTDOWN_LIMIT } from '../message/notification.js'
import { truncateText } from '../message/text.js'
import { AttributeSets } from '../rib/attribute-sets.js'
import { LOCAL } from '../rib/rib-table.js'
import { AllTables } from './all-tables.js'
import { ChangeFeed } from './change-feed.js'
import type {
  ConfederationConfig,
  DynamicNeighborConfig,
  FamilyName,
  ListenConfig,
  NeighborConfig,
  SpeakerConfig,
  SpeakerOptions,
  VrfConfig,
} from './config.js'
import type { DecisionConfig } from './decision.js'
import type { SpeakerEvents } from './events.js'
import { ExportGroups } from './export-groups.js'
import { FlushWaits } from './flush.js'
import { collectMetrics } from './collect-metrics.js'
import type { SpeakerMetrics } from './metrics.js'
import type { NeighborView } from './neighbor-view.js'
import { Neighbors } from './neighbors.js'
import type { PeerContext } from './peer-context.js'
import { speakerIdentity, type PeerConfig, type SpeakerIdentity } from './peer-config.js'
import { LocalRoutes } from './local-routes.js'
import { validateOrigin, type OriginValidator } from './origin-validator.js'
import { explain, type ExplainSources, type Explanation } from './explain.js'
import type { MessageTrace } from './message-trace.js'
import type { Reconciliation } from './reconcile.js'
import { importRulesFor } from './session-rules.js'
import { Watches, type WatchEvent } from './watch.js'
import { RestartDeferral } from './restart-deferral.js'
import { receivedRoutes, sentRoutes } from './route-views.js'
import { LOCAL_PEER, type LocalRoute, type LocalRouteKey, type RouteChange, type RouteView } from './route.js'
import type { ExplainQuery, RoutesQuery, StopOptions } from './queries.js'
import { PeerIndex } from './peer-index.js'
import { Listeners } from './listeners.js'
import { watchEvent, watchSnapshot } from './watch-views.js'
import { Scheduler } from './scheduler.js'
import { SpeakerError } from './speaker-error.js'
import { TableObservers, type TableAccess, type TableObserver } from './table-observers.js'

const UNSPECIFIED = IpAddress.v4(0)

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
export class Speaker {
  readonly #options: SpeakerOptions
  readonly #logger: Logger
  readonly #identity: SpeakerIdentity
  readonly #sets = new AttributeSets()
  readonly #index: PeerIndex
  readonly #scheduler: Scheduler
  readonly #feed: ChangeFeed
  readonly #observers = new TableObservers()
  readonly #flushes: FlushWaits
  readonly #groups: ExportGroups
  readonly #tables: AllTables
  readonly #local: LocalRoutes
  readonly #deferral: RestartDeferral
  readonly #context: PeerContext
  readonly #listeners: Listeners
  readonly #neighbors: Neighbors
  readonly #watches = new Watches(() => watchSnapshot(this.#tables.all(), this.#neighbors.all(), (index) => this.#index.nameOf(index)))
  #state: 'new' | 'running' | 'stopped' = 'new'
  #places: readonly ListenConfig[]
  #validator: OriginValidator | undefined

  /** Control events. */
  readonly events = new EventEmitter() as unknown as typed.default<SpeakerEvents>

  /** @throws SpeakerError `speaker.config` naming the value, `speaker.neighbor-exists` */
  constructor(options: SpeakerOptions) {
    const { recorder } = options
    this.#options =
      recorder === undefined
        ? options
        : {
            ...options,
            random: recorder.random(options.random),
            transport: recorder.transport(options.transport),
            ...(options.bfd === undefined ? {} : { bfd: recorder.bfd(options.bfd) }),
            ...(options.routerDiscovery === undefined ? {} : { routerDiscovery: recorder.routerDiscovery(options.routerDiscovery) }),
          }
    const { clock, config } = options
    this.#places = config.listen ?? []
    this.#validator = options.originValidator
    this.#logger = options.logger ?? silentLogger
    this.#identity = speakerIdentity(config)
    this.#index = new PeerIndex(this.#identity)
    this.#scheduler = new Scheduler(clock, this.#logger)
    this.#feed = new ChangeFeed(
      this.#scheduler,
      () => this.#tables.all(),
      (index) => {
        const peer = this.#index.get(index)
        const vrf = peer?.config.neighbor.vrf
        const place = vrf === undefined ? {} : { vrf }
        return { ...place, address: this.#index.nameOf(index), peerType: peer?.peerType ?? 'ibgp', routerId: peer?.routerId ?? UNSPECIFIED }
      },
    )
    this.#flushes = new FlushWaits(clock, {
      decided: () => this.#tables.backlog(),
      written: () => {
        const backlogs = [...this.#neighbors.all()].flatMap(({ flows }) => (flows === undefined ? [] : [flows.backlog()]))
        return () => backlogs.every((isWritten) => isWritten())
      },
    })
    this.#groups = new ExportGroups({
      scheduler: this.#scheduler,
      logger: this.#logger,
      sourceOf: (index) => this.#index.sourceOf(index),
      ranked: (table, destination, count) => this.#tables.ranked(table, destination, count),
      worked: () => this.#flushes.check(),
    })
    this.#tables = new AllTables({
      config,
      scheduler: this.#scheduler,
      sets: this.#sets,
      nextHops: options.nextHops,
      originOf: (peer) => this.#index.originOf(peer),
      isCustomer: (peer) => this.#index.get(peer)?.config.neighbor.vrf !== undefined,
      internalCustomer: (peer) => this.#index.internalCustomer(peer),
      sinkOf: (vrf) => this.#observers.sinkFor(vrf, vrf === undefined ? this.#feed : this.#feed.sinkFor(vrf)),
      changed: (table, destination, best, vrf) => {
        this.#groups.changed(table, destination, best)
        if (!best) return
        this.#observers.best(table, destination, vrf)
        if (this.#watches.active) this.#watches.publish(watchEvent({ table, vrf }, destination, (index) => this.#index.nameOf(index)))
      },
      decided: () => this.#flushes.check(),
    })
    this.#local = new LocalRoutes((vrf) => this.#tables.of(vrf), this.#sets, this.#identity.as)
    this.#deferral = new RestartDeferral(clock, this.#identity.selectionDeferral, () => {
      for (const peer of this.#neighbors.all()) peer.flows?.resume()
    })
    this.#listeners = new Listeners({
      transport: this.#options.transport,
      logger: this.#logger,
      protection: () => this.#neighbors.protection(),
      accepted: (connection) => this.#accepted(connection),
    })
    this.#context = this.#peerContext()
    this.#neighbors = new Neighbors({
      config,
      index: this.#index,
      peers: (vrf) => this.#contextOf(vrf),
      isRunning: () => this.#state === 'running',
      protect: (protection) => this.#listeners.protect(protection),
      changed: (peer, what) => {
        if (what === 'removed') for (const { key } of peer.config.families) this.#deferral.done(peer.name, key)
        this.events.emit('neighbor', peer.view())
        if (what === 'removed') this.#watches.publish({ kind: 'neighbor', neighbor: peer.name, state: 'removed' })
      },
    })
    if (this.#identity.restarting) for (const { config: peer } of this.#neighbors.all()) this.#expectEndOfRib(peer)
    this.setRouteTargetMembership('all')
  }

  /**
   * Changes of all valid paths that peers gave, best or not, because a VRF imports by its own rules; those of customers with their VRF. See `ChangeFeed`.
   */
  get changes(): AsyncIterable<readonly RouteChange[]> {
    return this.#feed
  }

  /** Changes that the iteration of `changes` has queued and not handed out yet; 0 while there is no iteration. */
  get pendingChanges(): number {
    return this.#feed.pending
  }

  /** Where the speaker listens in fact. */
  get listening(): readonly { readonly address: string; readonly port: number }[] {
    return this.#listeners.local
  }

  /**
   * Listens and begins to connect. What was announced before is sent as soon as a session is up, so a speaker that takes another's place
   * announces first.
   *
   * @throws SpeakerError `speaker.listen` naming address and port, with the transport's error as cause; then nothing has been started
   */
  async start(): Promise<void> {
    this.#options.recorder?.call('start', [])
    if (this.#state !== 'new') throw new SpeakerError('speaker.state', 'start', `the speaker is ${this.#state}`)
    this.#state = 'running'
    try {
      await this.#listeners.use(this.#places)
    } catch (error) {
      this.#state = 'new'
      throw error
    }
    this.#deferral.start()
    for (const peer of this.#neighbors.all()) peer.start()
    this.#listeners.begin()
  }

  /**
   * Ends all sessions: with Cease and `message`, or silently when `graceful`. What was announced and withdrawn before is decided and written
   * first, as far as the peers take it at once; see `flushed` for those that do not. Iterations of `changes` end at once, without withdrawals.
   * Resolves when nothing listens any more. Idempotent.
   */
  async stop({ graceful = false, message }: StopOptions = {}): Promise<void> {
    this.#options.recorder?.call('stop', [{ graceful, ...(message === undefined ? {} : { message }) }])
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#feed.close()
    this.#watches.close()
    // what was taken back a moment ago must not be kept as stale by peers that wait for us
    this.#hurry()
    this.#scheduler.drain(['decide', 'export'])
    const shutdown = message === undefined ? undefined : truncateText(message, SHUTDOWN_LIMIT)
    for (const peer of this.#neighbors.all()) {
      peer.stop({ type: 'manual-stop', silent: graceful, ...(shutdown === undefined ? {} : { shutdown }) })
    }
    this.#deferral.stop()
    this.#scheduler.stop()
    this.#flushes.stop()
    await this.#listeners.close()
  }

  /**
   * Originates routes, or changes those that are there.
   *
   * @throws SpeakerError `speaker.route` when one cannot stand on the wire; then none was applied
   */
  announce(routes: readonly LocalRoute[]): void {
    this.#options.recorder?.call('announce', [routes])
    this.#local.announce(routes)
  }

  /** Takes routes of our own back; those that are not there do not matter. */
  withdraw(keys: readonly LocalRouteKey[]): void {
    this.#options.recorder?.call('withdraw', [keys])
    this.#local.withdraw(keys)
  }

  /**
   * Resolves when everything that was announced and withdrawn so far has been decided and handed to the connections of the established
   * sessions: a `stop` that follows reaches the peers behind it. A family that is still held back from a peer (restart deferral, memberships
   * that are awaited) is not waited for; the advertisement interval is not kept.
   *
   * @param options `timeout`: milliseconds by the injected clock after which it resolves although a peer takes nothing. Default 1000.
   */
  flushed({ timeout = 1000 }: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#state === 'stopped') return Promise.resolve()
    this.#hurry()
    return this.#flushes.wait(timeout)
  }

  /**
   * Which VPN routes peers should send us (RFC 4684). Until it is called: all of them.
   *
   * @param targets `all`, or exactly these
   */
  setRouteTargetMembership(targets: readonly RouteTarget[] | 'all'): void {
    this.#options.recorder?.call('setRouteTargetMembership', [targets])
    this.#local.wantTargets(targets)
  }

  /** All neighbors, at this moment. */
  neighbors(): NeighborView[] {
    return Array.from(this.#neighbors.all(), (peer) => peer.view())
  }

  /**
   * @throws SpeakerError `speaker.config`, `speaker.neighbor-exists`
   * @throws TransportError `transport.unsupported`: the transport cannot protect the neighbor's streams; then nothing has changed
   */
  addNeighbor(neighbor: NeighborConfig): void {
    this.#options.recorder?.call('addNeighbor', [neighbor])
    this.#neighbors.add(neighbor)
  }

  /** Ends the session with Cease and forgets the peer and its routes. @throws SpeakerError `speaker.neighbor-unknown` */
  removeNeighbor(address: string): void {
    this.#options.recorder?.call('removeNeighbor', [address])
    this.#neighbors.remove(address)
  }

  /**
   * Changes a neighbor's configuration. The session is reset only where the change needs it; no other neighbor notices.
   *
   * @returns what was done
   * @throws SpeakerError `speaker.config`, `speaker.neighbor-unknown`
   * @throws TransportError `transport.unsupported`: the transport cannot protect the neighbor's streams; then nothing has changed
   */
  updateNeighbor(neighbor: NeighborConfig): 'unchanged' | 'applied' | 'reset' {
    this.#options.recorder?.call('updateNeighbor', [neighbor])
    return this.#neighbors.update(neighbor)
  }

  /**
   * Takes other VRFs in the place of those that there are. One of the same name keeps its routes and neighbors: they go out with its RD, label and
   * route targets of now, and what its import targets of now want comes in. Local routes of a VRF that goes are gone with it.
   *
   * @throws SpeakerError `speaker.config` for a value that cannot be used, or a VRF that goes and still has neighbors; then nothing has changed
   */
  setVrfs(vrfs: readonly VrfConfig[]): void {
    this.#options.recorder?.call('setVrfs', [vrfs])
    this.#neighbors.useVrfs(vrfs, () => this.#tables.useVrfs(vrfs))
  }

  /**
   * Listens elsewhere; sessions that came from a place that goes are left alone. Resolves when it does.
   *
   * @throws SpeakerError `speaker.config`, `speaker.listen`; then it listens where it did before
   */
  async setListen(places: readonly ListenConfig[]): Promise<void> {
    this.#options.recorder?.call('setListen', [places])
    if (this.#state === 'running') await this.#listeners.use(places)
    this.#places = places
    this.#neighbors.configured({ listen: places })
  }

  /**
   * Belongs to another confederation, or to none. Sessions begin anew with peers that know us by another AS number from here on, or become members of
   * it, or cease to be.
   *
   * @throws SpeakerError `speaker.config`; then nothing has changed
   */
  setConfederation(confederation: ConfederationConfig | undefined): void {
    this.#options.recorder?.call('setConfederation', [confederation])
    this.#neighbors.useConfederation(confederation)
  }

  /** Compares paths in another way: every destination is decided again, and no session ends. */
  setDecision(decision: DecisionConfig): void {
    this.#options.recorder?.call('setDecision', [decision])
    this.#tables.useDecision(decision)
    this.#neighbors.configured({ decision })
  }

  /**
   * Takes peers that nobody has named from other ranges. Those that have come go on as the range that they are in now has it; sessions with those that
   * are in none end.
   *
   * @throws SpeakerError `speaker.config`; TransportError `transport.unsupported`; then nothing has changed
   */
  setDynamicNeighbors(ranges: readonly DynamicNeighborConfig[]): void {
    this.#options.recorder?.call('setDynamicNeighbors', [ranges])
    this.#neighbors.useDynamic(ranges)
  }

  /** Has origins validated by another validator, or not at all: import policies are applied again. No peer is asked for anything. */
  setOriginValidator(validator: OriginValidator | undefined): void {
    this.#options.recorder?.call('originsChanged', [])
    this.#validator = validator
    for (const peer of this.#neighbors.all()) peer.flows?.reconfigure(peer.config)
  }

  /**
   * Compares a desired configuration with the one that is there. Nothing happens before `apply`; see `NeighborChange.impact` for what will.
   *
   * @throws SpeakerError `speaker.config` when a value cannot be used, or cannot change while the speaker lives
   */
  reconcile(desired: SpeakerConfig): Reconciliation {
    return this.#neighbors.reconcile(desired, this)
  }

  /**
   * Ends the session with a neighbor and begins anew, also with one that is kept down because it sent too many routes.
   *
   * @throws SpeakerError `speaker.neighbor-unknown`
   */
  resetNeighbor(address: string): void {
    this.#options.recorder?.call('resetNeighbor', [address])
    const peer = this.#neighbors.get(address)
    if (this.#state === 'running') peer.reset(peer.config, CEASE.administrativeReset)
  }

  /** Asks a neighbor to send its routes again (RFC 2918). @returns whether it can be asked @throws SpeakerError `speaker.neighbor-unknown` */
  requestRefresh(address: string, family: Family | FamilyName): boolean {
    this.#options.recorder?.call('requestRefresh', [address, family])
    return this.#neighbors.get(address).flows?.requestRefresh(this.#familyOf(family)) ?? false
  }

  /** Routes as they are while the iteration goes on. @throws SpeakerError `speaker.neighbor-unknown` */
  *routes({ family: asked, neighbor, vrf, direction = 'in', postPolicy = false }: RoutesQuery): Generator<RouteView> {
    const family = this.#familyOf(asked)
    const peer = neighbor === undefined || neighbor === LOCAL_PEER ? undefined : this.#neighbors.get(neighbor)
    if (direction === 'out') {
      if (peer === undefined) throw new SpeakerError('speaker.neighbor-unknown', 'neighbor', 'routes out are those of one neighbor')
      return yield* sentRoutes(peer.flows?.member(family), peer.name)
    }
    const table = this.#tables.of(vrf ?? peer?.config.neighbor.vrf).of(family)
    const only = neighbor === LOCAL_PEER ? LOCAL : peer?.index
    yield* receivedRoutes(table, only, (index) => this.#index.nameOf(index), postPolicy)
  }

  /**
   * What the validator of origins says has changed: import policies that look at it are applied again. No peer is asked for anything, and paths
   * whose result is the same are not touched.
   */
  originsChanged(): void {
    this.#options.recorder?.call('originsChanged', [])
    for (const peer of this.#neighbors.all()) peer.flows?.revalidate()
  }

  /** How next hops are reached has changed: every destination is decided again. */
  nextHopsChanged(): void {
    this.#options.recorder?.call('nextHopsChanged', [])
    this.#tables.redecide()
  }

  /**
   * Best paths, those of VRFs among them, and states of neighbors: first a snapshot of everything, then every event in order, numbered without a gap. A reader that is more
   * than `limit` events behind is given a new snapshot in their place. Any number of iterations at one time; all end when the speaker stops.
   */
  watch({ limit }: { readonly limit?: number } = {}): AsyncIterable<WatchEvent> {
    return this.#watches.watch(limit)
  }

  /**
   * Why a destination is what it is: every path with the step at which it lost or why it is not used, and what each neighbor is told or why not.
   *
   * @throws SpeakerError `speaker.route` for an NLRI that cannot stand in the family, `speaker.config` for a VRF that there is not
   */
  explain({ family: asked, nlri, vrf }: ExplainQuery): Explanation {
    const instance = this.#tables.in(vrf)
    const table = instance.tables.of(this.#familyOf(asked))
    const sources: ExplainSources = {
      table,
      decision: instance.decision,
      peers: [...this.#neighbors.all()].filter(({ config }) => config.neighbor.vrf === vrf),
      nameOf: (index) => this.#index.nameOf(index),
      rulesOf: (index) => {
        const peer = this.#index.get(index)
        return peer === undefined ? undefined : importRulesFor(peer.config, this.#identity, this.#context.validation())
      },
    }
    const key = table.newKey()
    table.key.fromNlri(nlri, key)
    return explain(sources, table.find(key))
  }

  /**
   * Has what happens in the tables told as it happens, for who keeps a copy of them elsewhere (`BmpClient`). For routes as values see `changes` and
   * `watch`.
   */
  observe(observer: TableObserver): TableAccess {
    this.#observers.add(observer)
    return {
      tables: () => [...this.#tables.all()],
      nameOf: (index) => this.#index.nameOf(index),
      indexOf: (neighbor) => this.#neighbors.get(neighbor).index,
      stop: () => this.#observers.delete(observer),
    }
  }

  /**
   * Has each message to and from a neighbor told, as octets.
   *
   * @returns ends it
   * @throws SpeakerError `speaker.neighbor-unknown`
   */
  trace(address: string, trace: MessageTrace): () => void {
    return this.#neighbors.get(address).trace(trace)
  }

  /** Counts and gauges of this moment. Cheap enough to be asked for every second. */
  metrics(): SpeakerMetrics {
    return collectMetrics({
      peers: [...this.#neighbors.all()],
      tables: [...this.#tables.of(undefined).all()],
      groups: this.#groups,
      scheduler: this.#scheduler,
      sets: this.#sets,
      changes: this.#feed.pending,
    })
  }

  #hurry(): void {
    for (const peer of this.#neighbors.all()) peer.flows?.hurry()
  }

  #peerContext(): PeerContext {
    const { clock, random, transport } = this.#options
    return {
      clock,
      random,
      transport,
      logger: this.#logger,
      scheduler: this.#scheduler,
      identity: this.#identity,
      deferral: this.#deferral,
      groups: this.#groups,
      validation: () => {
        const validator = this.#validator
        return validator === undefined ? undefined : (nlri, attributes) => validateOrigin(validator, nlri, attributes)
      },
      tableOf: (family) => this.#tables.of(undefined).of(family),
      touched: (table) => this.#tables.of(undefined).touched(table),
      exported: () => this.#flushes.check(),
      bfd: this.#options.bfd,
      routerDiscovery: this.#options.routerDiscovery,
      stateChanged: (peer) => {
        this.#watches.publish({ kind: 'neighbor', neighbor: peer.name, state: peer.state })
        this.events.emit('neighbor', peer.view())
        this.#neighbors.settled(peer)
      },
      moved: () => this.#neighbors.moved(),
      settled: (peer) => this.#neighbors.settled(peer),
      maxPrefixes: (peer, family, count, limit, level) =>
        this.events.emit('max-prefixes', { neighbor: peer.name, family, count, limit, level }),
      endOfRib: (peer, family) => this.events.emit('end-of-rib', { neighbor: peer.name, family }),
      malformed: (peer, errors, message) => this.events.emit('malformed', { neighbor: peer.name, errors, message }),
    }
  }

  #contextOf(vrf: string | undefined): PeerContext {
    if (vrf === undefined) return this.#context
    const tables = this.#tables.of(vrf)
    return { ...this.#context, tableOf: (family) => tables.of(family), touched: (table) => tables.touched(table) }
  }

  #familyOf(family: Family | FamilyName): Family {
    const found = typeof family === 'string' ? familyByName(family) : family
    if (found === undefined) throw new SpeakerError('speaker.config', 'family', `${JSON.stringify(family)} is not known`)
    return found
  }

  /** Nothing of the peer's families is sent before it has sent all of its own, if it will say so (RFC 4724 §4.1). */
  #expectEndOfRib({ families, name, gracefulRestart }: PeerConfig): void {
    if (gracefulRestart !== undefined) for (const family of families) this.#deferral.expect(name, family)
  }

  #accepted(connection: Connection): void {
    const reason = this.#neighbors.accept(connection)
    if (reason === undefined) return
    this.#logger.warn('connection refused', { from: connection.remote.address.unmapped().toString(), reason })
    connection.reset()
  }
}
