import type { IpAddress } from '@heddle/wire'

/** A path between two routers that a BFD session watches, and how. A `LivenessObject` of a dataplane is one. */
export interface WatchedPath {
  /** Unlike that of any other path of these sessions. */
  readonly id: number
  readonly local: IpAddress
  readonly remote: IpAddress
  /** The link that packets leave and come in by, where the addresses mean something on one link only (RFC 4007 §6). */
  readonly device?: string
  /** `single`: the remote is a neighbour on the link, and what has passed a router is not believed (RFC 5881); `multiple`: RFC 5883. */
  readonly hops: 'single' | 'multiple'
  /** Microseconds between packets, 1–4,294,967,295: sent at least, and taken at least. */
  readonly desiredMinTx: number
  readonly requiredMinRx: number
  /** Packets that may be missing before the session is down, 1–255. */
  readonly multiplier: number
}

/** What a session is known by to whom a packet comes that says no discriminator. */
export function pathKey({ local, remote, device, hops }: Pick<WatchedPath, 'local' | 'remote' | 'device' | 'hops'>): string {
  return device === undefined ? `${hops} ${local} ${remote}` : `${hops} ${local}%${device} ${remote}`
}
