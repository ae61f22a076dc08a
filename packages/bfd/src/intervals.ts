/** How often a session sends, and when it is taken for down. */
export interface BfdIntervals {
  /** Microseconds between packets, 1–4,294,967,295: sent at least, and taken at least. */
  readonly desiredMinTx: number
  readonly requiredMinRx: number
  /** Packets that may be missing, 1–255. */
  readonly multiplier: number
}

/** What holds where nobody says otherwise: sub-second, and gentle enough for a busy machine. */
export const DEFAULT_BFD_INTERVALS: BfdIntervals = { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }

/** Milliseconds until such a session notices. */
export function detectionOf({ requiredMinRx, multiplier }: BfdIntervals): number {
  return (requiredMinRx * multiplier) / 1000
}

/** What the most demanding of several asks for, with defaults where it says nothing. @param wishes at least one */
export function strictest(wishes: readonly Partial<BfdIntervals>[]): BfdIntervals {
  const [first, ...rest] = wishes.map((wish) => ({ ...DEFAULT_BFD_INTERVALS, ...wish }))
  return rest.reduce((best, one) => (detectionOf(one) < detectionOf(best) ? one : best), first)
}
