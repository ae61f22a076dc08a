import { Column } from './column.js'
import { OutEntries } from './out-entries.js'
import { peerSetWords, type PeerSet } from './peer-set.js'
import type { RibTable } from './rib-table.js'

/** A path that peers of the group are to hold. */
export interface ExportTarget {
  /** Identifier on the wire (RFC 7911 §3); 0 where there is none. */
  readonly pathId: number
  /** Attribute set as exported. */
  readonly set: number
  readonly data: number
  /** Peers that are to hold it. */
  readonly to: PeerSet
}

/** What must be sent so that peers hold what they should. The sets are valid during the call only. */
export interface ExportOutput {
  announce(destination: number, target: ExportTarget, peers: PeerSet): void
  withdraw(destination: number, pathId: number, data: number, peers: PeerSet): void
}

/**
 * What the peers of one export group hold of one family (RFC 4271 §3.2): an entry is a path with the attributes as they were sent, and the set
 * of peers that hold it. Peers that are equally far share one entry a path, however many they are. Nearly every destination has one entry, which
 * stands at the destination's own slot; further ones, for peers that are behind or for more paths than one (RFC 7911), are a list.
 *
 *     destination ──► own entry, further entry ──► …        entry: path id │ attribute set │ path data │ peers (bits)
 *
 * An entry is named by a number: the destination for its own one, one below 0 for a further one.
 */
export class AdjRibOut {
  readonly #own = new OutEntries()
  readonly #further = new OutEntries()
  /** The first further entry of each destination, as a slot; 0: none. */
  readonly #first = new Column()
  /** Of further entries; of a free slot: the next free one. */
  readonly #next = new Column()
  readonly #destination = new Column()
  #words = 1
  #free = 0
  /** The slot behind the last further entry. */
  #end = 1
  #size = 0
  /** Paths by peer. */
  readonly #sent: number[] = []
  #scratch: PeerSet = new Uint32Array(1)
  #gone: PeerSet = new Uint32Array(1)

  constructor(readonly table: RibTable) {}

  /** Entries that are stored. */
  get size(): number {
    return this.#size
  }

  /** Octets that it takes. */
  get octets(): number {
    const columns = [this.#own, this.#further, this.#first, this.#next, this.#destination]
    return columns.reduce((sum, { octets }) => sum + octets, 0)
  }

  /** Words of the sets of peers that are taken and given. */
  get words(): number {
    return this.#words
  }

  /** Makes room for peers 0 to `peers` − 1. */
  reserve(peers: number): void {
    const words = peerSetWords(peers)
    if (words <= this.#words) return
    this.#own.widen(words, this.table.slots)
    this.#further.widen(words, this.#end)
    this.#words = words
    this.#scratch = new Uint32Array(words)
    this.#gone = new Uint32Array(words)
  }

  /** Paths that a peer holds. */
  sent(peer: number): number {
    return this.#sent[peer] ?? 0
  }

  /**
   * Makes some peers hold exactly `targets` of a destination, and says what has to be sent for it.
   *
   * @param members the peers that are dealt with; others keep what they hold
   * @param forced tells paths again that are held already
   */
  settle(destination: number, targets: readonly ExportTarget[], members: PeerSet, forced: boolean, output: ExportOutput): void {
    const first = this.#firstOf(destination)
    for (let entry = first, next = 0; entry !== 0; entry = next) {
      next = this.#nextOf(entry, destination)
      this.#withdraw(entry, destination, targets, members, output)
    }
    for (let at = 0; at < targets.length; at++) this.#announce(destination, targets[at], members, forced, output, first === 0 && at === 0)
  }

  /** The attribute set with which a peer holds a destination, by whatever path; 0 when it holds nothing. */
  setOf(peer: number, destination: number): number {
    let entry = this.#firstOf(destination)
    while (entry !== 0 && !this.#columnsOf(entry).holds(Math.abs(entry), peer)) entry = this.#nextOf(entry, destination)
    return entry === 0 ? 0 : this.#columnsOf(entry).set.get(Math.abs(entry))
  }

  /** Paths that a peer holds: `visit` with destination, path id, attribute set and path data. */
  held(peer: number, visit: (destination: number, pathId: number, set: number, data: number) => void): void {
    const tell = (entries: OutEntries, at: number, destination: number): void => {
      if (entries.holds(at, peer)) visit(destination, entries.pathId.get(at), entries.set.get(at), entries.data.get(at))
    }
    for (let destination = 1; destination < this.table.slots; destination++) tell(this.#own, destination, destination)
    for (let slot = 1; slot < this.#end; slot++) tell(this.#further, slot, this.#destination.get(slot))
  }

  /** The peer holds a path already that it was sent by other means. */
  adopt(peer: number, destination: number, pathId: number, set: number, data: number): void {
    const entry = this.#find(destination, pathId, set, data) || this.#add(destination, pathId, set, data)
    if (!this.#columnsOf(entry).give(Math.abs(entry), peer)) return
    this.#count(peer, 1)
  }

  /**
   * The peer is gone: takes it out of up to `limit` entries from `from` on, which is where the last call ended.
   *
   * @returns where to go on; 0 when the peer holds nothing any more
   */
  drop(peer: number, from = 1, limit = Infinity): number {
    let left = this.sent(peer)
    let entry = from
    for (let looks = 0; left > 0 && looks < limit; looks++) {
      if (entry === this.table.slots) entry = -1
      if (this.#columnsOf(entry).take(Math.abs(entry), peer)) {
        left--
        this.#freeIfUnheld(entry, entry > 0 ? entry : this.#destination.get(-entry))
      }
      entry += entry > 0 ? 1 : -1
    }
    this.#sent[peer] = left
    return left === 0 ? 0 : entry
  }

  /** Takes out of an entry what the members hold and should not; one that a target takes the place of goes without a word. */
  #withdraw(entry: number, destination: number, targets: readonly ExportTarget[], members: PeerSet, output: ExportOutput): void {
    const entries = this.#columnsOf(entry)
    const slot = Math.abs(entry)
    const pathId = entries.pathId.get(slot)
    const target = targetOf(targets, pathId)
    const same = target !== undefined && target.data === entries.data.get(slot) && this.table.sets.equal(target.set, entries.set.get(slot))
    const lost = this.#scratch
    const row = slot * this.#words
    let some = 0
    let told = 0
    for (let at = 0; at < this.#words; at++) {
      const all = entries.peers.get(row + at)
      const held = all & members[at]
      const wanted = target === undefined ? 0 : target.to[at]
      const leaving = same ? held & ~wanted : held
      if (leaving !== 0) entries.peers.set(row + at, all & ~leaving)
      some |= leaving
      this.#gone[at] = leaving
      lost[at] = leaving & ~wanted
      told |= lost[at]
    }
    if (some === 0) return
    this.#countAll(this.#gone, -1)
    if (told !== 0) output.withdraw(destination, pathId, entries.data.get(slot), lost)
    this.#freeIfUnheld(entry, destination)
  }

  /** @param fresh nothing is held of the destination */
  #announce(destination: number, target: ExportTarget, members: PeerSet, forced: boolean, output: ExportOutput, fresh: boolean): void {
    const { pathId, set, data, to } = target
    let entry = fresh ? 0 : this.#find(destination, pathId, set, data)
    const told = this.#scratch
    let some = 0
    let more = 0
    for (let at = 0; at < this.#words; at++) {
      const wanted = to[at] & members[at]
      const lacking = entry === 0 ? wanted : wanted & ~this.#columnsOf(entry).peers.get(Math.abs(entry) * this.#words + at)
      this.#gone[at] = lacking
      more |= lacking
      told[at] = forced ? wanted : lacking
      some |= told[at]
    }
    if (more !== 0) {
      if (entry === 0) entry = this.#add(destination, pathId, set, data)
      const { peers } = this.#columnsOf(entry)
      const row = Math.abs(entry) * this.#words
      for (let at = 0; at < this.#words; at++) peers.set(row + at, peers.get(row + at) | this.#gone[at])
      this.#countAll(this.#gone, 1)
    }
    if (some !== 0) output.announce(destination, target, told)
  }

  #columnsOf(entry: number): OutEntries {
    return entry > 0 ? this.#own : this.#further
  }

  /** The first entry of a destination, 0 when it has none. */
  #firstOf(destination: number): number {
    return this.#own.isHeld(destination) ? destination : 0 - this.#first.get(destination)
  }

  /** The entry behind one of a destination, 0 when it is the last. */
  #nextOf(entry: number, destination: number): number {
    return 0 - (entry > 0 ? this.#first.get(destination) : this.#next.get(-entry))
  }

  #find(destination: number, pathId: number, set: number, data: number): number {
    let entry = this.#firstOf(destination)
    while (entry !== 0 && !this.#isOf(entry, pathId, set, data)) entry = this.#nextOf(entry, destination)
    return entry
  }

  #isOf(entry: number, pathId: number, set: number, data: number): boolean {
    const entries = this.#columnsOf(entry)
    const slot = Math.abs(entry)
    return entries.pathId.get(slot) === pathId && entries.data.get(slot) === data && this.table.sets.equal(entries.set.get(slot), set)
  }

  /** An entry that nobody holds yet. */
  #add(destination: number, pathId: number, set: number, data: number): number {
    const { table } = this
    table.sets.retain(set)
    table.key.retainData(data)
    const first = this.#firstOf(destination)
    if (first === 0) table.hold(destination)
    const entry = first > 0 ? 0 - this.#addFurther(destination) : destination
    const entries = this.#columnsOf(entry)
    const slot = Math.abs(entry)
    entries.pathId.set(slot, pathId)
    entries.set.set(slot, set)
    entries.data.set(slot, data)
    this.#size++
    return entry
  }

  #addFurther(destination: number): number {
    const slot = this.#free === 0 ? this.#end++ : this.#free
    if (slot === this.#free) this.#free = this.#next.get(slot)
    this.#destination.set(slot, destination)
    this.#next.set(slot, this.#first.get(destination))
    this.#first.set(destination, slot)
    return slot
  }

  #freeIfUnheld(entry: number, destination: number): void {
    const entries = this.#columnsOf(entry)
    const slot = Math.abs(entry)
    if (entries.isHeld(slot)) return
    const { table } = this
    table.sets.release(entries.set.get(slot))
    table.key.releaseData(entries.data.get(slot))
    if (entry < 0) this.#freeFurther(slot, destination)
    this.#size--
    if (this.#firstOf(destination) === 0) table.unhold(destination)
  }

  #freeFurther(slot: number, destination: number): void {
    if (this.#first.get(destination) === slot) this.#first.set(destination, this.#next.get(slot))
    else {
      let previous = this.#first.get(destination)
      while (this.#next.get(previous) !== slot) previous = this.#next.get(previous)
      this.#next.set(previous, this.#next.get(slot))
    }
    this.#next.set(slot, this.#free)
    this.#free = slot
  }

  #countAll(peers: PeerSet, by: number): void {
    for (let at = 0; at < peers.length; at++) {
      for (let word = peers[at]; word !== 0; word &= word - 1) this.#count(at * 32 + 31 - Math.clz32(word & -word), by)
    }
  }

  #count(peer: number, by: number): void {
    this.#sent[peer] = this.sent(peer) + by
  }
}

function targetOf(targets: readonly ExportTarget[], pathId: number): ExportTarget | undefined {
  for (let at = 0; at < targets.length; at++) if (targets[at].pathId === pathId) return targets[at]
  return undefined
}
