import { lengthAt } from '../message/header.js'
import type { BgpError } from '../validate/bgp-error.js'

/** What arrived in Established, in its order. */
export type InboxItem =
  /** An UPDATE or ROUTE-REFRESH: the octets `from` up to `to` of `bytes`. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly from: number; readonly to: number }
  | { readonly kind: 'notification'; readonly bytes: Uint8Array }
  /** No further message can be found in the stream. */
  | { readonly kind: 'error'; readonly error: BgpError }
  /** The connection is over. */
  | { readonly kind: 'end'; readonly message: string }

/** Messages that stand in `bytes` one behind the other, of which those before `from` have been taken. */
interface Run {
  readonly kind: 'run'
  readonly bytes: Uint8Array
  from: number
  to: number
}

/** Octets above which no more is read from the connection, so that the peer is slowed down. */
const FULL = 512 << 10

/** In the place of what has been taken. */
const GONE: Run = { kind: 'run', bytes: new Uint8Array(), from: 0, to: 0 }

/** Messages between the connection and their turn to be processed. A table is a hundred thousand of them, so what waits is runs of octets. */
export class Inbox {
  #items: (Run | Exclude<InboxItem, { kind: 'message' }>)[] = []
  #head = 0
  #octets = 0
  #waiting: (() => void) | undefined
  readonly #message = { kind: 'message' as const, bytes: new Uint8Array() as Uint8Array, from: 0, to: 0 }

  get empty(): boolean {
    return this.#items.length === this.#head
  }

  /** Octets that wait. */
  get octets(): number {
    return this.#octets
  }

  get full(): boolean {
    return this.#octets > FULL
  }

  push(item: Exclude<InboxItem, { kind: 'message' }>): void {
    this.#items.push(item)
    if ('bytes' in item) this.#octets += item.bytes.length
  }

  /** An UPDATE or ROUTE-REFRESH, whose header has been checked: the octets `from` up to `to` of `bytes`. */
  pushMessage(bytes: Uint8Array, from: number, to: number): void {
    this.#octets += to - from
    const last = this.empty ? undefined : this.#items[this.#items.length - 1]
    if (last?.kind === 'run' && last.bytes === bytes && last.to === from) last.to = to
    else this.#items.push({ kind: 'run', bytes, from, to })
  }

  /** The next one; a message is valid until the next call. */
  shift(): InboxItem | undefined {
    if (this.empty) return undefined
    const first = this.#items[this.#head]
    const item = first.kind === 'run' ? this.#messageOf(first) : first
    if (first.kind !== 'run' || first.from === first.to) this.#drop()
    this.#octets -= item.kind === 'message' ? item.to - item.from : 'bytes' in item ? item.bytes.length : 0
    if (this.#octets < FULL / 2) this.#wake()
    return item
  }

  /** Resolves when there is room again. */
  drained(): Promise<void> {
    if (!this.full) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  clear(): void {
    this.#items = []
    this.#head = 0
    this.#octets = 0
    this.#wake()
  }

  /** Takes the first message out of a run. */
  #messageOf(run: Run): InboxItem {
    const message = this.#message
    message.bytes = run.bytes
    message.from = run.from
    message.to = run.from += lengthAt(run.bytes, run.from)
    return message
  }

  #drop(): void {
    this.#items[this.#head++] = GONE // else up to a thousand reads of a socket would stay in memory
    if (this.empty) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }
}
