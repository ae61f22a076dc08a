import type { Connection, Timer } from '@heddle/io'
import { RouteDistinguisher } from '@heddle/wire'
import { encodeEndOfRib } from '../message/pack.js'
import type { Family } from '../nlri/family.js'
import type { SpeakerEvents } from '../speaker/events.js'
import type { NeighborView } from '../speaker/peer/neighbor-view.js'
import type { TableAccess } from '../speaker/table/table-observers.js'
import type { BmpClientOptions } from './client.js'
import { encodeBmp } from './codec.js'
import { BMP_MIRRORING, BMP_PEER_FLAG } from './iana.js'
import type { BmpMessage } from './message.js'
import { LocRibs } from './loc-ribs.js'
import { MonitoredTables, type MonitoredGroup, type MonitoredTable } from './monitored-tables.js'
import type { BmpPeer } from './peer.js'
import { SentRoutes } from './sent-routes.js'
import { monitoredPeer, peerDownOf, NO_DISTINGUISHER, peerRenamed, peerUpOf, updatesOf, type MonitoredPeer } from './session-messages.js'
import { statisticsOf } from './statistics-of.js'

/** Destinations and paths that are looked at before others get their turn. */
const SLICE = 256
/** Octets on the way to the station above which nothing is made that can as well be made later. */
const ENOUGH = 1 << 18
const ALL = ['adj-in-pre', 'adj-in-post', 'loc-rib', 'adj-out'] as const
const DEFAULT_QUEUE = 1 << 24
const DEFAULT_STATISTICS = 60

/** A peer that the station knows of. */
interface HeardPeer {
  readonly peer: MonitoredPeer
  readonly view: NeighborView
  readonly sent: SentRoutes | undefined
  /** Families that the peer has told everything of, which the station is to hear behind it. */
  readonly endsOfRib: Set<Family>
}

/** One connection to a station: from initiation to its end. */
export class ClientSession {
  readonly #wanted: ReadonlySet<MonitoredTable | 'adj-out'>
  readonly #tables: MonitoredTables
  readonly #access: TableAccess
  readonly #peers = new Map<string, HeardPeer>()
  readonly #locRibs: LocRibs
  #wake: (() => void) | undefined
  #statistics: Timer | undefined
  #over: string | undefined

  constructor(
    private readonly options: BmpClientOptions,
    private readonly connection: Connection,
  ) {
    const { speaker, speakerConfig, config } = options
    this.#wanted = new Set(config.tables ?? ALL)
    this.#locRibs = new LocRibs(speakerConfig, (peer, make) => this.#send(make(this.#at(peer))))
    const tables = new Set([...this.#wanted].filter((table) => table !== 'adj-out'))
    const isHeard = (peer: string, vrf: string | undefined): boolean => {
      const heard = this.#peers.get(peer)
      return heard !== undefined && heard.view.config.vrf === vrf
    }
    this.#tables = new MonitoredTables(tables, isHeard, () => this.#changed())
    this.#access = speaker.observe(this.#tables)
  }

  /** Tells the station everything until the connection ends. @returns why it did */
  async run(): Promise<string> {
    const { speaker } = this.options
    const neighbor: SpeakerEvents['neighbor'] = (view) => this.#neighbor(view)
    const endOfRib: SpeakerEvents['end-of-rib'] = ({ neighbor: name, family }) => this.#endOfRib(name, family)
    const malformed: SpeakerEvents['malformed'] = ({ neighbor: name, message }) => this.#mirror(name, message)
    const vrfs: SpeakerEvents['vrfs'] = () => this.#vrfs()
    void this.#read()
    try {
      this.#begin()
      speaker.events.on('neighbor', neighbor).on('end-of-rib', endOfRib).on('malformed', malformed).on('vrfs', vrfs)
      while (this.#over === undefined) {
        if (this.connection.queued > ENOUGH) await this.connection.drained()
        else if (this.#slice()) await this.#tick()
        else await this.#change()
      }
      return this.#over
    } finally {
      speaker.events.off('neighbor', neighbor).off('end-of-rib', endOfRib).off('malformed', malformed).off('vrfs', vrfs)
      this.#statistics?.cancel()
      for (const { sent } of this.#peers.values()) sent?.stop()
      this.#access.stop()
      this.#tables.clear()
      await this.connection.close().catch(() => this.connection.reset())
    }
  }

  /** The speaker ends: the last words to the station (RFC 7854 §4.5, reason 0). */
  terminate(): void {
    this.#send({ type: 'termination', tlvs: [{ kind: 'reason', reason: 0 }] })
    this.#end('the speaker stops')
  }

  #begin(): void {
    const { speaker, config } = this.options
    const { name = 'heddle', description = 'heddle' } = config.system ?? {}
    const information = [
      { kind: 'system-description', text: description },
      { kind: 'system-name', text: name },
    ] as const
    this.#send({ type: 'initiation', information })
    if (this.#wanted.has('loc-rib')) this.#locRibs.follow(speaker.vrfs)
    for (const view of speaker.neighbors()) this.#neighbor(view)
    this.#report(config.statistics ?? DEFAULT_STATISTICS)
  }

  /** The station has nothing to say; that it closes is all there is to hear. */
  async #read(): Promise<void> {
    try {
      for await (const _chunk of this.connection.chunks) continue
      this.#end('the station closed the connection')
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error))
    }
  }

  #end(reason: string): void {
    this.#over ??= reason
    this.#changed()
  }

  /** Resolves when there is something to do, or the connection is over. */
  async #change(): Promise<void> {
    if (this.#over === undefined) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  #changed(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  async #tick(): Promise<void> {
    await new Promise<void>((resolve) => void this.options.clock.setTimer(0, resolve))
  }

  /** Does a piece of what is to be done. @returns whether there was any */
  #slice(): boolean {
    const groups = this.#tables.take(this.#access, SLICE)
    for (const group of groups) this.#tell(group)
    let isBusy = groups.length > 0 || ![...this.#access.tables()].every(({ table }) => this.#tables.isDone(table))
    for (const { sent } of this.#peers.values()) isBusy = (sent?.work(SLICE) ?? false) || isBusy
    if (!isBusy) this.#tellEnds()
    return isBusy
  }

  #tell(group: MonitoredGroup): void {
    const { of, peer: name, vrf } = group
    const heard = this.#peers.get(name)
    const peer = of === 'loc-rib' ? this.#locRibs.peerOf(vrf) : heard?.peer
    if (peer === undefined) return
    const flags = of === 'adj-in-post' ? peer.flags | BMP_PEER_FLAG.postPolicy : peer.flags
    const addPath = of === 'loc-rib' ? new Set<number>() : (heard?.view.negotiated?.addPath.receive ?? new Set<number>())
    for (const pdu of updatesOf(group, { addPath })) this.#send({ type: 'route-monitoring', peer: this.#at({ ...peer, flags }), pdu })
  }

  /** End-of-RIB of peers that have told everything (RFC 7854 §5), and once of Loc-RIB. */
  #tellEnds(): void {
    const pre = (['adj-in-pre', 'adj-in-post'] as const).filter((table) => this.#wanted.has(table))
    for (const { peer, endsOfRib } of this.#peers.values()) {
      for (const family of endsOfRib) {
        for (const table of pre) {
          const flags = table === 'adj-in-post' ? peer.flags | BMP_PEER_FLAG.postPolicy : peer.flags
          this.#send({ type: 'route-monitoring', peer: this.#at({ ...peer, flags }), pdu: encodeEndOfRib(family) })
        }
      }
      endsOfRib.clear()
    }
    for (const [peer, family] of this.#locRibs.ends())
      this.#send({ type: 'route-monitoring', peer: this.#at(peer), pdu: encodeEndOfRib(family) })
  }

  #neighbor(view: NeighborView): void {
    const heard = this.#peers.get(view.address)
    if (heard === undefined && view.state === 'established') this.#up(view)
    else if (heard !== undefined && view.state !== 'established') {
      heard.sent?.stop()
      this.#peers.delete(view.address)
      this.#send(peerDownOf(this.#at(heard.peer), view))
    }
  }

  /** VRFs have come or gone, or have other RDs, by which the station knows them and their customers. */
  #vrfs(): void {
    const { speaker } = this.options
    const fresh = this.#wanted.has('loc-rib') ? this.#locRibs.follow(speaker.vrfs) : new Set<string | undefined>()
    const moved = [...this.#peers].filter(([, { peer, view }]) => !this.#distinguisherOf(view).equals(peer.distinguisher))
    for (const [, { view }] of moved) fresh.add(view.config.vrf)
    this.#tables.follow(this.#access.tables(), fresh)
    for (const [name, { peer, sent }] of moved) {
      sent?.stop()
      this.#peers.delete(name)
      this.#send(peerRenamed(this.#at(peer)))
    }
    for (const view of speaker.neighbors()) this.#neighbor(view)
  }

  #distinguisherOf({ config: { vrf } }: NeighborView): RouteDistinguisher {
    const found = this.options.speaker.vrfs.find(({ name }) => name === vrf)
    return found === undefined ? NO_DISTINGUISHER : RouteDistinguisher.parse(found.rd)
  }

  #up(view: NeighborView): void {
    const { speaker } = this.options
    const { vrf } = view.config
    const peer = monitoredPeer(view, this.#distinguisherOf(view))
    const message = peerUpOf(this.#at(peer), view)
    if (message === undefined) return
    this.#send(message)
    const asn4 = view.negotiated?.asn4 ?? true
    const out = { ...peer, flags: peer.flags | BMP_PEER_FLAG.adjRibOut | BMP_PEER_FLAG.postPolicy }
    const sent = this.#wanted.has('adj-out')
      ? new SentRoutes(speaker, view, (pdu, isOurs) => {
          const flags = asn4 || isOurs ? out.flags : out.flags | BMP_PEER_FLAG.as2
          this.#send({ type: 'route-monitoring', peer: this.#at({ ...out, flags }), pdu })
        })
      : undefined
    this.#peers.set(view.address, { peer, view, sent, endsOfRib: new Set() })
    const index = this.#access.indexOf(view.address)
    for (const { table, vrf: own } of this.#access.tables()) if (own === vrf) this.#tables.peerUp(table, own, index)
    this.#changed()
  }

  #endOfRib(neighbor: string, family: Family): void {
    this.#peers.get(neighbor)?.endsOfRib.add(family)
    this.#changed()
  }

  /** A malformed message as it came (RFC 7854 §4.7). */
  #mirror(neighbor: string, message: Uint8Array): void {
    const heard = this.#peers.get(neighbor)
    if (heard === undefined) return
    const tlvs = [
      { kind: 'information', code: BMP_MIRRORING.message },
      { kind: 'message', pdu: message },
    ] as const
    this.#send({ type: 'route-mirroring', peer: this.#at(heard.peer), tlvs })
  }

  #report(seconds: number): void {
    if (seconds === 0) return
    this.#statistics = this.options.clock.setTimer(seconds * 1000, () => {
      for (const view of this.options.speaker.neighbors()) {
        const heard = this.#peers.get(view.address)
        if (heard !== undefined) this.#send({ type: 'statistics-report', peer: this.#at(heard.peer), statistics: statisticsOf(view) })
      }
      this.#report(seconds)
    })
  }

  #at(peer: MonitoredPeer): BmpPeer {
    const now = this.options.now()
    return { ...peer, seconds: Math.floor(now / 1000), microseconds: Math.floor((now % 1000) * 1000) }
  }

  #send(message: BmpMessage): void {
    if (this.#over !== undefined) return
    this.connection.write(encodeBmp(message))
    // what cannot be told again later must not pile up: the station begins anew
    if (this.connection.queued > (this.options.config.queue ?? DEFAULT_QUEUE)) {
      this.#end('the station is too slow')
      this.connection.reset()
    }
  }
}
