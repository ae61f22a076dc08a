import type { Clock, Connection } from '@heddle/io'

/** How long a connection that is closed may take to send its last message, in milliseconds. */
const LINGER = 2000

/** The way out of a session: the connection that is there now, how much it has taken, and how it ends. */
export class SessionStream {
  #connection: Connection | undefined
  #blocked = false
  #written = 0
  /** Octets that had left at the last look. */
  #left = 0

  /** @param writable the connection takes octets again */
  constructor(
    private readonly clock: Clock,
    private readonly writable: () => void,
  ) {}

  get connection(): Connection | undefined {
    return this.#connection
  }

  /** It has taken all it wants for now. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Takes another connection in the place of the one before. */
  adopt(connection: Connection): void {
    this.#connection = connection
    this.#blocked = false
    this.#written = 0
    this.#left = 0
  }

  /** @returns whether more should be written now */
  write(octets: Uint8Array): boolean {
    const connection = this.#connection
    if (connection === undefined) return false
    this.#written += octets.length
    if (connection.write(octets)) return true
    if (!this.#blocked) {
      this.#blocked = true
      void connection.drained().then(() => {
        if (this.#connection !== connection) return
        this.#blocked = false
        this.writable()
      })
    }
    return false
  }

  /** Whether nothing has left since the last look although something waits (RFC 9687 §3.2). */
  stands(): boolean {
    const queued = this.#connection?.queued ?? 0
    const left = this.#written - queued
    if (queued > 0 && left <= this.#left) return true
    this.#left = left
    return false
  }

  /** Ends the connection behind its last message. Idempotent. */
  close(): void {
    const connection = this.#connection
    this.#connection = undefined
    if (connection === undefined) return
    const linger = this.clock.setTimer(LINGER, () => connection.reset())
    connection.close().then(
      () => linger.cancel(),
      () => linger.cancel(),
    )
  }
}
