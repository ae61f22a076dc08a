import type { Clock, Random, RouterDiscovery, RouterNews, Timer } from '@heddle/io'
import { nodeClock, nodeRandom } from '@heddle/io/node'
import type { NamespaceReference } from '../network-namespace.js'
import { Readiness } from '../tcp/readiness.js'
import { Icmpv6Port } from './icmpv6-port.js'
import { RouterProtocol } from './router-protocol.js'

/** Where links are, and what time is. */
export interface LinuxRouterDiscoveryOptions {
  /** Namespace of all devices. Default: the process's own. */
  readonly namespace?: NamespaceReference
  readonly clock?: Clock
  readonly random?: Random
}

/** Milliseconds until a device that was not there is looked for again. */
const RETRY = 1000

/**
 * Router discovery (RFC 4861 §6) by ICMPv6: who is at the other end of a link. What it sends says that it is no default router, and no prefix, so hosts on
 * the link configure nothing by it. Needs CAP_NET_RAW, and a link-local address on the device.
 */
export function linuxRouterDiscovery(options: LinuxRouterDiscoveryOptions = {}): RouterDiscovery {
  const { namespace, clock = nodeClock, random = nodeRandom } = options
  const readiness = new Readiness()
  return {
    watch: (device, told) => {
      const link = new WatchedLink({ device, told, namespace, clock, random, readiness })
      return { stop: () => link.stop() }
    },
  }
}

interface WatchedLinkOptions {
  readonly device: string
  told(news: RouterNews): void
  readonly namespace: NamespaceReference | undefined
  readonly clock: Clock
  readonly random: Random
  readonly readiness: Readiness
}

/** One device, opened anew for as long as that takes. */
class WatchedLink {
  #port: Icmpv6Port | undefined
  #protocol: RouterProtocol | undefined
  #retry: Timer | undefined
  #stopped = false

  constructor(private readonly options: WatchedLinkOptions) {
    void this.#open()
  }

  stop(): void {
    this.#stopped = true
    this.#end()
  }

  async #open(): Promise<void> {
    const { device, namespace, readiness, clock, random } = this.options
    try {
      const port = await Icmpv6Port.open({
        device,
        namespace,
        readiness,
        received: (heard) => this.#protocol?.received(heard),
        failed: (error) => this.#failed(error),
      })
      if (this.#stopped) return port.close()
      this.#port = port
      this.#protocol = new RouterProtocol({
        clock,
        random,
        send: (message, to) => port.send(message, to),
        heard: (address) => this.options.told({ kind: 'router', address }),
      })
      return this.#protocol.start()
    } catch (error) {
      return this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    this.#end()
    if (this.#stopped) return
    this.#retry = this.options.clock.setTimer(RETRY, () => void this.#open())
    this.options.told({ kind: 'fault', message: error instanceof Error ? error.message : String(error) })
  }

  #end(): void {
    this.#retry?.cancel()
    this.#protocol?.stop()
    this.#protocol = undefined
    this.#port?.close()
    this.#port = undefined
  }
}
