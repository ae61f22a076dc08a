import type { IpAddress } from '@heddle/wire'
import type { BfdPath, BfdSource, BfdState, BfdWatch } from '../bfd-source.js'
import type { PeerConfig } from './peer-config.js'

/** BFD with a peer, as its configuration says (RFC 5882). */
export class PeerBfd {
  readonly #source: () => BfdSource | undefined
  readonly #down: () => void
  #watch: BfdWatch | undefined
  /** Path that is watched, as text. */
  #watched = ''
  #state: BfdState | undefined

  /** @param down called each time that the way to the peer breaks */
  constructor(source: () => BfdSource | undefined, down: () => void) {
    this.#source = source
    this.#down = down
  }

  /** What was heard last; undefined before anything was, or while nobody watches. */
  get state(): BfdState | undefined {
    return this.#state
  }

  /** Watches what `config` says; what is watched already goes on. @param address where the peer is, once that is known */
  follow(config: PeerConfig, address: IpAddress | undefined): void {
    const path = pathOf(config, address)
    if (path === undefined) return this.stop()
    const text = JSON.stringify(path)
    if (text === this.#watched) return
    // A path with other intervals only is one session for the source: it is asked for before it is given up.
    const before = this.#watch
    this.#watched = text
    this.#state = undefined
    this.#watch = this.#source()?.watch(path, (state) => {
      if (this.#watched !== text) return
      this.#state = state
      // A path that nobody watches any more says nothing (RFC 5882 §3.2).
      if (state === 'down') this.#down()
    })
    before?.stop()
  }

  /** Watches nothing any more. Idempotent. */
  stop(): void {
    this.#watched = ''
    this.#state = undefined
    this.#watch?.stop()
    this.#watch = undefined
  }
}

function pathOf({ neighbor, zone, localAddress, relation }: PeerConfig, address: IpAddress | undefined): BfdPath | undefined {
  const { bfd = false, multihop } = neighbor
  if (bfd === false || address === undefined) return undefined
  const { hops, ...intervals } = bfd === true ? {} : bfd
  // A peer in another AS is a neighbor on the link unless it is said to be further away; one of our own may be anywhere.
  const isNear = relation === 'external' || address.isLinkLocal
  const isFar = hops === undefined ? (multihop !== undefined ? true : isNear ? false : undefined) : hops === 'multiple'
  return {
    remote: address,
    ...(localAddress === undefined ? {} : { local: localAddress }),
    ...(zone === undefined ? {} : { device: zone }),
    ...(isFar === undefined ? {} : { multihop: isFar }),
    ...(Object.keys(intervals).length === 0 ? {} : { intervals }),
  }
}
