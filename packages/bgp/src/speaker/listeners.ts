import { refuseProtection, type Connection, type Listener, type Logger, type PeerProtection, type Transport } from '@heddle/io'
import type { ListenConfig } from './config.js'
import { SpeakerError } from './speaker-error.js'
import { parseZoned, zonedText } from './zoned-address.js'

const DEFAULT_PORT = 179

/** Where a speaker accepts connections. */
export class Listeners {
  readonly #listeners: Listener[] = []

  constructor(
    private readonly transport: Transport,
    private readonly logger: Logger,
    private readonly accepted: (connection: Connection) => void,
  ) {}

  /** Where it listens in fact. */
  get local(): readonly { readonly address: string; readonly port: number }[] {
    return this.#listeners.map(({ local }) => ({ address: zonedText(local), port: local.port }))
  }

  /**
   * @param protection what the streams that peers open must have
   * @throws SpeakerError `speaker.config`, `speaker.listen`; then it listens nowhere
   */
  async open(places: readonly ListenConfig[], protection: readonly PeerProtection[]): Promise<void> {
    try {
      for (const place of places) await this.#listen(place, protection)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Begins to hand on connections; those that were made meanwhile have waited. */
  begin(): void {
    for (const listener of this.#listeners) void this.#accept(listener)
  }

  /** Peers have come, gone or changed. @throws TransportError `transport.unsupported` */
  protect(protection: readonly PeerProtection[]): void {
    for (const listener of this.#listeners) {
      if (listener.protect !== undefined) listener.protect(protection)
      else refuseProtection(protection, 'listening')
    }
  }

  /** Resolves when nothing listens any more. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()))
  }

  async #listen({ address, port = DEFAULT_PORT }: ListenConfig, protection: readonly PeerProtection[]): Promise<void> {
    const parsed = parseZoned(address)
    if (parsed === undefined) throw new SpeakerError('speaker.config', 'listen', `${address} is not an IP address`)
    try {
      const listener = await this.transport.listen({ ...parsed, port, ...(protection.length === 0 ? {} : { protection }) })
      this.#listeners.push(listener)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw new SpeakerError('speaker.listen', `${address} port ${port}`, message, { cause })
    }
  }

  async #accept(listener: Listener): Promise<void> {
    try {
      for await (const connection of listener.connections) this.accepted(connection)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.logger.error('no longer listening', { port: listener.local.port, error: message })
    }
  }
}
