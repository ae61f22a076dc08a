/**
 * How fast packets may come in one direction. What is faster is dropped, never delayed: a policer by the generic cell rate algorithm (ITU-T I.371 annex A),
 * in nanoseconds of a clock that only goes forward. T is when all that passed would have gone at the rate. A packet that comes at t
 *
 * - passes if T < t + ⌈8·10⁹ · burstOctets / bitsPerSecond⌉, and then T becomes max(T, t) + ⌈8·10⁹ · octets / bitsPerSecond⌉;
 * - is dropped otherwise, and T stays.
 *
 * T begins in the past, where a limit is new or another one than before; a limit that is set again as it was goes on. In any time s less than
 * burst + rate · s octets and one packet pass.
 *
 * Octets are those of the IP packet as its header says, without what a link or tunnel has around it. What offloads keep in one piece (TSO, USO, GRO) has
 * the octets of the packets that it stands for, with the headers of each, and passes or is dropped whole.
 */
export interface RateLimit {
  /** 1 – 10¹⁵. */
  readonly bitsPerSecond: number
  /** What may come at once after silence, 1 – 536,870,911 octets. Less than what a round trip of the rate carries keeps TCP below the rate. */
  readonly burstOctets: number
}

/**
 * Limits of an endpoint, each by itself. A packet that one drops has cost nothing but that: it opens no flow, takes no address of a pool, and its sender is
 * not told.
 */
export interface RateLimits {
  /**
   * Of what the endpoint sends; more is dropped as `egress-rate`. Judged in the step `port`, of packets that may come from the endpoint, those to gateway
   * addresses included.
   */
  readonly egress?: RateLimit
  /**
   * Of what is delivered to the endpoint; more is dropped as `ingress-rate`. Judged when it is known that the port has a device, carries the family, and
   * that the TTL suffices; before translation back, policy, MTU and cutting, so that what these drop counts as well. What the router itself answers on
   * the port (its gateway addresses, ARP and ND, ICMP errors about what the endpoint sent) counts for nothing.
   */
  readonly ingress?: RateLimit
}

/** What a limit may be; the largest rate is what Kubernetes takes, the largest burst 2³² − 1 bits, and with these no time is beyond 63 bits. */
const RANGES = { bitsPerSecond: 1e15, burstOctets: 536_870_911 } as const

/** Why limits are none, one sentence each; for whoever takes or makes them. */
export function rateLimitProblems(limits: RateLimits): string[] {
  return (['egress', 'ingress'] as const).flatMap((direction) => {
    const limit = limits[direction]
    if (limit === undefined) return []
    return (['bitsPerSecond', 'burstOctets'] as const).flatMap((what) => {
      const value = limit[what]
      if (Number.isInteger(value) && value >= 1 && value <= RANGES[what]) return []
      return [`${direction} ${what} ${value} is not within 1–${RANGES[what]}`]
    })
  })
}

/**
 * A burst for who says none: what a tenth of a second brings, and at least four segments as offloads keep them in one piece. TCP that meets a limit far below
 * its path loses them whole; with one or two it waits for its timer more than it sends.
 */
export function defaultBurst(bitsPerSecond: number): number {
  return Math.min(Math.max(Math.ceil(bitsPerSecond / 80), 262_144), RANGES.burstOctets)
}

/** Whether there is a limit at all: an empty object is as good as none. */
export function isRateLimited(limits: RateLimits | undefined): boolean {
  return (limits?.egress ?? limits?.ingress) !== undefined
}

/** Whether limits are the same, so that what they remember goes on. */
export function isSameRateLimit(one: RateLimit | undefined, other: RateLimit | undefined): boolean {
  return one?.bitsPerSecond === other?.bitsPerSecond && one?.burstOctets === other?.burstOctets
}
