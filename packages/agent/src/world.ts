import type { BfdSource } from '@heddle/bgp'
import type { Clock, Logger, Random, RouterDiscovery, Transport } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import type { BfdRow } from './view/rows.js'

/** What an agent or speaker meets the world through. */
export interface World {
  readonly clock: Clock
  readonly random: Random
  /** Carries the BGP sessions. */
  readonly transport: Transport
  readonly logger: Logger
  /** Milliseconds since 1970, for what others compare with their own clocks. Default: not known. */
  readonly now?: () => number
  /** Where it is heard who is at the other end of a link. Default: nothing is heard, and peers that are named by their device alone are refused. */
  readonly routerDiscovery?: RouterDiscovery
  /** What watches peers with `bfd`. Default: nothing does, and they are refused. */
  readonly bfd?: BfdView
  /** Whether an address is on a link of this host, without a router between; rejects while there is no way. Default: none is. */
  readonly isOnLink?: LinkKnowledge
}

/** A BFD source that can be looked at. */
export interface BfdView extends BfdSource {
  rows(): readonly BfdRow[]
}

/** Tells whether an address is on a link of this host. */
export type LinkKnowledge = (remote: IpAddress) => Promise<boolean>
