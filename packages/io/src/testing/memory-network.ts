import { IpAddress } from '@heddle/wire'
import type { Clock } from '../clock.js'
import { MemoryHost } from './memory-host.js'
import { MemoryLink } from './memory-link.js'

/** Time, delays and buffers of a network in memory. */
export interface MemoryNetworkOptions {
  /** Time for latency and connect time-outs; a `ManualClock`, or a real one. */
  readonly clock: Clock
  /** Milliseconds one way; 0 by default (still never within the call that sends). */
  readonly latency?: number
  /** Milliseconds until `connect` over a cut link gives up; 30,000 by default. */
  readonly connectTimeout?: number
  /** Octets that may wait in a connection before `write` returns false; 65,536 by default. */
  readonly highWaterMark?: number
}

/** Hosts joined by IP in memory: streams like TCP, datagrams like UDP, and links that can be cut without a word to either end. */
export interface MemoryNetwork {
  /** Adds a host that owns `addresses` besides 127.0.0.1 and ::1. An address belongs to one host: the last one that took it. */
  host(name: string, ...addresses: (IpAddress | string)[]): MemoryHost
  /** From now on nothing passes between the two: no data, no FIN, no RST. */
  cut(a: MemoryHost, b: MemoryHost): void
  /** Lets pass again; streams go on where they stood, as TCP sends lost segments again. */
  heal(a: MemoryHost, b: MemoryHost): void
}

/**
 * A network in memory.
 *
 * @example
 * const network = memoryNetwork({ clock })
 * const a = network.host('a', '192.0.2.1')
 * const b = network.host('b', '192.0.2.2')
 * const listener = await b.transport.listen({ address: b.addresses[0], port: 179 })
 * const connection = await a.transport.connect({ remote: listener.local })
 */
export function memoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const { clock, latency = 0, connectTimeout = 30_000, highWaterMark = 65_536 } = options
  const owners = new Map<string, MemoryHost>()
  const links = new Map<string, MemoryLink>()
  let hosts = 0

  const linkBetween = (a: MemoryHost, b: MemoryHost): MemoryLink => {
    const key = a.id < b.id ? `${a.id}-${b.id}` : `${b.id}-${a.id}`
    let link = links.get(key)
    if (link === undefined) links.set(key, (link = new MemoryLink(clock, latency)))
    return link
  }

  return {
    host(name, ...texts) {
      const addresses = texts.map((text) => (typeof text === 'string' ? IpAddress.parse(text) : text))
      const host: MemoryHost = new MemoryHost(name, hosts++, addresses, {
        clock,
        connectTimeout,
        highWaterMark,
        ownerOf: (address) => (address.isLoopback ? host : owners.get(address.toString())),
        linkTo: (other) => linkBetween(host, other),
      })
      for (const address of addresses) owners.set(address.toString(), host)
      return host
    },
    cut: (a, b) => linkBetween(a, b).cut(),
    heal: (a, b) => linkBetween(a, b).heal(),
  }
}
