import type { IpAddress } from '@heddle/wire'

/** State of a BFD session (RFC 5880 §4.1). */
export type BfdState = 'up' | 'down' | 'admin-down'

/** The path that BFD watches. */
export interface BfdPath {
  readonly remote: IpAddress
  readonly local?: IpAddress
  /** The link that it lies on: that of a link-local address, or of a peer that is reached through a device. */
  readonly device?: string
  /** Whether routers lie between (RFC 5883); left out where the source is to find out. */
  readonly multihop?: boolean
  /** What the source is to use instead of its defaults. */
  readonly intervals?: Partial<BfdIntervals>
}

/** How often packets of BFD go and come. */
export interface BfdIntervals {
  /** Microseconds between packets, 1–4,294,967,295: sent at least, and taken at least. */
  readonly desiredMinTx: number
  readonly requiredMinRx: number
  /** Packets that may be missing, 1–255. */
  readonly multiplier: number
}

/** BFD with a peer. */
export interface BfdOptions extends Partial<BfdIntervals> {
  /** Default: `single` for a peer of another AS without `multihop`, else as the way to it is found. */
  readonly hops?: 'single' | 'multiple'
}

/** Where a speaker learns whether the way to a peer works, much sooner than its hold time would tell. Injected. */
export interface BfdSource {
  /** It watches paths that name a device. Default `false`: peers that are reached through one are refused `bfd`. */
  readonly devices?: boolean
  /**
   * Watches a path until `stop`.
   *
   * @param changed is told each state; `admin-down` says nothing about the path (RFC 5882 §3.2)
   */
  watch(path: BfdPath, changed: (state: BfdState) => void): BfdWatch
}

/** A BFD session that is watched; ends with `stop`. */
export interface BfdWatch {
  /** Idempotent. */
  stop(): void
}
