import type { PeerProtection } from '@heddle/io'
import { IpPrefix, ValueError } from '@heddle/wire'
import type { DynamicNeighborConfig, NeighborConfig } from '../config.js'
import type { Peer } from './peer.js'
import { protectionOf } from './peer-config.js'
import { SpeakerError } from '../speaker-error.js'
import { parseZoned, zonedText, type ZonedAddress } from '../zoned-address.js'

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

/** What other ranges mean for the peers that came from those that there are. */
export interface DynamicNeighborsPlan {
  /** The configuration that each would have, by its name; `undefined`: nobody is expected there any more. */
  readonly peers: ReadonlyMap<string, NeighborConfig | undefined>
  /** What the streams of peers to come must have. */
  readonly protection: readonly PeerProtection[]
  /** Expects peers from these ranges. Those that there are belong to them, too, as far as they are expected; a limit is for those to come. */
  use(): void
}

/** Peers that come from a prefix without having been named: each is there from its connection until its session, and what is kept of it, is over. */
export class DynamicNeighbors {
  #ranges: readonly Range[]

  /** @throws SpeakerError `speaker.config` */
  constructor(
    configs: readonly DynamicNeighborConfig[],
    private readonly context: DynamicNeighborsContext,
  ) {
    this.#ranges = rangesOf(configs)
  }

  /** What other ranges would mean. @throws SpeakerError `speaker.config` */
  plan(configs: readonly DynamicNeighborConfig[]): DynamicNeighborsPlan {
    const ranges = rangesOf(configs)
    const names = this.#ranges.flatMap(({ peers }) => [...peers])
    return {
      peers: new Map(names.map((name) => [name, configIn(ranges, name)])),
      protection: protectionIn(ranges),
      use: () => {
        for (const name of names) rangeOf(ranges, name)?.peers.add(name)
        this.#ranges = ranges
      },
    }
  }

  /** A peer has a configuration of its own from here on. */
  release(name: string): void {
    for (const { peers } of this.#ranges) peers.delete(name)
  }

  /** Whether a peer of that name came by itself. */
  has(name: string): boolean {
    return this.#ranges.some(({ peers }) => peers.has(name))
  }

  /** What the streams of peers to come must have. */
  protection(): PeerProtection[] {
    return protectionIn(this.#ranges)
  }

  /** A peer for someone who connects, or `undefined` when nobody is expected from there, or no more. */
  admit(remote: ZonedAddress): Peer | undefined {
    const name = zonedText(remote)
    const range = rangeOf(this.#ranges, name)
    if (range === undefined || range.peers.size >= range.limit) return undefined
    range.peers.add(name)
    return this.context.add({ ...range.template, address: name })
  }

  /** Forgets a peer whose session is over, unless its routes wait for it or it is kept down. */
  settled(peer: Peer): void {
    if (peer.isNeeded || !this.has(peer.name)) return
    this.context.later(() => this.#forget(peer))
  }

  #forget(peer: Peer): void {
    if (peer.isNeeded || !this.has(peer.name)) return
    this.release(peer.name)
    this.context.remove(peer.name)
  }
}

/** The longest prefix first. @throws SpeakerError `speaker.config` */
function rangesOf(configs: readonly DynamicNeighborConfig[]): Range[] {
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
  return ranges.sort((a, b) => b.prefix.length - a.prefix.length)
}

function protectionIn(ranges: readonly Range[]): PeerProtection[] {
  return ranges.flatMap(({ protection }) => protection)
}

function rangeOf(ranges: readonly Range[], name: string): Range | undefined {
  const address = parseZoned(name)?.address
  return address === undefined ? undefined : ranges.find(({ prefix }) => prefix.contains(address))
}

function configIn(ranges: readonly Range[], name: string): NeighborConfig | undefined {
  const range = rangeOf(ranges, name)
  return range === undefined ? undefined : { ...range.template, address: name }
}

function parse(text: string, at: string): IpPrefix {
  try {
    return IpPrefix.parse(text)
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new SpeakerError('speaker.config', at, cause.message, { cause })
  }
}
