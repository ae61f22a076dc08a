import { LinuxError } from './linux-error.js'
import type { NativePoller } from './native/binding.js'
import { call } from './native/call.js'

/** Bits of interest in a descriptor, and of what it is ready for. */
export const READINESS = Object.freeze({
  readable: 1,
  writable: 2,
  /** Always reported: the other end is gone, or an error waits on the descriptor. */
  hangUp: 4,
})

/** One descriptor that a `Poller` watches. */
export interface Watch {
  /**
   * Asks for the next time, which comes at once where something was left. Take a batch, and not until there is no more: that is as long as the other end likes, and
   * nothing else gets its turn.
   */
  rearm(interest?: number): void
  /** Stops watching. Call it before the descriptor is closed. Idempotent. */
  close(): void
}

/** Pairs of token and readiness taken from the native part at once. */
const EVENTS = 128

interface Entry {
  readonly fd: number
  readonly ready: (readiness: number) => void
}

/**
 * Tells when descriptors get ready. A native thread waits for all of them and wakes the event loop once for what got ready meanwhile.
 *
 * Each watch reports once and then sleeps until `rearm`. Keeps the process alive until it is closed, unless `unref` is called.
 */
export class Poller implements Disposable {
  readonly #native: NativePoller
  readonly #entries = new Map<number, Entry>()
  readonly #events = new Uint32Array(EVENTS * 2)
  #nextToken = 1
  #closed = false

  private constructor(create: (wake: () => void) => NativePoller) {
    this.#native = create(() => this.#dispatch())
    this.ref()
  }

  /** @throws LinuxError `EMFILE` when the process has no descriptors left */
  static open(): Poller {
    return new Poller((wake) => call((native) => new native.NativePoller(wake)))
  }

  /**
   * Watches `fd` and calls `ready` when it is ready for `interest`, a sum of `READINESS`.
   *
   * @throws LinuxError `EEXIST` when it is watched already, `EBADF` when it is not open or the poller is closed, `EPERM` for a regular file
   */
  watch(fd: number, interest: number, ready: (readiness: number) => void): Watch {
    const token = this.#freeToken()
    call(() => this.#native.add(fd, token, interest))
    this.#entries.set(token, { fd, ready })
    return {
      rearm: (next = interest) => {
        if (!this.#entries.has(token)) throw new LinuxError('EBADF', 9, `watch descriptor ${fd} again`, 'it is not watched any more')
        call(() => this.#native.rearm(fd, token, next))
      },
      close: () => {
        if (this.#entries.delete(token) && !this.#closed) call(() => this.#native.remove(fd))
      },
    }
  }

  /** Keeps the process alive. */
  ref(): void {
    call(() => this.#native.reference())
  }

  /** Lets the process end though the poller is open. */
  unref(): void {
    call(() => this.#native.unreference())
  }

  /** Ends all watches and the thread. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#entries.clear()
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Tokens wrap after 2^32 watches and are never those of a live one, so that a late event cannot reach the wrong watch. */
  #freeToken(): number {
    do this.#nextToken = (this.#nextToken + 1) >>> 0
    while (this.#entries.has(this.#nextToken))
    return this.#nextToken
  }

  /** One batch a turn of the event loop: a descriptor that is always ready starves nothing else. */
  readonly #dispatch = (): void => {
    if (this.#closed) return
    const count = call(() => this.#native.take(this.#events))
    if (count === 0) return
    const pairs = this.#events.slice(0, count * 2)
    setImmediate(this.#dispatch)
    for (let at = 0; at < pairs.length; at += 2) {
      const entry = this.#entries.get(pairs[at])
      if (entry === undefined) continue
      try {
        entry.ready(pairs[at + 1])
      } catch (error) {
        // The callback's error is the process's to handle; the other descriptors get their turn all the same.
        process.nextTick(() => {
          throw error
        })
      }
    }
  }
}
