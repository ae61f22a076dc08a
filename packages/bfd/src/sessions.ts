import type { Clock, Random, Timer } from '@heddle/io'
import {
  BFD_DIAGNOSTICS,
  BFD_PACKET_SIZE,
  ByteReader,
  WireError,
  decodeBfdPacket,
  encodeBfdPacket,
  type BfdPacket,
  type BfdState,
  type IpAddress,
} from '@heddle/wire'
import {
  bfdPacket,
  detectionTime,
  newBfdSession,
  stepBfd,
  transmitInterval,
  type BfdConfig,
  type BfdEvent,
  type BfdSession,
} from './session.js'
import { pathKey, type WatchedPath } from './watched-path.js'

/** How sessions meet the world. */
export interface BfdSessionsOptions {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly random: Random
  /** Sends a packet of a session to its remote: UDP, TTL 255. Nothing is told of what gets lost. */
  readonly send: (path: WatchedPath, packet: Uint8Array) => void
  /** A session came up, or is up no more. `admin-down` says nothing about the path: the far end does not want to be watched (RFC 5882 §3.2). */
  readonly changed: (path: WatchedPath, state: 'up' | 'down' | 'admin-down', reason: string) => void
  /** A session is another one than before, by what `resume` needs: to be kept where another process finds it. Comes behind `changed`. */
  readonly stepped?: (saved: SavedBfdSession) => void
}

/** A session at a moment, for people. */
export interface BfdSessionStatus {
  readonly path: WatchedPath
  readonly state: BfdState
  readonly remoteState: BfdState
  readonly discriminator: number
  /** 0: not known. */
  readonly remoteDiscriminator: number
  /** Microseconds between packets that this end sends; 0 while it sends none. */
  readonly transmitInterval: number
  /** Microseconds without a packet after which the session is down; 0 while nothing was heard. */
  readonly detectionTime: number
}

/** A session to go on with in another process. Plain data. */
export interface SavedBfdSession {
  readonly id: number
  readonly discriminator: number
  readonly session: BfdSession
}

interface Running {
  path: WatchedPath
  config: BfdConfig
  session: BfdSession
  transmit: Timer | undefined
  detect: Timer | undefined
  /** The session as it was last told to whoever keeps it. */
  remembered: string
}

/** The BFD sessions of a router: what `session.ts` decides, carried out by timers. */
export class BfdSessions {
  readonly #options: BfdSessionsOptions
  readonly #running = new Map<number, Running>()
  readonly #byPath = new Map<string, Running>()

  constructor(options: BfdSessionsOptions) {
    this.#options = options
  }

  /** Begins a session; one whose intervals changed goes on, and the far end is told (RFC 5880 §6.8.3). */
  set(path: WatchedPath): void {
    const running = this.#running.get(path.id)
    if (running !== undefined && pathKey(running.path) === pathKey(path)) return this.#reconfigure(running, path)
    this.remove(path.id)
    this.#begin(path, this.#discriminator(), newBfdSession())
  }

  /** Goes on with sessions that another process had, by `saved`; `paths` that it did not have begin. */
  resume(paths: Iterable<WatchedPath>, saved: readonly SavedBfdSession[]): void {
    const known = new Map(saved.map((one) => [one.id, one]))
    for (const path of paths) {
      const before = known.get(path.id)
      if (before === undefined || this.#running.has(path.id)) this.set(path)
      else {
        const running = this.#begin(path, before.discriminator, before.session)
        this.#expect(running)
        // The far end has heard nothing for as long as this took.
        this.#send(running, false)
      }
    }
  }

  /** What another process needs to go on with all sessions, without the far ends noticing. */
  save(): SavedBfdSession[] {
    return Array.from(this.#running, ([id, { config, session }]) => ({ id, discriminator: config.discriminator, session }))
  }

  /** Ends a session. The far end is told that this is nothing that happened to the path (RFC 5880 §6.8.16). */
  remove(id: number): void {
    const running = this.#running.get(id)
    if (running === undefined) return
    running.session = stepBfd(running.session, { type: 'admin-down' }, running.config).session
    this.#send(running, false)
    this.#forget(running)
  }

  /** Ends all sessions, as `remove`. */
  leave(): void {
    for (const id of this.#running.keys()) this.remove(id)
  }

  /** Ends all sessions without a word: somebody else goes on with them, or the far ends are to notice. */
  close(): void {
    for (const running of this.#running.values()) this.#forget(running)
  }

  #forget(running: Running): void {
    running.transmit?.cancel()
    running.detect?.cancel()
    this.#running.delete(running.path.id)
    this.#byPath.delete(pathKey(running.path))
  }

  /** All sessions. */
  list(): BfdSessionStatus[] {
    return Array.from(this.#running.values(), ({ path, config, session }) => ({
      path,
      state: session.state,
      remoteState: session.remoteState,
      discriminator: config.discriminator,
      remoteDiscriminator: session.remoteDiscriminator,
      transmitInterval: session.remoteMinRx === 0 ? 0 : Math.max(session.activeMinTx, session.remoteMinRx),
      detectionTime: Math.round(detectionTime(session, config) * 1000),
    }))
  }

  /** Ids of those that are up. */
  up(): number[] {
    return [...this.#running].flatMap(([id, { session }]) => (session.state === 'up' ? [id] : []))
  }

  /** Takes what came to the BFD port. @param ttl that it arrived with: one hop away it is 255 (RFC 5881 §5), or somebody else sent it */
  receive(local: IpAddress, remote: IpAddress, hops: WatchedPath['hops'], ttl: number, bytes: Uint8Array, device?: string): void {
    if (hops === 'single' && ttl !== 255) return
    const running = this.#byPath.get(pathKey({ local, remote, hops, ...(device === undefined ? {} : { device }) }))
    if (running === undefined) return
    const packet = readPacket(bytes)
    if (packet === undefined) return
    if (packet.yourDiscriminator !== 0 && packet.yourDiscriminator !== running.config.discriminator) return
    this.#step(running, { type: 'received', packet })
  }

  #begin(path: WatchedPath, discriminator: number, session: BfdSession): Running {
    const running: Running = {
      path,
      config: configOf(path, discriminator),
      session,
      transmit: undefined,
      detect: undefined,
      remembered: '',
    }
    this.#running.set(path.id, running)
    this.#byPath.set(pathKey(path), running)
    this.#schedule(running)
    this.#remember(running)
    return running
  }

  #reconfigure(running: Running, path: WatchedPath): void {
    const { config: before } = running
    running.path = path
    running.config = configOf(path, before.discriminator)
    if (JSON.stringify(before) === JSON.stringify(running.config)) return
    this.#step(running, { type: 'reconfigured' })
    this.#send(running, false)
    this.#schedule(running)
  }

  #step(running: Running, event: BfdEvent): void {
    try {
      this.#carryOut(running, event)
    } finally {
      this.#remember(running)
    }
  }

  #carryOut(running: Running, event: BfdEvent): void {
    const { path, config } = running
    const before = running.session
    const { session, answer, alive } = stepBfd(before, event, config)
    running.session = session
    if (answer) this.#send(running, true)
    if (alive) this.#expect(running)
    if (session.state === before.state) {
      // Another one asks for the session, who may be the right one.
      if (session.state === 'init' && session.remoteDiscriminator !== before.remoteDiscriminator) this.#send(running, false)
      // Whoever may be sent to more often than before, or at all, expects it from now on (RFC 5880 §6.8.7).
      if (paceOf(session, config) !== paceOf(before, config)) this.#schedule(running)
      return
    }
    // One that is up over several hops and still hears this one believes nobody who does not name its session, and that is forgotten from now on (§6.8.1).
    if (event.type === 'detection-expired' && before.state === 'up' && config.hops === 'multiple')
      this.#sendOf({ ...session, remoteDiscriminator: before.remoteDiscriminator }, running, false)
    // What changed is told at once, and so is the rate that goes with it (RFC 5880 §6.8.7).
    this.#send(running, false)
    this.#schedule(running)
    // Behind all that keeps the session going, which must not depend on what is done with the news.
    if (session.state === 'up') this.#options.changed(path, 'up', 'up')
    else if (before.state === 'up') this.#lost(path, session)
  }

  #lost(path: WatchedPath, session: BfdSession): void {
    const hasEnded = session.diagnostic !== BFD_DIAGNOSTICS.detectionTimeExpired && session.remoteState === 'admin-down'
    this.#options.changed(path, hasEnded ? 'admin-down' : 'down', reasonOf(session))
  }

  #remember(running: Running): void {
    const { stepped } = this.#options
    if (stepped === undefined || this.#running.get(running.path.id) !== running) return
    const { path, config, session } = running
    const text = JSON.stringify(session)
    if (text === running.remembered) return
    running.remembered = text
    stepped({ id: path.id, discriminator: config.discriminator, session })
  }

  #expect(running: Running): void {
    running.detect?.cancel()
    running.detect = this.#options.clock.setTimer(detectionTime(running.session, running.config), () =>
      this.#step(running, { type: 'detection-expired' }),
    )
  }

  #schedule(running: Running): void {
    running.transmit?.cancel()
    const interval = transmitInterval(running.session, running.config, this.#options.random.uint32() / 0x1_0000_0000)
    running.transmit =
      interval === undefined
        ? undefined
        : this.#options.clock.setTimer(interval, () => {
            this.#send(running, false)
            this.#schedule(running)
          })
  }

  #send(running: Running, final: boolean): void {
    this.#sendOf(running.session, running, final)
  }

  #sendOf(session: BfdSession, { path, config }: Running, final: boolean): void {
    const bytes = new Uint8Array(BFD_PACKET_SIZE)
    encodeBfdPacket(bfdPacket(session, config, final), new DataView(bytes.buffer), 0)
    this.#options.send(path, bytes)
  }

  #discriminator(): number {
    for (;;) {
      const drawn = this.#options.random.uint32()
      const isTaken = [...this.#running.values()].some(({ config }) => config.discriminator === drawn)
      if (drawn !== 0 && !isTaken) return drawn
    }
  }
}

/** Why a session is in its state, for people. */
export function reasonOf({ state, diagnostic, remoteState }: BfdSession): string {
  if (state === 'up') return 'up'
  if (diagnostic === BFD_DIAGNOSTICS.detectionTimeExpired) return 'nothing was heard for the detection time'
  return remoteState === 'admin-down' ? 'the far end has ended its session' : 'the far end says that it is down'
}

function configOf({ desiredMinTx, requiredMinRx, multiplier, hops }: WatchedPath, discriminator: number): BfdConfig {
  return { discriminator, desiredMinTx, requiredMinRx, multiplier, hops }
}

/** Milliseconds between packets, without the jitter. */
function paceOf(session: BfdSession, config: BfdConfig): number | undefined {
  return transmitInterval(session, config, 0)
}

function readPacket(bytes: Uint8Array): BfdPacket | undefined {
  try {
    return decodeBfdPacket(new ByteReader(bytes, 'bfd'))
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}
