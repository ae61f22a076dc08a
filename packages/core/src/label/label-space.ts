import type { Clock } from '@heddle/io'
import { JOINT_LABEL } from '@heddle/mpls'

/** First label that is not special-purpose (RFC 7274). */
export const FIRST_LABEL = 16
/** Last label of 20 bits. */
export const LAST_LABEL = 0xf_ffff

/**
 * Milliseconds that what names a VRF in packets rests before it names another one: longer than anyone sends by a route that was taken back. When
 * nothing else is said, a minute for packets and UPDATEs on their way and, for a router that has just lost the session by which it would be told,
 * the hold time and the restart time that BGP has without configuration: 90 s (RFC 4271 §10) and 120 s (RFC 4724 §4.2). A router whose session has no
 * hold time notices nothing, and no rest is long enough for it.
 */
export const DEFAULT_QUARANTINE = 270_000

/** Milliseconds, or what tells them as they are now. What is released rests for as long as was told then, and as is told when it is asked for. */
export type Quarantine = number | (() => number)

/** Its multiples, without their integer parts, lie far apart for neighbouring numbers (a Weyl sequence). */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

/** Range and quarantine of a label space. */
export interface LabelSpaceOptions {
  readonly clock: Clock
  /** 16–1,048,575. */
  readonly first?: number
  /** At least `first`. */
  readonly last?: number
  /** How long a released label rests, so that no packet lands in another tenant; 270,000 ms when left out. */
  readonly quarantine?: Quarantine
}

/** Why a label could not be had. */
export type LabelErrorCode = 'label.exhausted' | 'label.range' | 'label.taken'

/** Why a label could not be had. */
export class LabelError extends Error {
  override readonly name = 'LabelError'

  constructor(
    readonly code: LabelErrorCode,
    message: string,
  ) {
    super(`${message} (${code})`)
  }
}

/**
 * The labels of one node, each with its owner. A label that is released rests before it is given out again, longest-released first; a fresh one is
 * taken only when none has rested, so that the labels in use lie close together. The joint label names no one: where it is on top, it is passed over.
 *
 * What the process before released shortly before its end is known to nobody. `resume` therefore goes on with fresh labels far from all that the
 * dataplane still holds: beside those lie the ones that were released lately.
 */
export class LabelSpace {
  readonly #clock: Clock
  readonly #quarantine: Quarantine
  readonly #owners = new Map<number, string>()
  /** Released labels in the order of their release. */
  readonly #resting = new Map<number, Release>()
  /** Labels that a dataplane holds, and that nobody here has adopted or given up. */
  readonly #held = new Set<number>()
  /** The fresh label that is tried next; `#untried` of them, round the end of the range. */
  #next: number
  #untried: number

  constructor(readonly options: LabelSpaceOptions) {
    this.#clock = options.clock
    this.#quarantine = options.quarantine ?? DEFAULT_QUARANTINE
    this.#next = this.first
    this.#untried = this.last - this.first + 1
    if (!Number.isInteger(this.first) || this.first < FIRST_LABEL || this.last > LAST_LABEL || this.last < this.first) {
      throw new LabelError('label.range', `${this.first}–${this.last} is not a range within ${FIRST_LABEL}–${LAST_LABEL}`)
    }
    if (this.first === JOINT_LABEL && this.last === JOINT_LABEL) {
      throw new LabelError('label.range', `${JOINT_LABEL} is the joint label, and there is no other in the range`)
    }
  }

  get first(): number {
    return this.options.first ?? FIRST_LABEL
  }

  get last(): number {
    return this.options.last ?? LAST_LABEL
  }

  /** Labels that have an owner. */
  get size(): number {
    return this.#owners.size
  }

  /** Labels that can be given out now. */
  get available(): number {
    let resting = this.#resting.size
    const rest = millisecondsOf(this.#quarantine)
    for (const release of this.#resting.values()) {
      if (dueAt(release, rest) > this.#clock.now()) break // those behind it wait for it
      resting--
    }
    const usable = this.last - this.first + (this.#isInRange(JOINT_LABEL) ? 0 : 1)
    return usable - this.#owners.size - this.#held.size - resting
  }

  /** A label for `owner`. @throws LabelError `label.exhausted` when all are taken or at rest */
  allocate(owner: string): number {
    const label = this.#rested() ?? this.#fresh()
    if (label === undefined)
      throw new LabelError(
        'label.exhausted',
        `no label left in ${this.first}–${this.last}: ${this.#owners.size + this.#held.size} taken, ${this.#resting.size} at rest`,
      )
    this.#owners.set(label, owner)
    return label
  }

  /**
   * Goes on where the process before stopped, before any label is given out: `labels` are held until someone adopts them or `releaseHeld` is called,
   * and fresh ones start in the widest gap between them. Where in its inner half is told by `generation`, which grows with every change of the
   * dataplane: two processes that find the same labels do not start at the same one either.
   */
  resume(labels: readonly number[], generation: number): void {
    for (const label of labels) this.hold(label)
    if (generation === 0) return // nothing was ever programmed
    const gap = this.#widestGap()
    this.#next = this.#inRange(gap.start + Math.floor(gap.size * (0.25 + ((generation * GOLDEN_RATIO) % 1) / 2)))
  }

  /** Keeps a label without an owner from being given out, because a dataplane holds it. */
  hold(label: number): void {
    if (!this.#isUsable(label) || this.#owners.has(label)) return
    this.#resting.delete(label)
    this.#held.add(label)
  }

  isHeld(label: number): boolean {
    return this.#held.has(label)
  }

  /** Nobody will adopt what is held: it rests from now on. */
  releaseHeld(): void {
    const release = this.#releaseNow()
    for (const label of this.#held) this.#resting.set(label, release)
    this.#held.clear()
  }

  /** Takes a label that `owner` had before, for example as a running dataplane tells. @throws LabelError `label.taken`, `label.range` */
  adopt(label: number, owner: string): void {
    if (!this.#isUsable(label)) {
      const reason = label === JOINT_LABEL ? 'is the joint label' : `is not in ${this.first}–${this.last}`
      throw new LabelError('label.range', `${label} ${reason}`)
    }
    const other = this.#owners.get(label)
    if (other !== undefined && other !== owner) throw new LabelError('label.taken', `${label} belongs to ${other}`)
    this.#resting.delete(label)
    this.#held.delete(label)
    this.#owners.set(label, owner)
  }

  /** Gives a label back. Idempotent. */
  release(label: number): void {
    if (this.#owners.delete(label)) this.#resting.set(label, this.#releaseNow())
  }

  ownerOf(label: number): string | undefined {
    return this.#owners.get(label)
  }

  #fresh(): number | undefined {
    while (this.#untried > 0) {
      const label = this.#next
      this.#next = this.#inRange(label + 1)
      this.#untried--
      if (label !== JOINT_LABEL && !this.#owners.has(label) && !this.#resting.has(label) && !this.#held.has(label)) return label
    }
    return undefined
  }

  /** The longest run of labels that are neither held nor owned; the range is taken as a circle. */
  #widestGap(): { readonly start: number; readonly size: number } {
    const used = [...this.#held, ...this.#owners.keys()].sort((a, b) => a - b)
    const [first] = used
    const all = this.last - this.first + 1
    if (first === undefined) return { start: this.first, size: all }
    let widest = { start: first + 1, size: 0 }
    for (const [index, label] of used.entries()) {
      const size = (used[index + 1] ?? first + all) - label - 1
      if (size > widest.size) widest = { start: label + 1, size }
    }
    return widest
  }

  #isInRange(label: number): boolean {
    return label >= this.first && label <= this.last
  }

  #isUsable(label: number): boolean {
    return Number.isInteger(label) && this.#isInRange(label) && label !== JOINT_LABEL
  }

  #inRange(label: number): number {
    return label > this.last ? label - (this.last - this.first + 1) : label
  }

  #rested(): number | undefined {
    const [oldest] = this.#resting
    if (oldest === undefined) return undefined
    const [label, release] = oldest
    if (dueAt(release, millisecondsOf(this.#quarantine)) > this.#clock.now()) return undefined
    this.#resting.delete(label)
    return label
  }

  #releaseNow(): Release {
    return { since: this.#clock.now(), rest: millisecondsOf(this.#quarantine) }
  }
}

/** When something was released, and the milliseconds for which others may send by it as it was then. */
export interface Release {
  readonly since: number
  readonly rest: number
}

/** When what was released may have another owner. A rest that has become shorter is told to nobody who still sends by what was released before. */
export function dueAt(release: Release, rest: number): number {
  return release.since + Math.max(release.rest, rest)
}

export function millisecondsOf(quarantine: Quarantine): number {
  return typeof quarantine === 'number' ? quarantine : quarantine()
}
