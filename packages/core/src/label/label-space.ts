import type { Clock } from '@heddle/io'

/** First label that is not special-purpose (RFC 7274). */
export const FIRST_LABEL = 16
/** Last label of 20 bits. */
export const LAST_LABEL = 0xf_ffff

export interface LabelSpaceOptions {
  readonly clock: Clock
  /** 16–1,048,575. */
  readonly first?: number
  /** At least `first`. */
  readonly last?: number
  /** Milliseconds that a released label rests, so that no packet on its way lands in another tenant; 60,000 when left out. */
  readonly quarantine?: number
}

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

/** The labels of one node, each with its owner. A label that is released rests before it is given out again, longest-released first. */
export class LabelSpace {
  readonly #clock: Clock
  readonly #quarantine: number
  readonly #owners = new Map<number, string>()
  /** Released labels in the order of their release. */
  readonly #resting = new Map<number, number>()
  #next: number

  constructor(readonly options: LabelSpaceOptions) {
    this.#clock = options.clock
    this.#quarantine = options.quarantine ?? 60_000
    this.#next = this.first
    if (!Number.isInteger(this.first) || this.first < FIRST_LABEL || this.last > LAST_LABEL || this.last < this.first) {
      throw new LabelError('label.range', `${this.first}–${this.last} is not a range within ${FIRST_LABEL}–${LAST_LABEL}`)
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

  /** A label for `owner`. @throws LabelError `label.exhausted` when all are taken or at rest */
  allocate(owner: string): number {
    const label = this.#rested() ?? this.#fresh()
    if (label === undefined)
      throw new LabelError(
        'label.exhausted',
        `no label left in ${this.first}–${this.last}: ${this.#owners.size} taken, ${this.#resting.size} at rest`,
      )
    this.#owners.set(label, owner)
    return label
  }

  /** Takes a label that `owner` had before, for example as a running dataplane tells. @throws LabelError `label.taken`, `label.range` */
  adopt(label: number, owner: string): void {
    if (!Number.isInteger(label) || label < this.first || label > this.last)
      throw new LabelError('label.range', `${label} is not in ${this.first}–${this.last}`)
    const other = this.#owners.get(label)
    if (other !== undefined && other !== owner) throw new LabelError('label.taken', `${label} belongs to ${other}`)
    this.#resting.delete(label)
    this.#owners.set(label, owner)
  }

  /** Gives a label back. Idempotent. */
  release(label: number): void {
    if (this.#owners.delete(label)) this.#resting.set(label, this.#clock.now())
  }

  ownerOf(label: number): string | undefined {
    return this.#owners.get(label)
  }

  #fresh(): number | undefined {
    while (this.#next <= this.last) {
      const label = this.#next++
      if (!this.#owners.has(label) && !this.#resting.has(label)) return label
    }
    return undefined
  }

  #rested(): number | undefined {
    const [oldest] = this.#resting
    if (oldest === undefined) return undefined
    const [label, since] = oldest
    if (this.#clock.now() - since < this.#quarantine) return undefined
    this.#resting.delete(label)
    return label
  }
}
