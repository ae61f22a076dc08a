import { IpAddress } from '@heddle/wire'
import { SafeEvents, logFailedCallback, silentLogger, type CallbackFailed, type Connection, type Logger } from '@heddle/io'
import type * as typed from 'typed-emitter'
import { AttributeSets } from '../rib/attribute-sets.js'
import { AllTables } from './table/all-tables.js'
import { safeResolver } from './table/decision.js'
import { ChangeFeed } from './follow/change-feed.js'
import type { SpeakerOptions } from './config.js'
import type { SpeakerEvents } from './events.js'
import { ExportGroups } from './export/export-groups.js'
import { FlowspecFeasibility } from './table/flowspec-feasibility.js'
import { FlushWaits } from './flush.js'
import { Neighbors } from './peer/neighbors.js'
import type { PeerContext } from './peer/peer-context.js'
import { speakerIdentity, type PeerConfig, type SpeakerIdentity } from './peer/peer-config.js'
import { LocalRoutes } from './table/local-routes.js'
import { validateOrigin, type OriginValidator } from './origin-validator.js'
import { Watches } from './follow/watch.js'
import { RestartDeferral } from './restart-deferral.js'
import { PeerIndex } from './peer/peer-index.js'
import { Listeners } from './listeners.js'
import { watchEvent, watchSnapshot } from './follow/watch-views.js'
import { Scheduler } from './scheduler.js'
import { TableObservers } from './table/table-observers.js'

const UNSPECIFIED = IpAddress.v4(0)

/**
 * What a speaker is made of, and how its parts hear of each other: a peer's routes come into tables, what is decided there goes to the groups of peers that
 * are told, to those who follow, and into the tables of VRFs.
 */
export class SpeakerParts {
  readonly options: SpeakerOptions
  readonly logger: Logger
  /** Takes what those who are told throw. */
  readonly failed: CallbackFailed
  readonly identity: SpeakerIdentity
  readonly sets = new AttributeSets()
  readonly index: PeerIndex
  readonly scheduler: Scheduler
  readonly feed: ChangeFeed
  readonly observers: TableObservers
  readonly flushes: FlushWaits
  readonly groups: ExportGroups
  readonly tables: AllTables
  readonly local: LocalRoutes
  readonly deferral: RestartDeferral
  readonly context: PeerContext
  readonly listeners: Listeners
  readonly neighbors: Neighbors
  readonly watches = new Watches(() => watchSnapshot(this.tables.all(), this.neighbors.all(), (index) => this.index.nameOf(index)))
  /** Control events. */
  readonly events: typed.default<SpeakerEvents>
  state: 'new' | 'running' | 'stopped' = 'new'
  validator: OriginValidator | undefined

  /** @throws SpeakerError `speaker.config` naming the value, `speaker.neighbor-exists` */
  constructor(options: SpeakerOptions) {
    const { recorder } = options
    this.options =
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
    this.validator = options.originValidator
    this.logger = options.logger ?? silentLogger
    this.failed = logFailedCallback(this.logger)
    this.events = new SafeEvents(this.failed) as unknown as typed.default<SpeakerEvents>
    this.observers = new TableObservers(this.failed)
    this.identity = speakerIdentity(config)
    this.index = new PeerIndex(this.identity)
    this.scheduler = new Scheduler(clock, this.logger)
    this.feed = new ChangeFeed(
      this.scheduler,
      () => this.tables.all(),
      (index) => {
        const peer = this.index.get(index)
        const vrf = peer?.config.neighbor.vrf
        const place = vrf === undefined ? {} : { vrf }
        return { ...place, address: this.index.nameOf(index), peerType: peer?.peerType ?? 'ibgp', routerId: peer?.routerId ?? UNSPECIFIED }
      },
    )
    this.flushes = new FlushWaits(clock, {
      decided: () => this.tables.backlog(),
      written: () => {
        const backlogs = [...this.neighbors.all()].flatMap(({ flows }) => (flows === undefined ? [] : [flows.backlog()]))
        return () => backlogs.every((isWritten) => isWritten())
      },
    })
    this.groups = new ExportGroups({
      scheduler: this.scheduler,
      logger: this.logger,
      sourceOf: (index) => this.index.sourceOf(index),
      ranked: (table, destination, count) => this.tables.ranked(table, destination, count),
      worked: () => this.flushes.check(),
    })
    const feasibility = new FlowspecFeasibility({
      scheduler: this.scheduler,
      observers: this.observers,
      tableOf: (family) => this.tables.of(undefined).of(family),
      touched: (table) => this.tables.of(undefined).touched(table),
      validated: (peer) => this.index.flowspecSource(peer),
      nameOf: (peer) => this.index.nameOf(peer),
    })
    this.tables = new AllTables({
      config,
      judgeOf: (table) => feasibility.judgeOf(table),
      scheduler: this.scheduler,
      sets: this.sets,
      nextHops: options.nextHops === undefined ? undefined : safeResolver(options.nextHops, this.failed),
      originOf: (peer) => this.index.originOf(peer),
      isCustomer: (peer) => this.index.get(peer)?.config.neighbor.vrf !== undefined,
      internalCustomer: (peer) => this.index.internalCustomer(peer),
      sinkOf: (vrf) => this.observers.sinkFor(vrf, vrf === undefined ? this.feed : this.feed.sinkFor(vrf)),
      changed: (table, destination, best, vrf) => {
        this.groups.changed(table, destination, best)
        if (!best) return
        this.observers.best(table, destination, vrf)
        if (this.watches.active) this.watches.publish(watchEvent({ table, vrf }, destination, (index) => this.index.nameOf(index)))
      },
      decided: () => this.flushes.check(),
    })
    this.local = new LocalRoutes((vrf) => this.tables.of(vrf), this.sets, this.identity.as)
    this.deferral = new RestartDeferral(clock, this.identity.selectionDeferral, () => {
      for (const peer of this.neighbors.all()) peer.flows?.resume()
    })
    this.listeners = new Listeners({
      transport: this.options.transport,
      logger: this.logger,
      protection: () => this.neighbors.protection(),
      accepted: (connection) => this.#accepted(connection),
    })
    this.context = this.#peerContext()
    this.neighbors = new Neighbors({
      config,
      index: this.index,
      peers: (vrf) => this.#contextOf(vrf),
      isRunning: () => this.state === 'running',
      protect: (protection) => this.listeners.protect(protection),
      changed: (peer, what) => {
        if (what === 'removed') for (const { key } of peer.config.families) this.deferral.done(peer.name, key)
        this.events.emit('neighbor', peer.view())
        if (what === 'removed') this.watches.publish({ kind: 'neighbor', neighbor: peer.name, state: 'removed' })
      },
    })
    if (this.identity.restarting) for (const { config: peer } of this.neighbors.all()) this.#expectEndOfRib(peer)
  }

  #peerContext(): PeerContext {
    const { clock, random, transport } = this.options
    return {
      clock,
      random,
      transport,
      logger: this.logger,
      failed: this.failed,
      scheduler: this.scheduler,
      identity: this.identity,
      deferral: this.deferral,
      groups: this.groups,
      validation: () => {
        const validator = this.validator
        return validator === undefined ? undefined : (nlri, attributes) => validateOrigin(validator, nlri, attributes)
      },
      tableOf: (family) => this.tables.of(undefined).of(family),
      touched: (table) => this.tables.of(undefined).touched(table),
      exported: () => this.flushes.check(),
      bfd: this.options.bfd,
      routerDiscovery: this.options.routerDiscovery,
      stateChanged: (peer) => {
        this.watches.publish({ kind: 'neighbor', neighbor: peer.name, state: peer.state })
        this.events.emit('neighbor', peer.view())
        this.neighbors.settled(peer)
      },
      moved: () => this.neighbors.moved(),
      settled: (peer) => this.neighbors.settled(peer),
      maxPrefixes: (peer, family, count, limit, level) =>
        this.events.emit('max-prefixes', { neighbor: peer.name, family, count, limit, level }),
      endOfRib: (peer, family) => this.events.emit('end-of-rib', { neighbor: peer.name, family }),
      malformed: (peer, errors, message) => this.events.emit('malformed', { neighbor: peer.name, errors, message }),
    }
  }

  #contextOf(vrf: string | undefined): PeerContext {
    if (vrf === undefined) return this.context
    const tables = this.tables.of(vrf)
    return { ...this.context, tableOf: (family) => tables.of(family), touched: (table) => tables.touched(table) }
  }

  /** Nothing of the peer's families is sent before it has sent all of its own, if it will say so (RFC 4724 §4.1). */
  #expectEndOfRib({ families, name, gracefulRestart }: PeerConfig): void {
    if (gracefulRestart !== undefined) for (const family of families) this.deferral.expect(name, family)
  }

  #accepted(connection: Connection): void {
    const reason = this.neighbors.accept(connection)
    if (reason === undefined) return
    this.logger.warn('connection refused', { from: connection.remote.address.unmapped().toString(), reason })
    connection.reset()
  }
}
