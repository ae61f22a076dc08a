import type { IpAddress } from '@heddle/wire'

/**
 * A BFD session with another router on the underlay (RFC 5880), in asynchronous mode. Next hops that name it leave their groups from the moment that it
 * goes down until it is up again; while it has never been up, nothing is known and they stay. What becomes of it is told by `events`. Needs the feature
 * `liveness`.
 */
export interface LivenessObject {
  readonly id: number
  readonly local: IpAddress
  readonly remote: IpAddress
  /** `single`: the remote is a neighbour on the link, and what has passed a router is not believed (RFC 5881); `multiple`: RFC 5883. */
  readonly hops: 'single' | 'multiple'
  /** Microseconds between packets, 1–4,294,967,295: sent at least, and taken at least. */
  readonly desiredMinTx: number
  readonly requiredMinRx: number
  /** Packets that may be missing before the session is down, 1–255. */
  readonly multiplier: number
  /**
   * `tunnels`: packets of the session leave and come in as those of tunnels between these ends do, so that it goes down with them, where the dataplane does
   * not send all alike. Without it they go as the host's routes say, which is how a BGP session goes.
   */
  readonly vouchesFor?: 'tunnels'
}

/** What a session that came to a state is told by, as an event of a dataplane. */
export const LIVENESS_EVENTS = { up: 'liveness-up', down: 'liveness-down', 'admin-down': 'liveness-unknown' } as const
