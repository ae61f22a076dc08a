import type { IpAddress } from '@heddle/wire'
import type { FsmStateName } from '../../fsm/state.js'
import type { PathAttributes } from '../../attribute/path-attributes.js'
import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'

/** The best path of a destination. */
export interface WatchedRoute {
  /** The VRF that it is the best path in; absent: none. */
  readonly vrf?: string
  readonly family: Family
  readonly nlri: Nlri
  /** The peer's address, or `local`. */
  readonly peer: string
  readonly attributes: PathAttributes
  readonly nextHop?: IpAddress
}

/**
 * What a watch is told. `sequence` grows by one with each event of the speaker, so a reader can prove that it missed nothing: a `snapshot` says
 * everything that is there at its number, and each event behind it has the next number.
 */
export type WatchEvent =
  /** Forget everything: this is all there is. First of all, and whenever the reader was too slow. */
  | {
      readonly kind: 'snapshot'
      readonly sequence: number
      readonly routes: readonly WatchedRoute[]
      readonly neighbors: ReadonlyMap<string, FsmStateName>
    }
  /** The best path is new or another one. */
  | { readonly kind: 'route'; readonly sequence: number; readonly route: WatchedRoute }
  /** There is no usable path any more. */
  | { readonly kind: 'gone'; readonly sequence: number; readonly vrf?: string; readonly family: Family; readonly nlri: Nlri }
  /** A neighbor came into another state; `removed` when it is no longer configured. */
  | { readonly kind: 'neighbor'; readonly sequence: number; readonly neighbor: string; readonly state: FsmStateName | 'removed' }

/** An event without its number. */
export type UnnumberedEvent = DistributiveOmit<Exclude<WatchEvent, { kind: 'snapshot' }>, 'sequence'>
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** What is there now. */
export type WatchSnapshot = Omit<Extract<WatchEvent, { kind: 'snapshot' }>, 'kind' | 'sequence'>

/** Events that a reader may be behind before it is given a new snapshot in their place. */
const DEFAULT_LIMIT = 16_384

interface Reader {
  queue: WatchEvent[]
  needsSnapshot: boolean
  readonly limit: number
  waiting: ((result: IteratorResult<WatchEvent>) => void) | undefined
}

/** Hands what happens to any number of readers, each at its own pace. */
export class Watches {
  readonly #readers = new Set<Reader>()
  #sequence = 0
  #closed = false

  constructor(private readonly snapshot: () => WatchSnapshot) {}

  /** Whether anybody listens: what is for nobody need not be made. */
  get active(): boolean {
    return this.#readers.size > 0
  }

  publish(event: UnnumberedEvent): void {
    if (this.#closed) return
    const numbered = { ...event, sequence: ++this.#sequence } as WatchEvent
    for (const reader of this.#readers) {
      if (reader.needsSnapshot) continue
      const { waiting } = reader
      if (waiting !== undefined) {
        reader.waiting = undefined
        waiting({ done: false, value: numbered })
      } else if (reader.queue.length < reader.limit) reader.queue.push(numbered)
      else {
        reader.queue = []
        reader.needsSnapshot = true
      }
    }
  }

  /** @param limit events that the reader may be behind */
  watch(limit = DEFAULT_LIMIT): AsyncIterable<WatchEvent> {
    return { [Symbol.asyncIterator]: () => this.#iterate(limit) }
  }

  /** Ends all iterations, behind what they have not been handed yet. */
  close(): void {
    this.#closed = true
    for (const { waiting } of this.#readers) waiting?.({ done: true, value: undefined })
  }

  #iterate(limit: number): AsyncIterator<WatchEvent> {
    const reader: Reader = { queue: [], needsSnapshot: true, limit, waiting: undefined }
    this.#readers.add(reader)
    return {
      next: () => {
        if (reader.needsSnapshot && !this.#closed) {
          reader.needsSnapshot = false
          return Promise.resolve({ done: false, value: { kind: 'snapshot', sequence: this.#sequence, ...this.snapshot() } })
        }
        const value = reader.queue.shift()
        if (value !== undefined) return Promise.resolve({ done: false, value })
        if (this.#closed || !this.#readers.has(reader)) return Promise.resolve({ done: true, value: undefined })
        return new Promise((resolve) => (reader.waiting = resolve))
      },
      return: () => {
        this.#readers.delete(reader)
        reader.waiting?.({ done: true, value: undefined })
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }
}
