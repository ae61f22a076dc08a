import type { Connection, PeerProtection } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { CEASE } from '../../iana.js'
import { checkSpeakerConfig } from '../check-config.js'
import type { ConfederationConfig, DynamicNeighborConfig, NeighborConfig, SpeakerConfig, SpeakerDefaults, VrfConfig } from '../config.js'
import { DynamicNeighbors, type DynamicNeighborsPlan } from './dynamic-neighbors.js'
import type { PeerContext } from './peer-context.js'
import type { PeerIndex } from './peer-index.js'
import { Peer } from './peer.js'
import { checkConfederation, peerConfig, type PeerConfig } from './peer-config.js'
import {
  changedFixed,
  changedSettings,
  changeOf,
  defaultsOf,
  neighborChanges,
  vrfChanges,
  type ChangeImpact,
  type NeighborChange,
  type Reconciliation,
} from './reconcile.js'
import { carryOut, type NeighborEditor } from './reconcile-steps.js'
import { SpeakerError } from '../speaker-error.js'
import { parseZoned, zonedText, type ZonedAddress } from '../zoned-address.js'

/** What the neighbors of a speaker need of it. */
export interface NeighborsContext {
  readonly config: SpeakerConfig
  readonly index: PeerIndex
  /** What peers share: those of a VRF, or of none. */
  peers(vrf: string | undefined): PeerContext
  /** Sessions may be begun. */
  isRunning(): boolean
  /** Streams to come must be protected so. @throws TransportError `transport.unsupported` */
  protect(protection: readonly PeerProtection[]): void
  /** A neighbor was added or removed. */
  changed(peer: Peer, what: 'added' | 'removed'): void
}

/** The neighbors of a speaker: which there are, and what becomes of them when the configuration changes. */
export class Neighbors {
  readonly #peers = new Map<string, Peer>()
  readonly #dynamic: DynamicNeighbors
  #config: SpeakerConfig
  /** Grows with each change of the configuration. */
  #generation = 0

  /** @throws SpeakerError `speaker.config`, `speaker.neighbor-exists` */
  constructor(private readonly context: NeighborsContext) {
    const { config, index } = context
    this.#config = config
    this.#dynamic = new DynamicNeighbors(config.dynamicNeighbors ?? [], {
      add: (neighbor) => this.add(neighbor),
      remove: (name) => this.remove(name),
      later: (action) => context.peers(undefined).clock.setTimer(0, action),
    })
    for (const [at, neighbor] of config.neighbors.entries()) {
      const where = `neighbors[${at}]`
      this.#put(new Peer(this.#checked(neighbor, where), index.indexFor(nameOf(neighbor.address)), context.peers(neighbor.vrf)), where)
    }
  }

  get vrfs(): readonly VrfConfig[] {
    return this.#config.vrfs ?? []
  }

  all(): Iterable<Peer> {
    return this.#peers.values()
  }

  /** @throws SpeakerError `speaker.neighbor-unknown` */
  get(address: string): Peer {
    const peer = this.#peers.get(nameOf(address))
    if (peer === undefined) throw new SpeakerError('speaker.neighbor-unknown', `neighbor ${address}`, 'is not configured')
    return peer
  }

  /** @throws SpeakerError `speaker.config`, `speaker.neighbor-exists`; TransportError `transport.unsupported`; then nothing has changed */
  add(neighbor: NeighborConfig): Peer {
    const where = `neighbor ${neighbor.address}`
    const config = this.#checked(neighbor, where)
    const peer = new Peer(config, this.context.index.indexFor(config.name), this.context.peers(neighbor.vrf))
    this.#absent(config, where)
    this.context.protect([...this.protection(), ...protectionOf(config, config.address)])
    this.#put(peer, where)
    this.#generation++
    if (this.context.isRunning()) peer.start()
    this.context.changed(peer, 'added')
    return peer
  }

  /** Ends the session with Cease (RFC 4486 §4) and forgets the peer. @throws SpeakerError `speaker.neighbor-unknown` */
  remove(address: string): void {
    const peer = this.get(address)
    peer.stop({ type: 'manual-stop', subcode: CEASE.peerDeconfigured })
    this.#peers.delete(peer.name)
    this.#dynamic.release(peer.name)
    this.#generation++
    this.context.protect(this.protection())
    this.context.changed(peer, 'removed')
  }

  /** @throws SpeakerError `speaker.config`, `speaker.neighbor-unknown`; TransportError `transport.unsupported`; then nothing has changed */
  update(neighbor: NeighborConfig): 'unchanged' | 'applied' | 'reset' {
    const peer = this.get(neighbor.address)
    return this.#become(peer, this.#checked(neighbor, `neighbor ${neighbor.address}`))
  }

  /** Takes a configuration over that was checked. */
  #become(peer: Peer, config: PeerConfig): 'unchanged' | 'applied' | 'reset' {
    const { impact, fields } = changeOf(peer.config, config, peer.canRekey(config.neighbor))
    if (fields.length === 0) return 'unchanged'
    if (fields.includes('vrf')) {
      // its routes are in other tables from here on
      this.remove(peer.name)
      this.add(config.neighbor)
      return 'reset'
    }
    this.context.protect([...this.protection(peer), ...protectionOf(config, peer.address)])
    return this.#carryOut(peer, config, impact)
  }

  #carryOut(peer: Peer, config: PeerConfig, impact: ChangeImpact): 'applied' | 'reset' {
    this.#generation++
    if (impact !== 'reset' || !this.context.isRunning()) {
      peer.reconfigure(config)
      return 'applied'
    }
    peer.reset(config, CEASE.otherConfigurationChange)
    return 'reset'
  }

  /** Another confederation: for whom it means something, it does as another configuration of the neighbor would. @throws SpeakerError `speaker.config` */
  useConfederation(confederation: ConfederationConfig | undefined): void {
    checkConfederation(confederation)
    const { confederation: _before, ...rest } = this.#config
    this.#useAll({ ...rest, ...(confederation === undefined ? {} : { confederation }) })
  }

  /** Other defaults, as `useConfederation`. @throws SpeakerError `speaker.config` */
  useDefaults(defaults: SpeakerDefaults): void {
    const { holdTime: _holdTime, gracefulRestart: _restart, clusterId: _cluster, ...rest } = this.#config
    const config = { ...rest, ...defaultsOf(defaults) }
    checkSpeakerConfig({ ...config, neighbors: [] })
    this.#useAll(config)
  }

  #useAll(config: SpeakerConfig): void {
    const wanted = this.#under(config)
    this.#config = config
    this.#generation++
    this.#carryOutAll(wanted)
  }

  /** What neighbors are, unchanged themselves, under another configuration of the speaker. @throws SpeakerError `speaker.config` */
  #under(config: SpeakerConfig): (readonly [Peer, PeerConfig])[] {
    return Array.from(this.all(), (peer) => [peer, this.#checked(peer.config.neighbor, `neighbor ${peer.name}`, config)] as const)
  }

  /** What protects their streams is their own, and stays as it is: nothing is asked of the transport that it could refuse halfway. */
  #carryOutAll(wanted: readonly (readonly [Peer, PeerConfig])[]): void {
    for (const [peer, config] of wanted) {
      const { impact, fields } = changeOf(peer.config, config, peer.canRekey(config.neighbor))
      if (fields.length > 0) this.#carryOut(peer, config, impact)
    }
  }

  /**
   * Other ranges of peers that nobody has named. A peer that came from one goes on as the range that it is in now has it, and goes where it is in none.
   *
   * @throws SpeakerError `speaker.config`; TransportError `transport.unsupported`; then nothing has changed
   */
  useDynamic(dynamicNeighbors: readonly DynamicNeighborConfig[]): void {
    const config = { ...this.#config, dynamicNeighbors }
    checkSpeakerConfig({ ...config, neighbors: [] })
    const plan = this.#dynamic.plan(dynamicNeighbors)
    this.context.protect([...plan.protection, ...this.#protectionOfPeers()])
    plan.use()
    this.#config = config
    this.#generation++
    for (const [name, neighbor] of plan.peers) {
      if (neighbor === undefined) this.remove(name)
      else this.update(neighbor)
    }
  }

  /** What the speaker has taken over elsewhere. */
  configured(settings: Pick<SpeakerConfig, 'listen' | 'decision'>): void {
    this.#config = { ...this.#config, ...settings }
    this.#generation++
  }

  /** @throws SpeakerError `speaker.config` */
  reconcile(desired: SpeakerConfig, editor: NeighborEditor): Reconciliation {
    const fixed = changedFixed(this.#config, desired)
    if (fixed.length > 0) throw new SpeakerError('speaker.config', fixed.join(', '), 'cannot change while the speaker lives')
    checkSpeakerConfig(desired)
    const { vrfs: current = [], listen: listened = [] } = this.#config
    const { vrfs: wanted = [], listen = [], dynamicNeighbors = [] } = desired
    const settings = changedSettings(this.#config, desired)
    const peers = desired.neighbors.map((neighbor, at) => this.#checked(neighbor, `neighbors[${at}]`, desired))
    const named = new Set(peers.map(({ name }) => name))
    const dynamic = this.#dynamic.plan(dynamicNeighbors)
    const own = [...this.all()].filter(({ name }) => named.has(name) || !this.#dynamic.has(name))
    const changes = [
      ...neighborChanges(new Map(own.map(({ name, config }) => [name, config])), peers, (config) => this.#canRekey(config)),
      ...this.#dynamicChanges(dynamic, desired, named),
    ]
    const vrfs = vrfChanges(current, wanted)
    const generation = this.#generation
    const isStale = (): boolean => generation !== this.#generation
    const stale = new SpeakerError('speaker.state', 'reconcile', 'the configuration has changed since')
    return {
      settings,
      changes,
      vrfs,
      apply: async () => {
        if (isStale()) throw stale
        const protection = [...dynamic.protection, ...peers.flatMap((peer) => protectionOf(peer, peer.address))]
        if (settings.includes('listen') || protection.length > 0) {
          await editor.setListen(listen, protection)
          if (this.#generation !== generation + 1) {
            await editor.setListen(listened)
            throw stale
          }
        }
        carryOut({ current, desired, settings, changes, vrfs }, editor, {
          name: (address) => this.#dynamic.release(nameOf(address)),
          has: (address) => this.#peers.has(nameOf(address)),
        })
      },
    }
  }

  /** What becomes of peers that came by themselves; nothing of those for which nothing changes. */
  #dynamicChanges({ peers }: DynamicNeighborsPlan, desired: SpeakerConfig, named: ReadonlySet<string>): NeighborChange[] {
    return [...peers].flatMap(([name, neighbor]): NeighborChange[] => {
      if (named.has(name)) return []
      if (neighbor === undefined) return [{ neighbor: name, kind: 'remove', impact: 'reset', fields: [] }]
      const config = this.#checked(neighbor, `neighbor ${name}`, desired)
      const change = changeOf(this.get(name).config, config, this.#canRekey(config))
      return change.fields.length === 0 ? [] : [{ neighbor: name, kind: 'change', ...change }]
    })
  }

  #canRekey({ name, neighbor }: PeerConfig): boolean {
    return this.#peers.get(name)?.canRekey(neighbor) ?? false
  }

  /**
   * Other VRFs take the place of those that there are.
   *
   * @param use does it once it is known that no neighbor is left without its VRF
   * @throws SpeakerError `speaker.config`
   */
  useVrfs(vrfs: readonly VrfConfig[], use: () => void): void {
    for (const { name, config } of this.all()) {
      const { vrf } = config.neighbor
      const isThere = vrf === undefined || vrfs.some((other) => other.name === vrf)
      if (!isThere) throw new SpeakerError('speaker.config', 'vrfs', `'${vrf}' cannot go while ${name} is in it`)
    }
    const config = { ...this.#config, vrfs }
    const wanted = this.#under(config)
    use()
    this.#config = config
    this.#generation++
    // the AS of a VRF is what its customers know us by
    this.#carryOutAll(wanted)
  }

  /** What the streams that peers open must have. @param except leaves this one out */
  protection(except?: Peer): PeerProtection[] {
    return [...this.#dynamic.protection(), ...this.#protectionOfPeers(except)]
  }

  #protectionOfPeers(except?: Peer): PeerProtection[] {
    return [...this.all()].flatMap((peer) => (peer === except ? [] : protectionOf(peer.config, peer.address)))
  }

  /** Gives a connection to the peer that made it. @returns why it was not wanted */
  accept(connection: Connection): 'not a neighbor' | 'not expected' | undefined {
    const { address: remote, zone } = connection.remote
    const address = remote.unmapped()
    const from = zone === undefined ? { address } : { address, zone }
    const peer =
      this.#peers.get(zonedText(from)) ?? this.#peers.get(address.toString()) ?? this.#unnumbered(from) ?? this.#dynamic.admit(from)
    if (peer === undefined) return 'not a neighbor'
    const local = peer.config.localAddress
    const expected = local === undefined || local.equals(connection.local.address.unmapped())
    return expected && peer.accept(connection) ? undefined : 'not expected'
  }

  /** A peer was found at another address. @throws TransportError `transport.unsupported` for the protection that it needs there */
  moved(): void {
    this.context.index.rank()
    this.context.protect(this.protection())
  }

  /** A session is over, or nothing waits for the peer any more. */
  settled(peer: Peer): void {
    this.#dynamic.settled(peer)
  }

  /** The peer of a device, found where the connection comes from. */
  #unnumbered({ address, zone }: ZonedAddress): Peer | undefined {
    const peer = zone === undefined ? undefined : this.#peers.get(`%${zone}`)
    return peer?.address?.equals(address) === true ? peer : undefined
  }

  #checked(neighbor: NeighborConfig, at: string, speaker = this.#config): PeerConfig {
    const config = peerConfig(neighbor, speaker, at)
    const lacksDiscovery = config.address === undefined && this.context.peers(undefined).routerDiscovery === undefined
    if (lacksDiscovery) throw new SpeakerError('speaker.config', `${at}.address`, 'there is no router discovery to find the peer by')
    if ((neighbor.bfd ?? false) === false) return config
    const { bfd } = this.context.peers(undefined)
    if (bfd === undefined) throw new SpeakerError('speaker.config', `${at}.bfd`, 'there is no BFD source')
    if (config.zone !== undefined && bfd.devices !== true) {
      throw new SpeakerError('speaker.config', `${at}.bfd`, `the BFD source watches no path through a device, as that to ${config.name} is`)
    }
    return config
  }

  #absent({ name }: PeerConfig, at: string): void {
    if (this.#peers.has(name)) throw new SpeakerError('speaker.neighbor-exists', at, `${name} is configured already`)
  }

  #put(peer: Peer, at: string): void {
    this.#absent(peer.config, at)
    this.context.index.put(peer)
    this.#peers.set(peer.name, peer)
  }
}

/** An address as the name of its neighbor. */
function nameOf(address: string): string {
  const zoned = parseZoned(address)
  return zoned === undefined ? address : zonedText(zoned)
}

/** @param address where the peer is; from where it has not been found yet, nobody is expected */
function protectionOf({ protection }: PeerConfig, address: IpAddress | undefined): PeerProtection[] {
  return protection === undefined || address === undefined ? [] : [{ peer: address, ...protection }]
}
