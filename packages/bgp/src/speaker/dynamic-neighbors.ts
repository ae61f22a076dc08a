import type { PeerProtection } from '@heddle/io'
import { IpPrefix, ValueError } from '@heddle/wire'
import type { DynamicNeighborConfig, NeighborConfig } from './config.js'
import type { Peer } from './peer.js'
import { protectionOf } from './peer-config.js'
import { SpeakerError } from './speaker-error.js'
import { zonedText, type ZonedAddress } from './zoned-address.js'

const DEFAULT_LIMIT = 100

/** How peers come into being and go. */
export interface DynamicNeighborsContext {
  add(neighbor: NeighborConfig): Peer
  remove(name: string): void
  /** Does something once what is under way has been done. */
  later(action: () => void): void
}

interface Range {
  readonly prefix: IpPrefix
  readonly limit: number
  readonly template: Omit<NeighborConfig, 'address'>
  /** What streams from it must have. */
  readonly protection: readonly PeerProtection[]
  /** Names of the peers that came from it. */
  readonly peers: Set<string>
}

/** Peers that come from a prefix without having been named: each is there from its connection until its session, and what is kept of it, is over. */
export class DynamicNeighbors {
  readonly #ranges: readonly Range[]

  /** @throws SpeakerError `speaker.config` */
  constructor(
    configs: readonly DynamicNeighborConfig[],
    private readonly context: DynamicNeighborsContext,
  ) {
    const ranges = configs.map(({ prefix, limit = DEFAULT_LIMIT, ...rest }, at): Range => {
      const where = `dynamicNeighbors[${at}]`
      if (!(Number.isInteger(limit) && limit >= 1 && limit <= 10_000))
        throw new SpeakerError('speaker.config', `${where}.limit`, `${limit} is not 1–10000`)
      const range = parse(prefix, `${where}.prefix`)
      const protection = protectionOf(rest, where)
      return {
        prefix: range,
        limit,
        template: { ...rest, passive: true },
        protection: protection === undefined ? [] : [{ peer: range.address, prefixLength: range.length, ...protection }],
        peers: new Set(),
      }
    })
    this.#ranges = ranges.sort((a, b) => b.prefix.length - a.prefix.length)
  }

  /** Whether a peer of that name came by itself. */
  has(name: string): boolean {
    return this.#ranges.some(({ peers }) => peers.has(name))
  }

  /** What the streams of peers to come must have. */
  protection(): PeerProtection[] {
    return this.#ranges.flatMap(({ protection }) => protection)
  }

  /** A peer for someone who connects, or `undefined` when nobody is expected from there, or no more. */
  admit(remote: ZonedAddress): Peer | undefined {
    const range = this.#ranges.find(({ prefix }) => prefix.contains(remote.address))
    if (range === undefined || range.peers.size >= range.limit) return undefined
    const name = zonedText(remote)
    range.peers.add(name)
    return this.context.add({ ...range.template, address: name })
  }

  /** Forgets a peer whose session is over, unless its routes wait for it or it is kept down. */
  settled(peer: Peer): void {
    const range = this.#ranges.find(({ peers }) => peers.has(peer.name))
    if (range === undefined || peer.isNeeded) return
    this.context.later(() => this.#forget(range, peer))
  }

  #forget(range: Range, peer: Peer): void {
    if (peer.isNeeded || !range.peers.delete(peer.name)) return
    this.context.remove(peer.name)
  }
}

function parse(text: string, at: string): IpPrefix {
  try {
    return IpPrefix.parse(text)
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new SpeakerError('speaker.config', at, cause.message, { cause })
  }
}
