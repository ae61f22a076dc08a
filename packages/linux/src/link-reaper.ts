import { callAsync } from './native/call.js'
import { NetworkNamespace } from './network-namespace.js'

/** How a reaper behaves. */
export interface LinkReaperOptions {
  /** Milliseconds for which a link may still be there; default 2,000. A container's namespace goes meanwhile as a rule, and its links with it. */
  readonly delay?: number
}

/**
 * Takes links away without waiting for it: the kernel needs ten milliseconds and more for each call, in which it changes no other link, and hardly more
 * for a hundred links of one namespace than for one. A link gets another name and loses its routes at once, so that the next one can have both, and is
 * put into a group; what is in that group is deleted later, on threads of its own, unless the namespace has gone by then.
 */
export class LinkReaper {
  readonly #delay: number
  /** Paths of namespaces by their number: a path may come to lead to another one. The process' own has none. */
  #graveyards = new Map<number, string | undefined>()
  #timer: NodeJS.Timeout | undefined
  #reaping: Promise<void> = Promise.resolve()

  constructor({ delay = 2000 }: LinkReaperOptions = {}) {
    this.#delay = delay
  }

  /** Deletes what a process before this one has buried in a namespace, and not deleted. */
  static async sweep(namespace: string | undefined): Promise<void> {
    await callAsync((native) => native.linksReap([namespace === undefined ? {} : { path: namespace }]))
  }

  /**
   * Resolves when the link's name is free, and its routes are gone.
   *
   * @param routes destinations that were sent to it (`LinkSetup.routes`), which the next link of the namespace shall have
   * @param isDown whether it is set down as well, so that nothing comes in by it while it is still there
   * @throws LinuxError when there is no such link or namespace, so that there is nothing to take away, or when the kernel refuses to give up a route: the
   * link goes later all the same
   */
  async bury(namespace: string | undefined, index: number, routes: readonly string[] = [], isDown = false): Promise<void> {
    const identity = NetworkNamespace.identity(namespace)
    try {
      await callAsync((native) => native.linkBury(namespace, index, [...routes], isDown))
    } finally {
      // Also behind an error: whatever becomes of its routes, the link may be in the group by now.
      this.#graveyards.set(identity, namespace)
      this.#reapLater()
    }
  }

  /**
   * Deletes what was buried so far; resolves when it is gone.
   *
   * @throws LinuxError when the kernel refuses, which has no descriptors left for instance: it is tried again later
   */
  async reap(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const taken = this.#graveyards
    this.#graveyards = new Map()
    const graveyards = Array.from(taken, ([identity, path]) => ({ identity, ...(path === undefined ? {} : { path }) }))
    const reaped = this.#reaping.then(async () => callAsync((native) => native.linksReap(graveyards)))
    this.#reaping = reaped.catch(() => undefined)
    try {
      await reaped
    } catch (error) {
      this.#graveyards = new Map([...taken, ...this.#graveyards])
      this.#reapLater()
      throw error
    }
  }

  #reapLater(): void {
    // Nobody waits for it, and what is refused is tried again.
    this.#timer ??= setTimeout(() => void this.reap().catch(() => undefined), this.#delay).unref()
  }
}
