import type { NativeWaiter } from './native/binding.js'
import { call } from './native/call.js'

/** Token that a `Waiter` gives when `wakeWaiter` was called. */
export const WOKEN = 0xffff_ffff

/**
 * Waits for descriptors to become readable, and blocks its thread: for a worker that does nothing else. Whoever has something for it in shared
 * memory calls `wakeWaiter`.
 */
export class Waiter implements Disposable {
  readonly #native: NativeWaiter
  readonly #number: number

  private constructor(native: NativeWaiter) {
    this.#native = native
    this.#number = native.number()
  }

  static open(): Waiter {
    return new Waiter(call((native) => new native.NativeWaiter()))
  }

  /** Descriptor for `wakeWaiter`, which may be called on any thread. */
  get wakeFd(): number {
    return call(() => this.#native.wakeFd)
  }

  /**
   * Gives `token` for as long as the descriptor is readable. Remove it before closing it.
   *
   * @param token 0–4,294,967,294
   * @throws LinuxError `EEXIST`, `EBADF`, `EPERM` for one that cannot be waited for
   */
  add(fd: number, token: number): void {
    call(() => this.#native.add(fd, token))
  }

  /** @throws LinuxError `ENOENT` when it was not added */
  remove(fd: number): void {
    call(() => this.#native.remove(fd))
  }

  /**
   * Blocks until a descriptor is readable, `wakeWaiter` was called, or the time is over.
   *
   * @param tokens filled with those of what is readable, and `WOKEN`
   * @param milliseconds negative: without end
   * @returns number of tokens
   * @throws LinuxError `EBADF` where it sees that a descriptor was closed before it was removed
   */
  wait(tokens: Uint32Array, milliseconds: number): number {
    return call((native) => native.waiterWait(this.#number, tokens, milliseconds))
  }

  /** Idempotent. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Ends the wait of the waiter that `wakeFd` belongs to, or its next one. */
export function wakeWaiter(wakeFd: number): void {
  call((native) => native.waiterWake(wakeFd))
}
