import type { PortObject, RateLimits } from '@heddle/core'
import type { Memory } from './memory.js'

/** Octets that come back while a case lasts, at 1 bit/s: within so many of a burst's end, a packet may pass or not. */
const SLACK = 64

/**
 * Whether a limit lets a packet of a port pass: each verdict that is possible. Time stands still here: it is for rates of 1 bit/s, which bring nothing back
 * that counts; `TokenBucket` is for the others.
 */
export function judgeRate(memory: Memory, { id, rateLimits }: PortObject, direction: keyof RateLimits): readonly ('passes' | 'dropped')[] {
  const limit = rateLimits?.[direction]
  if (limit === undefined) return ['passes']
  const passed = memory.passed.find((one) => one.port === id && one.direction === direction)?.octets ?? 0
  if (passed < limit.burstOctets) return ['passes']
  return passed < limit.burstOctets + SLACK ? ['passes', 'dropped'] : ['dropped']
}

/** What is remembered once the packet has passed. */
export function notePassed(memory: Memory, { id }: PortObject, direction: keyof RateLimits, octets: number): Memory {
  const isThis = (one: Memory['passed'][number]): boolean => one.port === id && one.direction === direction
  const before = memory.passed.find(isThis)?.octets ?? 0
  return memory.with({ passed: [...memory.passed.filter((one) => !isThis(one)), { port: id, direction, octets: before + octets }] })
}

/**
 * What a limit lets pass as time goes by, by the other way to say it: a bucket that the rate fills with octets up to the burst, and that a packet may be in
 * debt to. In fractions that are exact: a bit at 1 bit/s is 10⁹ of its units, and so is a nanosecond.
 */
export class TokenBucket {
  readonly #burst: bigint
  #tokens: bigint
  #at = 0n

  constructor(
    private readonly bitsPerSecond: number,
    burstOctets: number,
  ) {
    this.#tokens = this.#burst = unitsOf(burstOctets)
  }

  /** @param at nanoseconds, not less than before */
  take(at: bigint, octets: number): boolean {
    const filled = this.#tokens + (at - this.#at) * BigInt(this.bitsPerSecond)
    this.#tokens = filled < this.#burst ? filled : this.#burst
    this.#at = at
    if (this.#tokens <= 0n) return false
    this.#tokens -= unitsOf(octets)
    return true
  }
}

function unitsOf(octets: number): bigint {
  return BigInt(octets) * 8n * 1_000_000_000n
}
