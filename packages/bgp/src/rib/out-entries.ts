import { Column } from './column.js'

/** Entries of an Adj-RIB-Out as columns, by slots: paths as they were sent, each with the set of peers that hold it. One that nobody holds is none. */
export class OutEntries {
  /** Identifier on the wire (RFC 7911 §3). */
  readonly pathId = new Column()
  readonly set = new Column()
  readonly data = new Column()
  #words = 1
  #peers = new Column()

  /** Row by row, as many words each as `widen` was told. */
  get peers(): Column {
    return this.#peers
  }

  /** Octets that they take. */
  get octets(): number {
    return this.pathId.octets + this.set.octets + this.data.octets + this.#peers.octets
  }

  /** Makes room for sets of peers of `words` words. @param end the slot behind the last one */
  widen(words: number, end: number): void {
    const wider = new Column()
    for (let slot = 1; slot < end; slot++) {
      for (let at = 0; at < this.#words; at++) wider.set(slot * words + at, this.#peers.get(slot * this.#words + at))
    }
    this.#peers = wider
    this.#words = words
  }

  /** Whether any peer holds the entry. */
  isHeld(slot: number): boolean {
    for (let at = slot * this.#words, end = at + this.#words; at < end; at++) if (this.#peers.get(at) !== 0) return true
    return false
  }

  holds(slot: number, peer: number): boolean {
    return ((this.#peers.get(this.#wordOf(slot, peer)) >>> (peer & 31)) & 1) === 1
  }

  /** Has a peer hold the entry. @returns whether it did not */
  give(slot: number, peer: number): boolean {
    return this.#turn(slot, peer, true)
  }

  /** Has a peer not hold the entry any more. @returns whether it did */
  take(slot: number, peer: number): boolean {
    return this.#turn(slot, peer, false)
  }

  #turn(slot: number, peer: number, on: boolean): boolean {
    if (this.holds(slot, peer) === on) return false
    const at = this.#wordOf(slot, peer)
    this.#peers.set(at, this.#peers.get(at) ^ (1 << (peer & 31)))
    return true
  }

  #wordOf(slot: number, peer: number): number {
    return slot * this.#words + (peer >>> 5)
  }
}
