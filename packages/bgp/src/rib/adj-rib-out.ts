import { capacityFor, grown } from './column.js'
import { addPeer, eachPeer, hasPeer, peerSetWords, removePeer, type PeerSet } from './peer-set.js'
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
  #first = new Int32Array(16)
  #next = new Int32Array(16)
  #destination = new Int32Array(16)
  #pathId = new Uint32Array(16)
  #set = new Uint32Array(16)
  #data = new Uint32Array(16)
  #words = 1
  #peers = new Uint32Array(16)
  readonly #free: number[] = []
  #nextEntry = 1
  #sent = new Int32Array(32)
  #scratch: PeerSet = new Uint32Array(1)
  #gone: PeerSet = new Uint32Array(1)

  constructor(readonly table: RibTable) {}

  /** Entries that are stored. */
  get size(): number {
    return this.#nextEntry - 1 - this.#free.length
  }

  /** Words of the sets of peers that are taken and given. */
  get words(): number {
    return this.#words
  }

  /** Makes room for peers 0 to `peers` − 1. */
  reserve(peers: number): void {
    const words = peerSetWords(peers)
    if (words <= this.#words) return
    const wider = new Uint32Array(this.#next.length * words)
    for (let entry = 1; entry < this.#nextEntry; entry++) wider.set(this.#setAt(entry), entry * words)
    this.#peers = wider
    this.#words = words
    this.#sent = grown(this.#sent, words * 32)
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
    if (destination >= this.#first.length) this.#first = grown(this.#first, this.table.capacity)
    this.#withdraw(destination, targets, members, output)
    for (const target of targets) this.#announce(destination, target, members, forced, output)
  }

  /** The attribute set with which a peer holds a destination, by whatever path; 0 when it holds nothing. */
  setOf(peer: number, destination: number): number {
    for (let entry = this.#first[destination] ?? 0; entry !== 0; entry = this.#next[entry]) {
      if (hasPeer(this.#setAt(entry), peer)) return this.#set[entry]
    }
    return 0
  }

  /** Paths that a peer holds: `visit` with destination, path id, attribute set and path data. */
  held(peer: number, visit: (destination: number, pathId: number, set: number, data: number) => void): void {
    for (let entry = 1; entry < this.#nextEntry; entry++) {
      if (this.#set[entry] === 0 || !hasPeer(this.#setAt(entry), peer)) continue
      visit(this.#destination[entry], this.#pathId[entry], this.#set[entry], this.#data[entry])
    }
  }

  /** The peer holds a path already that it was sent by other means. */
  adopt(peer: number, destination: number, pathId: number, set: number, data: number): void {
    if (destination >= this.#first.length) this.#first = grown(this.#first, this.table.capacity)
    const entry = this.#find(destination, pathId, set, data) || this.#add(destination, pathId, set, data)
    const peers = this.#setAt(entry)
    if (hasPeer(peers, peer)) return
    addPeer(peers, peer)
    this.#sent[peer]++
  }

  /** The peer is gone and holds nothing. */
  drop(peer: number): void {
    for (let entry = 1; entry < this.#nextEntry && this.sent(peer) > 0; entry++) {
      if (this.#set[entry] === 0) continue
      const peers = this.#setAt(entry)
      if (!hasPeer(peers, peer)) continue
      removePeer(peers, peer)
      this.#sent[peer]--
      this.#freeIfUnheld(entry)
    }
  }

  /** Takes out what the members hold and should not; an entry that a target takes the place of goes without a word. */
  #withdraw(destination: number, targets: readonly ExportTarget[], members: PeerSet, output: ExportOutput): void {
    const lost = this.#scratch
    for (let entry = this.#first[destination], next = 0; entry !== 0; entry = next) {
      next = this.#next[entry]
      const target = targets.find(({ pathId }) => pathId === this.#pathId[entry])
      const same = target !== undefined && target.set === this.#set[entry] && target.data === this.#data[entry]
      const peers = this.#setAt(entry)
      let some = 0
      let told = 0
      for (let at = 0; at < this.#words; at++) {
        const held = peers[at] & members[at]
        const wanted = target === undefined ? 0 : target.to[at]
        const leaving = same ? held & ~wanted : held
        peers[at] &= ~leaving
        some |= leaving
        this.#gone[at] = leaving
        lost[at] = leaving & ~wanted
        told |= lost[at]
      }
      if (some === 0) continue
      eachPeer(this.#gone, (peer) => this.#sent[peer]--)
      if (told !== 0) output.withdraw(destination, this.#pathId[entry], this.#data[entry], lost)
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
      const lacking = entry === 0 ? wanted : wanted & ~this.#peers[entry * this.#words + at]
      this.#gone[at] = lacking
      fresh |= lacking
      told[at] = forced ? wanted : lacking
      some |= told[at]
    }
    if (fresh !== 0) {
      if (entry === 0) entry = this.#add(destination, pathId, set, data)
      for (let at = 0; at < this.#words; at++) this.#peers[entry * this.#words + at] |= this.#gone[at]
      eachPeer(this.#gone, (peer) => this.#sent[peer]++)
    }
    if (some !== 0) output.announce(destination, target, told)
  }

  #find(destination: number, pathId: number, set: number, data: number): number {
    let entry = this.#first[destination]
    while (entry !== 0 && (this.#pathId[entry] !== pathId || this.#set[entry] !== set || this.#data[entry] !== data)) {
      entry = this.#next[entry]
    }
    return entry
  }

  #setAt(entry: number): PeerSet {
    return this.#peers.subarray(entry * this.#words, (entry + 1) * this.#words)
  }

  #add(destination: number, pathId: number, set: number, data: number): number {
    const entry = this.#free.pop() ?? this.#nextEntry++
    if (entry >= this.#next.length) {
      const capacity = capacityFor(entry + 1, this.#next.length)
      this.#next = grown(this.#next, capacity)
      this.#destination = grown(this.#destination, capacity)
      this.#pathId = grown(this.#pathId, capacity)
      this.#set = grown(this.#set, capacity)
      this.#data = grown(this.#data, capacity)
      this.#peers = grown(this.#peers, capacity * this.#words)
    }
    const { table } = this
    table.sets.retain(set)
    table.key.retainData(data)
    table.hold(destination)
    this.#destination[entry] = destination
    this.#pathId[entry] = pathId
    this.#set[entry] = set
    this.#data[entry] = data
    this.#peers.fill(0, entry * this.#words, (entry + 1) * this.#words)
    this.#next[entry] = this.#first[destination]
    this.#first[destination] = entry
    return entry
  }

  #freeIfUnheld(entry: number): void {
    for (let at = entry * this.#words; at < (entry + 1) * this.#words; at++) if (this.#peers[at] !== 0) return
    const destination = this.#destination[entry]
    let previous = 0
    for (let at = this.#first[destination]; at !== entry; at = this.#next[at]) previous = at
    if (previous === 0) this.#first[destination] = this.#next[entry]
    else this.#next[previous] = this.#next[entry]
    const { table } = this
    table.sets.release(this.#set[entry])
    table.key.releaseData(this.#data[entry])
    this.#set[entry] = 0
    this.#data[entry] = 0
    this.#free.push(entry)
    table.unhold(destination)
  }
}
