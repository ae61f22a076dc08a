import { lengthAt } from '../../message/header.js'
import type { Session } from '../../session/session.js'

/** Octets that may wait for a peer beside what its connection has taken; a peer that is further behind is left out of what is packed for others. */
const WINDOW = 256 << 10

/** Octets that a connection is handed in one piece; no message is longer. */
const PIECE = 64 << 10

/** In the place of a run that is done, so that its octets can go. */
const NOTHING = new Uint8Array()

/** Messages on their way to one peer, in order, as runs of octets. Peers of a group share the octets, each has its own place. */
export class Outbox {
  #runs: Uint8Array[] = []
  #head = 0
  /** Octets of the first run that have been handed over. */
  #at = 0
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

  /** Octets that were ever queued; `written` reaches it once all of them are with the connection. */
  get queued(): number {
    return this.#queued
  }

  get written(): number {
    return this.#written
  }

  /** @param messages one or more, one behind the other */
  push(messages: Uint8Array): void {
    if (messages.length === 0) return
    this.#runs.push(messages)
    this.#octets += messages.length
    this.#queued += messages.length
  }

  /** Hands over as much as the connection takes, in long pieces. @returns whether anything was handed over */
  pump(): boolean {
    const before = this.#written
    while (this.#head < this.#runs.length && !this.session.blocked) {
      const run = this.#runs[this.#head]
      const end = pieceEnd(run, this.#at)
      const piece = this.#at === 0 && end === run.length ? run : run.subarray(this.#at, end)
      this.#at = end
      if (end === run.length) this.#drop()
      this.#octets -= piece.length
      this.#written += piece.length
      this.session.write(piece)
    }
    return this.#written > before
  }

  /** The first run is done. */
  #drop(): void {
    this.#at = 0
    this.#runs[this.#head++] = NOTHING
    if (this.#head === this.#runs.length) {
      this.#runs = []
      this.#head = 0
    } else if (this.#head > 64 && this.#head * 2 > this.#runs.length) {
      this.#runs = this.#runs.slice(this.#head)
      this.#head = 0
    }
  }
}

/** Where the messages from `from` end that make one piece. */
function pieceEnd(run: Uint8Array, from: number): number {
  if (run.length - from <= PIECE) return run.length
  let end = from + lengthAt(run, from)
  for (;;) {
    const next = end + lengthAt(run, end)
    if (next - from > PIECE) return end
    end = next
  }
}
