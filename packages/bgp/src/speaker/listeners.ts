import { refuseProtection, type Connection, type Listener, type Logger, type PeerProtection, type Transport } from '@heddle/io'
import type { ListenConfig } from './config.js'
import { SpeakerError } from './speaker-error.js'
import { parseZoned, zonedText } from './zoned-address.js'

const DEFAULT_PORT = 179

/** A place with what listens there. */
interface Open {
  readonly place: ListenConfig
  readonly listener: Listener
}

/** What listeners need of the speaker. */
export interface ListenersContext {
  readonly transport: Transport
  readonly logger: Logger
  /** What the streams that peers open must have now. */
  protection(): readonly PeerProtection[]
  accepted(connection: Connection): void
}

/** Where a speaker accepts connections. */
export class Listeners {
  #open: readonly Open[] = []
  #hasBegun = false
  /** How often what peers must have has changed. */
  #changes = 0

  constructor(private readonly context: ListenersContext) {}

  /** Where it listens in fact. */
  get local(): readonly { readonly address: string; readonly port: number }[] {
    return this.#open.map(({ listener: { local } }) => ({ address: zonedText(local), port: local.port }))
  }

  /**
   * Listens at these places, and at no others. One that is there already stays as it is, unless it cannot ask for what streams must have: a transport
   * may have simpler listeners for those that ask for nothing. Peers may come, go and change while it waits.
   *
   * @param protection what the streams that peers open must have
   * @throws SpeakerError `speaker.config`, `speaker.listen`; then it listens where it did before
   */
  async use(places: readonly ListenConfig[], protection: readonly PeerProtection[]): Promise<void> {
    const left = [...this.#open]
    const kept = new Map<ListenConfig, Open>()
    for (const place of places) {
      const at = left.findIndex((open) => keyOf(open.place) === keyOf(place) && isAble(open, protection))
      if (at >= 0) kept.set(place, left.splice(at, 1)[0])
    }
    const missing = places.filter((place) => !kept.has(place))
    const changes = this.#changes
    const wanted = (): readonly PeerProtection[] => (this.#changes === changes ? protection : this.context.protection())
    let fresh: readonly Open[]
    try {
      fresh = await this.#listenAll(missing, wanted)
    } catch (error) {
      if (left.length === 0) throw error
      fresh = await this.#inPlaceOf(left, missing, wanted)
    }
    const opened = new Map(fresh.map((open) => [open.place, open]))
    this.#open = places.flatMap((place) => kept.get(place) ?? opened.get(place) ?? [])
    if (this.#hasBegun) for (const { listener } of fresh) void this.#accept(listener)
    await closeAll(left)
  }

  /** Begins to hand on connections; those that were made meanwhile have waited. */
  begin(): void {
    this.#hasBegun = true
    for (const { listener } of this.#open) void this.#accept(listener)
  }

  /** Peers have come, gone or changed. @throws TransportError `transport.unsupported` */
  protect(protection: readonly PeerProtection[]): void {
    this.#changes++
    for (const { listener } of this.#open) {
      if (listener.protect !== undefined) listener.protect(protection)
      else refuseProtection(protection, 'listening')
    }
  }

  /** Resolves when nothing listens any more. */
  async close(): Promise<void> {
    const open = this.#open
    this.#open = []
    await closeAll(open)
  }

  /** An address of its own and all addresses are not to be had on one port at one time: the old places go first, and come back if that was no use. */
  async #inPlaceOf(old: readonly Open[], places: readonly ListenConfig[], wanted: () => readonly PeerProtection[]): Promise<Open[]> {
    await closeAll(old)
    try {
      return await this.#listenAll(places, wanted)
    } catch (error) {
      const before = old.map(({ place, listener }) => ({ ...place, port: listener.local.port }))
      const again = await this.#listenAll(before, () => this.context.protection())
      this.#open = this.#open.map((open) => ({ place: open.place, listener: again[old.indexOf(open)]?.listener ?? open.listener }))
      if (this.#hasBegun) for (const { listener } of again) void this.#accept(listener)
      throw error
    }
  }

  /** @param wanted what the streams that peers open must have now */
  async #listenAll(places: readonly ListenConfig[], wanted: () => readonly PeerProtection[]): Promise<Open[]> {
    const open: Open[] = []
    try {
      const changes = this.#changes
      const protection = wanted()
      for (const place of places) open.push({ place, listener: await this.#listen(place, protection) })
      if (this.#changes === changes || open.every((each) => isToldOf(each, wanted()))) return open
    } catch (error) {
      await closeAll(open)
      throw error
    }
    await closeAll(open)
    return this.#listenAll(places, wanted)
  }

  async #listen({ address, port = DEFAULT_PORT }: ListenConfig, protection: readonly PeerProtection[]): Promise<Listener> {
    const parsed = parseZoned(address)
    if (parsed === undefined) throw new SpeakerError('speaker.config', 'listen', `${address} is not an IP address`)
    try {
      return await this.context.transport.listen({ ...parsed, port, ...(protection.length === 0 ? {} : { protection }) })
    } catch (cause) {
      throw listenError({ address, port }, cause)
    }
  }

  async #accept(listener: Listener): Promise<void> {
    try {
      for await (const connection of listener.connections) this.context.accepted(connection)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.context.logger.error('no longer listening', { port: listener.local.port, error: message })
    }
  }
}

function isAble({ listener }: Open, protection: readonly PeerProtection[]): boolean {
  return protection.length === 0 || listener.protect !== undefined
}

/** Gives a listener other protection. @returns whether it is one that can be told @throws SpeakerError `speaker.listen` */
function isToldOf(open: Open, protection: readonly PeerProtection[]): boolean {
  if (!isAble(open, protection)) return false
  try {
    open.listener.protect?.(protection)
    return true
  } catch (cause) {
    throw listenError(open.place, cause)
  }
}

function listenError({ address, port = DEFAULT_PORT }: ListenConfig, cause: unknown): SpeakerError {
  const message = cause instanceof Error ? cause.message : String(cause)
  return new SpeakerError('speaker.listen', `${address} port ${port}`, message, { cause })
}

function keyOf({ address, port = DEFAULT_PORT }: ListenConfig): string {
  return `${address} port ${port}`
}

async function closeAll(open: readonly Open[]): Promise<void> {
  await Promise.all(open.map(({ listener }) => listener.close()))
}
