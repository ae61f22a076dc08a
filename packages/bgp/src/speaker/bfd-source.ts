import type { IpAddress } from '@heddle/wire'

/** State of a BFD session (RFC 5880 §4.1). */
export type BfdState = 'up' | 'down' | 'admin-down'

/** The path that BFD watches. */
export interface BfdPath {
  readonly remote: IpAddress
  readonly local?: IpAddress
  /** More than one hop (RFC 5883). */
  readonly multihop: boolean
}

/** Where a speaker learns whether the way to a peer works, much sooner than its hold time would tell. Injected. */
export interface BfdSource {
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
