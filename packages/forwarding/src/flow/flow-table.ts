import { crowdedLifetime } from './lifetime.js'
import { lock, unlock } from './lock.js'
import { OwnerCounts } from './owner-counts.js'
import type { Tuple } from './tuple.js'

/** Words of a key: zone, protocol and family, two addresses, two ports. */
const KEY_WORDS = 11
/** Entries that a key may lie in: a bucket is searched whole, and is where something is evicted when it is full. */
const WAYS = 8
/** Slots that are looked at for their age each time an entry is made. */
const SWEEP = 4

/** What `find` returns when there is no such flow. */
export const NO_FLOW = -1

/* The word of a slot: whether it is used, the state of its entry, and a number that counts its entries up. */
const USED = 1
const STATE_SHIFT = 1
const STATE_MASK = 0xff
const GENERATION = 1 << 9

/** Words of a saved entry before its data: two times, slot, state, owner, key. */
const ROW_WORDS = 7 + KEY_WORDS

/** Words that belong to the table as a whole. */
const SIZE = 0
const HAND = 1
const EVICTIONS = 2
const RESERVED = 3
const HEADER_WORDS = 4

/**
 * Flows in typed arrays: a hash table of fixed size whose entries age by the caller's clock. Making an entry never fails and never waits: in a full
 * bucket the one that was quiet for longest goes. The same calls in the same order give the same table.
 *
 *     key of 11 words │ last seen, ms │ lifetime, ms │ state │ owner │ data words
 *
 * Several threads may each have a `FlowTable` over one shared memory. Finding takes no lock: a slot's word says whether its entry is whole, and is
 * read again after the key. Making and removing entries takes the lock of a bucket, a word that is compared and swapped. Who has found a slot and
 * reads its data asks `isCurrent` afterwards whether it was that entry's all the while.
 */
export class FlowTable {
  /** Slots. */
  readonly capacity: number
  readonly #header: Int32Array
  readonly #locks: Int32Array
  readonly #words: Int32Array
  readonly #keys: Uint32Array
  readonly #seen: Float64Array
  readonly #lifetime: Float64Array
  /** Whom an entry is counted for. */
  readonly owner: Uint32Array
  /** `dataWords` words a slot, for whoever uses the table. */
  readonly data: Uint32Array
  readonly #key = new Uint32Array(KEY_WORDS)
  readonly #owned: OwnerCounts
  readonly #peerWord: number
  /** Word of the slot that was found or made last. */
  #found = 0

  /** Octets of memory for a table. */
  static octets(capacity: number, dataWords: number): number {
    const slots = slotsFor(capacity)
    return slots * 16 + (HEADER_WORDS + slots / WAYS + slots * (KEY_WORDS + 2 + dataWords)) * 4 + 8 + OwnerCounts.octets(slots)
  }

  /**
   * @param capacity least number of slots; rounded up to a power of two, at least 8
   * @param memory of `octets(capacity, dataWords)`, zeroed or that of another table of this shape; its own when left out
   * @param peerWord of the data: the slot, plus one, of an entry that goes when this one goes; none when left out
   */
  constructor(
    capacity: number,
    readonly dataWords: number,
    {
      memory = new ArrayBuffer(FlowTable.octets(capacity, dataWords)),
      peerWord = -1,
    }: { memory?: ArrayBufferLike; peerWord?: number } = {},
  ) {
    const slots = slotsFor(capacity)
    this.capacity = slots
    let at = 0
    const take = (octets: number): number => (at += octets) - octets
    this.#seen = new Float64Array(memory, take(slots * 8), slots)
    this.#lifetime = new Float64Array(memory, take(slots * 8), slots)
    this.#header = new Int32Array(memory, take(HEADER_WORDS * 4), HEADER_WORDS)
    this.#locks = new Int32Array(memory, take((slots / WAYS) * 4), slots / WAYS)
    this.#words = new Int32Array(memory, take(slots * 4), slots)
    this.#keys = new Uint32Array(memory, take(slots * KEY_WORDS * 4), slots * KEY_WORDS)
    this.owner = new Uint32Array(memory, take(slots * 4), slots)
    this.data = new Uint32Array(memory, take(slots * dataWords * 4), slots * dataWords)
    this.#owned = new OwnerCounts(memory, at, slots)
    this.#peerWord = peerWord
  }

  /** Entries, those included that are too old and not yet noticed. */
  get size(): number {
    return Atomics.load(this.#header, SIZE)
  }

  /** Entries that had to go while they were alive. */
  get evictions(): number {
    return Atomics.load(this.#header, EVICTIONS)
  }

  /** A word of the shared memory for whoever uses the table. */
  get reserved(): Int32Array {
    return this.#header.subarray(RESERVED)
  }

  /** Entries that are counted for `owner`. */
  owned(owner: number): number {
    return this.#owned.of(owner)
  }

  /** Bits that belong to whoever uses the table: 8. */
  stateOf(slot: number): number {
    return (Atomics.load(this.#words, slot) >>> STATE_SHIFT) & STATE_MASK
  }

  /** Sets bits of the state, and takes others away; the rest stays. */
  mark(slot: number, bits: number, away: number): void {
    if (away !== 0) Atomics.and(this.#words, slot, ~(away << STATE_SHIFT))
    Atomics.or(this.#words, slot, bits << STATE_SHIFT)
  }

  /** Whether the slot still has the entry that was found or made last. */
  isCurrent(slot: number): boolean {
    return ((Atomics.load(this.#words, slot) ^ this.#found) & ~(STATE_MASK << STATE_SHIFT)) === 0
  }

  /**
   * Sets the key that the next calls are about: the flow of `tuple` in `zone`, the same for both directions.
   *
   * @returns whether the packet goes from the lower end to the higher one
   */
  keySymmetric(zone: number, tuple: Tuple): boolean {
    const isForward = isLower(tuple)
    this.#write(zone, tuple, isForward)
    return isForward
  }

  /** As `keySymmetric`, for this direction alone. */
  keyDirected(zone: number, tuple: Tuple): void {
    this.#write(zone, tuple, true)
  }

  /** As `keyDirected`, for the other direction. */
  keyReversed(zone: number, tuple: Tuple): void {
    this.#write(zone, tuple, false)
  }

  /** As `keyDirected`, for the datagram that a fragment is a part of. */
  keyDatagram(zone: number, tuple: Tuple): void {
    this.#write(zone, tuple, true)
    this.#key[1] = (tuple.carries << 8) | tuple.family
    this.#key[10] = tuple.identification
  }

  /** Slot of the key, or `NO_FLOW`. */
  find(now: number): number {
    const slot = this.#findIn(this.#bucket())
    if (slot === NO_FLOW || this.#isAlive(slot, now)) return slot
    this.remove(slot)
    return NO_FLOW
  }

  /**
   * Makes an entry for the key, unless another thread has just done so, and returns its slot.
   *
   * @param state of the entry
   * @param data its first words; the rest is zero
   */
  insert(now: number, lifetime: number, owner: number, state = 0, data?: ArrayLike<number>): number {
    this.sweep(now)
    const bucket = this.#bucket()
    lock(this.#locks, bucket / WAYS)
    const there = this.#findIn(bucket)
    if (there !== NO_FLOW) {
      unlock(this.#locks, bucket / WAYS)
      return there
    }
    const slot = this.#roomIn(bucket, now)
    const peer = this.#take(slot)
    this.#keys.set(this.#key, slot * KEY_WORDS)
    this.#seen[slot] = now
    this.#lifetime[slot] = lifetime
    this.owner[slot] = owner
    this.data.fill(0, slot * this.dataWords, (slot + 1) * this.dataWords)
    if (data !== undefined) this.data.set(data, slot * this.dataWords)
    Atomics.add(this.#header, SIZE, 1)
    this.#owned.add(owner)
    this.#found = ((this.#words[slot] + GENERATION) & ~(GENERATION - 1)) | (state << STATE_SHIFT) | USED
    Atomics.store(this.#words, slot, this.#found)
    unlock(this.#locks, bucket / WAYS)
    this.#removePeer(peer, slot)
    return slot
  }

  /** The flow was seen; it ends when it is not for `lifetime` milliseconds. */
  touch(slot: number, now: number, lifetime: number): void {
    this.#seen[slot] = now
    this.#lifetime[slot] = lifetime
  }

  /**
   * Takes some entries that are too old away, so that nothing counts for long that nobody asks for.
   *
   * @param crowded owner of which what may well have ended is taken away sooner: it has more than half of what it may
   */
  sweep(now: number, crowded?: number): void {
    const first = Atomics.add(this.#header, HAND, SWEEP)
    for (let turn = 0; turn < SWEEP; turn++) {
      const slot = (first + turn) & (this.capacity - 1)
      if (this.#isUsed(slot) && !this.#isAlive(slot, now, this.owner[slot] === crowded)) this.remove(slot)
    }
  }

  /** Removes the entry of a slot, and its peer. */
  remove(slot: number): void {
    const bucket = Math.floor(slot / WAYS)
    lock(this.#locks, bucket)
    const peer = this.#take(slot)
    unlock(this.#locks, bucket)
    this.#removePeer(peer, slot)
  }

  /** Removes every entry that `ends` says. */
  removeWhere(ends: (slot: number) => boolean): void {
    for (let slot = 0; slot < this.capacity; slot++) if (this.#isUsed(slot) && ends(slot)) this.remove(slot)
  }

  /** Every entry, for `load` of another table of this shape: a row each, of its slot, seen, lifetime, state, owner, key and data. */
  save(): Uint32Array {
    const width = ROW_WORDS + this.dataWords
    const rows: Uint32Array[] = []
    for (let slot = 0; slot < this.capacity; slot++) {
      if (!this.#isUsed(slot)) continue
      const row = new Uint32Array(width)
      const times = new Float64Array([this.#seen[slot], this.#lifetime[slot]])
      row.set(new Uint32Array(times.buffer))
      row.set([slot, this.stateOf(slot), this.owner[slot]], 4)
      row.set(this.#keys.subarray(slot * KEY_WORDS, (slot + 1) * KEY_WORDS), 7)
      row.set(this.data.subarray(slot * this.dataWords, (slot + 1) * this.dataWords), ROW_WORDS)
      rows.push(row)
    }
    const all = new Uint32Array(rows.length * width)
    rows.forEach((row, index) => all.set(row, index * width))
    return all
  }

  /** Makes the entries that `save` told, in an empty table. */
  load(saved: Uint32Array): void {
    const width = ROW_WORDS + this.dataWords
    for (let at = 0; at + width <= saved.length; at += width) {
      const row = saved.slice(at, at + width)
      const [seen, lifetime] = new Float64Array(row.buffer, 0, 2)
      const [slot, state, owner] = row.subarray(4, 7)
      if (slot >= this.capacity || this.#isUsed(slot)) continue
      this.#seen[slot] = seen
      this.#lifetime[slot] = lifetime
      this.owner[slot] = owner
      this.#keys.set(row.subarray(7, ROW_WORDS), slot * KEY_WORDS)
      this.data.set(row.subarray(ROW_WORDS), slot * this.dataWords)
      Atomics.add(this.#header, SIZE, 1)
      this.#owned.add(owner)
      Atomics.store(this.#words, slot, GENERATION | (state << STATE_SHIFT) | USED)
    }
  }

  /** Reads the key of an entry into a tuple, from the lower end to the higher one for a symmetric key. */
  readKey(slot: number, tuple: Tuple): void {
    const at = slot * KEY_WORDS
    const keys = this.#keys
    tuple.family = (keys[at + 1] & 0xff) as 4 | 6
    tuple.protocol = (keys[at + 1] >>> 8) & 0xff
    for (let word = 0; word < 4; word++) {
      tuple.source[word] = keys[at + 2 + word]
      tuple.destination[word] = keys[at + 6 + word]
    }
    tuple.sourcePort = keys[at + 10] >>> 16
    tuple.destinationPort = keys[at + 10] & 0xffff
  }

  #write(zone: number, tuple: Tuple, isForward: boolean): void {
    const key = this.#key
    const { source, destination, sourcePort, destinationPort } = tuple
    const low = isForward ? source : destination
    const high = isForward ? destination : source
    key[0] = zone
    key[1] = (tuple.protocol << 8) | tuple.family
    for (let word = 0; word < 4; word++) {
      key[2 + word] = low[word]
      key[6 + word] = high[word]
    }
    key[10] = isForward ? (sourcePort << 16) | destinationPort : (destinationPort << 16) | sourcePort
  }

  #bucket(): number {
    let hash = 0x9e3779b9
    for (let word = 0; word < KEY_WORDS; word++) {
      hash = Math.imul(hash ^ this.#key[word], 0x85ebca6b)
      hash ^= hash >>> 13
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
    return ((hash ^ (hash >>> 15)) & (this.capacity - 1) & ~(WAYS - 1)) >>> 0
  }

  #findIn(bucket: number): number {
    for (let slot = bucket; slot < bucket + WAYS; slot++) {
      const word = Atomics.load(this.#words, slot)
      if ((word & USED) === 0 || !this.#is(slot)) continue
      // What was read is a whole key if it was there before and after.
      if (((Atomics.load(this.#words, slot) ^ word) & ~(STATE_MASK << STATE_SHIFT)) !== 0) continue
      this.#found = word
      return slot
    }
    return NO_FLOW
  }

  #is(slot: number): boolean {
    const at = slot * KEY_WORDS
    for (let word = 0; word < KEY_WORDS; word++) if (this.#keys[at + word] !== this.#key[word]) return false
    return true
  }

  #isUsed(slot: number): boolean {
    return (Atomics.load(this.#words, slot) & USED) !== 0
  }

  #isAlive(slot: number, now: number, isCrowded = false): boolean {
    const lifetime = this.#lifetime[slot]
    return now - this.#seen[slot] < (isCrowded ? crowdedLifetime(lifetime) : lifetime)
  }

  /** A slot for a new entry: a free one, one whose entry is too old, or else the quietest. The bucket's lock is held. */
  #roomIn(bucket: number, now: number): number {
    let quietest = bucket
    for (let slot = bucket; slot < bucket + WAYS; slot++) {
      if (!this.#isUsed(slot) || !this.#isAlive(slot, now)) return slot
      if (this.#seen[slot] < this.#seen[quietest]) quietest = slot
    }
    Atomics.add(this.#header, EVICTIONS, 1)
    return quietest
  }

  /** Takes the entry of a slot away, whose bucket's lock is held. Returns its peer; -1 for none. */
  #take(slot: number): number {
    const word = Atomics.load(this.#words, slot)
    if ((word & USED) === 0) return NO_FLOW
    const peer = this.#peerWord < 0 ? NO_FLOW : this.data[slot * this.dataWords + this.#peerWord] - 1
    Atomics.store(this.#words, slot, word & ~(GENERATION - 1))
    Atomics.sub(this.#header, SIZE, 1)
    this.#owned.subtract(this.owner[slot])
    return peer
  }

  /** Removes the peer of an entry that went, unless its slot has another one by now. No lock is held, so that none waits for two. */
  #removePeer(peer: number, slot: number): void {
    if (peer < 0) return
    const bucket = Math.floor(peer / WAYS)
    lock(this.#locks, bucket)
    if (this.#isUsed(peer) && this.data[peer * this.dataWords + this.#peerWord] === slot + 1) this.#take(peer)
    unlock(this.#locks, bucket)
  }
}

function slotsFor(capacity: number): number {
  let slots = WAYS
  while (slots < capacity) slots *= 2
  return slots
}

/** Whether the source is the lower end, by address and then by port. */
function isLower({ source, destination, sourcePort, destinationPort }: Tuple): boolean {
  for (let word = 0; word < 4; word++) if (source[word] !== destination[word]) return source[word] < destination[word]
  return sourcePort <= destinationPort
}
