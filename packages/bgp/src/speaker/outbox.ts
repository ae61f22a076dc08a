import type { Session } from '../session/session.js'

/** Octets that may wait for a peer beside what its connection has taken; a peer that is further behind is left out of what is packed for others. */
const WINDOW = 256 << 10

/** Octets that a connection is handed in one piece. */
const PIECE = 64 << 10

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

  push(messages: readonly Uint8Array[]): void {
    for (const message of messages) {
      this.#messages.push(message)
      this.#octets += message.length
    }
    this.#queued += messages.length
  }

  /** Hands over as much as the connection takes, in long pieces. @returns whether anything was handed over */
  pump(): boolean {
    const before = this.#written
    while (this.#head < this.#messages.length && !this.session.blocked) {
      const end = this.#pieceEnd()
      const messages = this.#messages.slice(this.#head, end)
      const piece = joined(messages)
      this.#head = end
      this.#octets -= piece.length
      this.#written += messages.length
      this.session.write(piece, messages)
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

  /** The message behind those that stand in one buffer without a gap. */
  #pieceEnd(): number {
    const messages = this.#messages
    let { length } = messages[this.#head]
    let at = this.#head + 1
    while (at < messages.length && follows(messages[at - 1], messages[at])) {
      length += messages[at].length
      if (length > PIECE) break
      at++
    }
    return at
  }
}

function follows(one: Uint8Array, next: Uint8Array): boolean {
  return one.buffer === next.buffer && one.byteOffset + one.length === next.byteOffset
}

/** Messages that follow each other in one buffer, as one view. */
function joined(messages: readonly Uint8Array[]): Uint8Array {
  const [first] = messages
  if (messages.length === 1) return first
  const last = messages[messages.length - 1]
  return new Uint8Array(first.buffer, first.byteOffset, last.byteOffset + last.length - first.byteOffset)
}
