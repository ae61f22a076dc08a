import type { Clock, Logger, Random, Transport } from '@heddle/io'

/** What an agent or speaker meets the world through. */
export interface World {
  readonly clock: Clock
  readonly random: Random
  /** Carries the BGP sessions. */
  readonly transport: Transport
  readonly logger: Logger
  /** Milliseconds since 1970, for what others compare with their own clocks. Default: not known. */
  readonly now?: () => number
}
