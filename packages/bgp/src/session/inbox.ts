import type { BgpError } from '../validate/bgp-error.js'

/** What arrived in Established, in its order. */
export type InboxItem =
  /** An UPDATE or ROUTE-REFRESH. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'notification'; readonly bytes: Uint8Array }
  /** No further message can be found in the stream. */
  | { readonly kind: 'error'; readonly error: BgpError }
  /** The connection is over. */
  | { readonly kind: 'end'; readonly message: string }

/** Octets above which no more is read from the connection, so that the peer is slowed down. */
const FULL = 512 << 10

/** Messages between the connection and their turn to be processed. */
export class Inbox {
  #items: InboxItem[] = []
  #head = 0
  #octets = 0
  #waiting: (() => void) | undefined

  get length(): number {
    return this.#items.length - this.#head
  }

  /** Octets that wait. */
  get octets(): number {
    return this.#octets
  }

  get full(): boolean {
    return this.#octets > FULL
  }

  push(item: InboxItem): void {
    this.#items.push(item)
    if ('bytes' in item) this.#octets += item.bytes.length
  }

  shift(): InboxItem | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head++]
    if ('bytes' in item) this.#octets -= item.bytes.length
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
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

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }
}
