import { grown } from './column.js'
import type { RibTable } from './rib-table.js'

const PENDING = 1
/** To be sent even if it is what was sent already: the peer asked for it. */
const FORCED = 2

/**
 * What one peer holds of one family, and which destinations are to be looked at again (RFC 4271 §3.2): columns beside the table's
 * destinations. A destination is queued once however often it changes, so that only its newest state is sent.
 */
export class AdjRibOut {
  #set = new Uint32Array(0)
  #data = new Uint32Array(0)
  #state = new Uint8Array(0)
  #queue: number[] = []
  #head = 0
  #sent = 0
  #taken = 0

  constructor(readonly table: RibTable) {}

  /** Destinations that the peer holds. */
  get sent(): number {
    return this.#sent
  }

  /** Destinations to be looked at. */
  get pending(): number {
    return this.#queue.length - this.#head
  }

  /** Destinations that `next` gave: `taken + pending` is what it will be once everything that waits now had its turn. */
  get taken(): number {
    return this.#taken
  }

  /** Looks at a destination again; with `force` it is sent even when it is the same. */
  enqueue(destination: number, force = false): void {
    if (destination >= this.#state.length) this.#grow()
    const state = this.#state[destination]
    this.#state[destination] = state | PENDING | (force ? FORCED : 0)
    if ((state & PENDING) !== 0) return
    this.table.hold(destination)
    this.#queue.push(destination)
  }

  /** The next destination to look at, or 0. `settle` must follow. */
  next(): number {
    if (this.#head === this.#queue.length) return 0
    const destination = this.#queue[this.#head++]
    this.#taken++
    if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    return destination
  }

  /** What the peer holds: an attribute set, or 0. */
  setOf(destination: number): number {
    return this.#set[destination] ?? 0
  }

  dataOf(destination: number): number {
    return this.#data[destination] ?? 0
  }

  /**
   * What the peer is to hold from now on.
   *
   * @param set 0 for nothing; retained here when it is another than before
   * @returns what must be sent to make it so
   */
  settle(destination: number, set: number, data: number): 'announce' | 'withdraw' | 'nothing' {
    const forced = (this.#state[destination] & FORCED) !== 0
    this.#state[destination] = 0
    const before = this.#set[destination]
    const same = before === set && (set === 0 || this.#data[destination] === data)
    if (!same) this.#store(destination, before, set, data)
    this.table.unhold(destination)
    if (same && !(forced && set !== 0)) return 'nothing'
    return set === 0 ? 'withdraw' : 'announce'
  }

  /** Destinations that the peer holds. */
  *destinations(): Generator<number> {
    for (let destination = 1; destination < this.#set.length; destination++) if (this.#set[destination] !== 0) yield destination
  }

  /** The peer is gone: holds nothing, waits for nothing. */
  clear(): void {
    for (let destination = this.next(); destination !== 0; destination = this.next()) {
      this.#state[destination] = 0
      this.table.unhold(destination)
    }
    for (const destination of this.destinations()) this.#store(destination, this.#set[destination], 0, 0)
  }

  #store(destination: number, before: number, set: number, data: number): void {
    const { table } = this
    if (set !== 0) {
      table.sets.retain(set)
      table.key.retainData(data)
    }
    if (before !== 0) {
      table.sets.release(before)
      table.key.releaseData(this.#data[destination])
    }
    this.#set[destination] = set
    this.#data[destination] = data
    if (before === 0 && set !== 0) {
      this.#sent++
      table.hold(destination)
    } else if (before !== 0 && set === 0) {
      this.#sent--
      table.unhold(destination)
    }
  }

  #grow(): void {
    const { capacity } = this.table
    this.#set = grown(this.#set, capacity)
    this.#data = grown(this.#data, capacity)
    this.#state = grown(this.#state, capacity)
  }
}
