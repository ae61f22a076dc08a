import { isSameRateLimit, type PortObject, type RateLimit } from '@heddle/core'
import { CellRate } from './cell-rate.js'
import type { RateMemory } from './rate-memory.js'

/** Nanoseconds that an octet takes at 1 bit/s. */
const OCTET = 8_000_000_000n

/** A limit, and the time that it goes by. */
export class RateMeter {
  readonly #burst: bigint
  /** Most packets are as long as the one before. */
  #octets = 0
  #cost = 0n

  constructor(
    readonly limit: RateLimit,
    private readonly rate: CellRate,
  ) {
    this.#burst = this.#timeOf(limit.burstOctets)
  }

  /** Whether octets may pass now; if so, they have passed. @param now nanoseconds */
  take(now: bigint, octets: number): boolean {
    if (octets !== this.#octets) {
      this.#octets = octets
      this.#cost = this.#timeOf(octets)
    }
    return this.rate.take(now, this.#cost, this.#burst)
  }

  /** Begins with a whole burst. */
  restart(): void {
    this.rate.time = 0n
  }

  /** Whether anything may pass now. @param now nanoseconds */
  isOpen(now: bigint): boolean {
    return this.rate.time < now + this.#burst
  }

  #timeOf(octets: number): bigint {
    const rate = BigInt(this.limit.bitsPerSecond)
    return (BigInt(octets) * OCTET + rate - 1n) / rate
  }
}

/** What limits of a port go by. */
export interface PortTimes {
  readonly egress: CellRate
  readonly ingress: CellRate
}

/** The limits of a port; undefined in a direction that has none. */
export interface PortRates {
  readonly times: PortTimes
  readonly egress: RateMeter | undefined
  readonly ingress: RateMeter | undefined
}

/** The limits of a port, with what they go by: in `memory`, or where the port's own had it. Undefined when there is none. */
export function portRates({ id, rateLimits }: PortObject, before?: PortRates, memory?: RateMemory): PortRates | undefined {
  const { egress, ingress } = rateLimits ?? {}
  if (egress === undefined && ingress === undefined) return undefined
  const times = before?.times ?? memory?.of(id) ?? { egress: new CellRate(), ingress: new CellRate() }
  return { times, egress: egress && new RateMeter(egress, times.egress), ingress: ingress && new RateMeter(ingress, times.ingress) }
}

/** Has limits begin with a whole burst that are other ones than before; to be called once, where memory is shared. */
export function restartRates(rates: PortRates | undefined, before: PortObject | undefined): void {
  for (const direction of ['egress', 'ingress'] as const) {
    const meter = rates?.[direction]
    if (!isSameRateLimit(before?.rateLimits?.[direction], meter?.limit)) meter?.restart()
  }
}
