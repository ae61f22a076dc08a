import type { Clock } from '@heddle/io'
import { DEFAULT_QUARANTINE, dueAt, millisecondsOf, type Quarantine, type Release } from './label-space.js'

/** First VNI that a VRF may have; 0 is left to what has none. */
export const FIRST_VNI = 1
/** Last VNI of 24 bits (RFC 7348 §5). */
export const LAST_VNI = 0xff_ffff

/** Who had a VNI last; `release` is `undefined` while it is in use. */
interface LastOwner {
  readonly owner: string
  readonly release: Release | undefined
}

/**
 * The VNIs of one node and the time for which one rests between two owners. Unlike labels, VNIs are given by someone: one that moves from one VRF to
 * another would for a while bring in packets that others still send to the first one.
 */
export class VniRest {
  readonly #last = new Map<number, LastOwner>()
  /** When this process began, if one was before it: what that one released shortly before its end is known to nobody. */
  #resumed: Release | undefined

  /** @param quarantine how long a VNI rests before it has another owner */
  constructor(
    private readonly clock: Clock,
    private readonly quarantine: Quarantine = DEFAULT_QUARANTINE,
  ) {}

  get now(): number {
    return this.clock.now()
  }

  /** When `owner` can have the VNI, in the time of the clock; in the past when it can have it now, infinity while another one has it. */
  dueFor(vni: number, owner: string): number {
    const last = this.#last.get(vni)
    if (last?.owner === owner) return Number.NEGATIVE_INFINITY
    if (last !== undefined && last.release === undefined) return Number.POSITIVE_INFINITY
    const release = last?.release ?? this.#resumed
    return release === undefined ? Number.NEGATIVE_INFINITY : dueAt(release, millisecondsOf(this.quarantine))
  }

  take(vni: number, owner: string): void {
    this.#last.set(vni, { owner, release: undefined })
  }

  release(vni: number): void {
    const last = this.#last.get(vni)
    if (last !== undefined) this.#last.set(vni, { ...last, release: this.#releaseNow() })
  }

  /** A process was before this one: any VNI but those that it `had` may be one that it released just now. */
  resume(): void {
    this.#resumed = this.#releaseNow()
  }

  /** A process before this one had it for `owner` until now. */
  had(vni: number, owner: string): void {
    this.#last.set(vni, { owner, release: this.#releaseNow() })
  }

  #releaseNow(): Release {
    return { since: this.clock.now(), rest: millisecondsOf(this.quarantine) }
  }
}
