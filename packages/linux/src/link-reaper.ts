import { LinuxError } from './linux-error.js'
import { Netlink } from './netlink.js'
import { NetworkNamespace } from './network-namespace.js'

/** How a reaper behaves. */
export interface LinkReaperOptions {
  /** Milliseconds for which a link may still be there; default 2,000. A container's namespace goes meanwhile as a rule, and its links with it. */
  readonly delay?: number
}

interface Buried {
  /** Path; the process' own namespace when left out. */
  readonly namespace: string | undefined
  /** Number of the namespace: the path may come to lead to another one. */
  readonly identity: number
  readonly name: string
}

/**
 * Takes links away without waiting for it: the kernel needs ten milliseconds and more for each, in which it changes no other link. A link gets another
 * name at once, so that its own is free, and is deleted later, one after the other, unless its namespace has gone by then.
 */
export class LinkReaper {
  readonly #delay: number
  #buried: Buried[] = []
  #timer: NodeJS.Timeout | undefined
  #reaping: Promise<void> = Promise.resolve()

  constructor({ delay = 2000 }: LinkReaperOptions = {}) {
    this.#delay = delay
  }

  /**
   * Resolves when the link's name is free.
   *
   * @throws LinuxError when there is no such link or namespace; then there is nothing to take away
   */
  async bury(namespace: string | undefined, index: number): Promise<void> {
    const identity = NetworkNamespace.identity(namespace)
    const name = `gone${index}`
    using netlink = await Netlink.open(namespace)
    try {
      await netlink.links.change(index, { name })
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'EBUSY') throw error
      await netlink.links.change(index, { up: false }) // before Linux 6.2 only a link that is down takes a name
      await netlink.links.change(index, { name })
    }
    this.#buried.push({ namespace, identity, name })
    this.#timer ??= setTimeout(() => void this.reap(), this.#delay).unref()
  }

  /** Deletes what was buried so far; resolves when it is gone. */
  async reap(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#buried
    this.#buried = []
    this.#reaping = this.#reaping.then(async () => {
      for (const one of batch) await remove(one)
    })
    await this.#reaping
  }
}

async function remove({ namespace, identity, name }: Buried): Promise<void> {
  try {
    if (NetworkNamespace.identity(namespace) !== identity) return
    using netlink = await Netlink.open(namespace)
    await netlink.links.delete((await netlink.links.get(name)).index)
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error // gone with its namespace, or by somebody else
  }
}
