import { Column } from './column.js'
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
 * of peers that hold it. Peers that are equally far share one entry a path, however many they are.
 *
 *     destination ──► entry ──► entry ──► …        entry: path id │ attribute set │ path data │ peers (bits)
 */
export class AdjRibOut {
  readonly #first = new Column()
  readonly #next = new Column()
  readonly #destination = new Column()
  readonly #pathId = new Column()
  readonly #set = new Column()
  readonly #data = new Column()
  #words = 1
  /** Row by row, `#words` words each. */
  #peers = new Column()
  /** A list through `#next`. */
  #free = 0
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
    const columns = [this.#first, this.#next, this.#destination, this.#pathId, this.#set, this.#data, this.#peers]
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
    const wider = new Column()
    for (let entry = 1; entry < this.#end; entry++) {
      for (let at = 0; at < this.#words; at++) wider.set(entry * words + at, this.#peers.get(entry * this.#words + at))
    }
    this.#peers = wider
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
    this.#withdraw(destination, targets, members, output)
    for (const target of targets) this.#announce(destination, target, members, forced, output)
  }

  /** The attribute set with which a peer holds a destination, by whatever path; 0 when it holds nothing. */
  setOf(peer: number, destination: number): number {
    let entry = this.#first.get(destination)
    while (entry !== 0 && !this.#holds(entry, peer)) entry = this.#next.get(entry)
    return this.#set.get(entry)
  }

  /** Paths that a peer holds: `visit` with destination, path id, attribute set and path data. */
  held(peer: number, visit: (destination: number, pathId: number, set: number, data: number) => void): void {
    for (let entry = 1; entry < this.#end; entry++) {
      if (this.#destination.get(entry) === 0 || !this.#holds(entry, peer)) continue
      visit(this.#destination.get(entry), this.#pathId.get(entry), this.#set.get(entry), this.#data.get(entry))
    }
  }

  /** The peer holds a path already that it was sent by other means. */
  adopt(peer: number, destination: number, pathId: number, set: number, data: number): void {
    const entry = this.#find(destination, pathId, set, data) || this.#add(destination, pathId, set, data)
    if (this.#holds(entry, peer)) return
    const row = this.#rowWord(entry, peer)
    this.#peers.set(row, this.#peers.get(row) | (1 << (peer & 31)))
    this.#count(peer, 1)
  }

  /**
   * The peer is gone: takes it out of up to `limit` entries from `from` on.
   *
   * @returns the entry to go on with; 0 when the peer holds nothing any more
   */
  drop(peer: number, from = 1, limit = Infinity): number {
    const bit = 1 << (peer & 31)
    const end = Math.min(this.#end, from + limit)
    let left = this.sent(peer)
    let entry = from
    for (; left > 0 && entry < end; entry++) {
      const row = this.#rowWord(entry, peer)
      const word = this.#peers.get(row)
      if ((word & bit) === 0) continue
      this.#peers.set(row, word & ~bit)
      left--
      if ((word & ~bit) === 0) this.#freeIfUnheld(entry)
    }
    this.#sent[peer] = left
    return left === 0 ? 0 : entry
  }

  /** Takes out what the members hold and should not; an entry that a target takes the place of goes without a word. */
  #withdraw(destination: number, targets: readonly ExportTarget[], members: PeerSet, output: ExportOutput): void {
    const lost = this.#scratch
    for (let entry = this.#first.get(destination), next = 0; entry !== 0; entry = next) {
      next = this.#next.get(entry)
      const target = targets.find(({ pathId }) => pathId === this.#pathId.get(entry))
      const same = target !== undefined && target.set === this.#set.get(entry) && target.data === this.#data.get(entry)
      const row = entry * this.#words
      let some = 0
      let told = 0
      for (let at = 0; at < this.#words; at++) {
        const all = this.#peers.get(row + at)
        const held = all & members[at]
        const wanted = target === undefined ? 0 : target.to[at]
        const leaving = same ? held & ~wanted : held
        this.#peers.set(row + at, all & ~leaving)
        some |= leaving
        this.#gone[at] = leaving
        lost[at] = leaving & ~wanted
        told |= lost[at]
      }
      if (some === 0) continue
      this.#countAll(this.#gone, -1)
      if (told !== 0) output.withdraw(destination, this.#pathId.get(entry), this.#data.get(entry), lost)
      this.#freeIfUnheld(entry)
    }
  }

  #announce(destination: number, target: ExportTarget, members: PeerSet, forced: boolean, output: ExportOutput): void {
    const { pathId, set, data, to } = target
    let entry = this.#find(destination, pathId, set, data)
    const told = this.#scratch
    let some = 0
    let fresh = 0
    for (let at = 0; at < this.#words; at++) {
      const wanted = to[at] & members[at]
      const lacking = entry === 0 ? wanted : wanted & ~this.#peers.get(entry * this.#words + at)
      this.#gone[at] = lacking
      fresh |= lacking
      told[at] = forced ? wanted : lacking
      some |= told[at]
    }
    if (fresh !== 0) {
      if (entry === 0) entry = this.#add(destination, pathId, set, data)
      const row = entry * this.#words
      for (let at = 0; at < this.#words; at++) this.#peers.set(row + at, this.#peers.get(row + at) | this.#gone[at])
      this.#countAll(this.#gone, 1)
    }
    if (some !== 0) output.announce(destination, target, told)
  }

  #find(destination: number, pathId: number, set: number, data: number): number {
    let entry = this.#first.get(destination)
    while (entry !== 0 && (this.#pathId.get(entry) !== pathId || this.#set.get(entry) !== set || this.#data.get(entry) !== data)) {
      entry = this.#next.get(entry)
    }
    return entry
  }

  #rowWord(entry: number, peer: number): number {
    return entry * this.#words + (peer >>> 5)
  }

  #holds(entry: number, peer: number): boolean {
    return ((this.#peers.get(this.#rowWord(entry, peer)) >>> (peer & 31)) & 1) === 1
  }

  #add(destination: number, pathId: number, set: number, data: number): number {
    const entry = this.#free === 0 ? this.#end++ : this.#free
    if (entry === this.#free) this.#free = this.#next.get(entry)
    const { table } = this
    table.sets.retain(set)
    table.key.retainData(data)
    table.hold(destination)
    this.#destination.set(entry, destination)
    this.#pathId.set(entry, pathId)
    this.#set.set(entry, set)
    this.#data.set(entry, data)
    this.#next.set(entry, this.#first.get(destination))
    this.#first.set(destination, entry)
    this.#size++
    return entry
  }

  #freeIfUnheld(entry: number): void {
    for (let at = 0; at < this.#words; at++) if (this.#peers.get(entry * this.#words + at) !== 0) return
    const destination = this.#destination.get(entry)
    const first = this.#first.get(destination)
    if (first === entry) this.#first.set(destination, this.#next.get(entry))
    else {
      let previous = first
      while (this.#next.get(previous) !== entry) previous = this.#next.get(previous)
      this.#next.set(previous, this.#next.get(entry))
    }
    const { table } = this
    table.sets.release(this.#set.get(entry))
    table.key.releaseData(this.#data.get(entry))
    this.#destination.set(entry, 0)
    this.#next.set(entry, this.#free)
    this.#free = entry
    this.#size--
    table.unhold(destination)
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
