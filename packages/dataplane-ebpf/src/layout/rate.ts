import type { RateLimit, RateLimits } from '@heddle/core'
import { directionIndex } from './policy.js'
import { View } from './struct.js'
import { LIMITS_SAID, RATE } from './structs/rate.js'

/* Limits of ports to values of maps and back; see `bpf/layout/rate.h`. */

export const RATE_DIRECTIONS = ['ingress', 'egress'] as const

/** Nanoseconds of an octet at one bit a second. */
const OCTET_TIME = 8_000_000_000n

/** What a port's value says of its limits. */
export function limitBits(limits: RateLimits | undefined): number {
  if (limits === undefined) return 0
  return RATE_DIRECTIONS.reduce(
    (bits, direction) => bits | (limits[direction] === undefined ? 0 : 1 << directionIndex(direction)),
    LIMITS_SAID,
  )
}

/** A limit behind which nothing has passed yet. */
export function encodeRate({ bitsPerSecond, burstOctets }: RateLimit): Uint8Array {
  const rate = BigInt(bitsPerSecond)
  return new View(RATE)
    .setLarge('bits_per_second', rate)
    .setLarge('burst', (OCTET_TIME * BigInt(burstOctets) + rate - 1n) / rate)
    .set('burst_octets', burstOctets).bytes
}

export function decodeRate(bytes: Uint8Array): RateLimit {
  const view = new View(RATE, bytes)
  return { bitsPerSecond: view.getLarge('bits_per_second'), burstOctets: view.get('burst_octets') }
}
