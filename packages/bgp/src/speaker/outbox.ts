import type { Session } from '../session/session.js'

/** Octets that may wait for a peer beside what its connection has taken; a peer that is further behind is left out of what is packed for others. */
const WINDOW = 256 << 10

/** Messages on their way to one peer, in order. Peers of a group share the octets, each has its own place. */
export class Outbox {
  #messages: Uint8Array[] = []
  #head = 0
  #octets = 0
  #queued = 0
  #written = 0

  constructor(private readonly session: Pick<Session, 'write' | 'blocked'>) {}

  /** Octets that wait. */
  get octets(): number {
    return this.#octets
  }

  /** Whether the peer keeps up: more may be packed for it. */
  get open(): boolean {
    return this.#octets < WINDOW
  }

  /** Messages that were ever queued; `written` reaches it once all of them are with the connection. */
  get queued(): number {
    return this.#queued
  }

  get written(): number {
    return this.#written
  }

  push(message: Uint8Array): void {
    this.#messages.push(message)
    this.#octets += message.length
    this.#queued++
  }

  /** Hands over as much as the connection takes. @returns whether anything was handed over */
  pump(): boolean {
    const before = this.#written
    while (this.#head < this.#messages.length && !this.session.blocked) {
      const message = this.#messages[this.#head++]
      this.#octets -= message.length
      this.#written++
      this.session.write(message)
    }
    if (this.#head === this.#messages.length) {
      this.#messages = []
      this.#head = 0
    } else if (this.#head > 256 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
    return this.#written > before
  }
}
