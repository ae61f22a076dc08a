import type { RateLimit } from '@heddle/core'
import type { Context } from '../context.js'
import { nanoseconds } from './cell-rate.js'
import { segmentedOctets } from './octets.js'
import type { RateMeter } from './port-rates.js'

/** Whether the limit lets the packet in hand pass. While it is only explained, nothing is counted. */
export function passRate({ clock, learns, packet }: Context, meter: RateMeter): boolean {
  // Without a clock there is no rate: tables are only judged or explained.
  if (clock === undefined) return true
  const now = nanoseconds(clock)
  return learns ? meter.take(now, segmentedOctets(packet)) : meter.isOpen(now)
}

/** A limit, for a person. */
export function rateText({ bitsPerSecond, burstOctets }: RateLimit): string {
  return `${bitsPerSecond} bit/s with bursts of ${burstOctets} octets`
}
