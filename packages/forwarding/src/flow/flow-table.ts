import type { Tuple } from './tuple.js'

/** Words of a key: zone, protocol and family, two addresses, two ports. */
const KEY_WORDS = 11
/** Entries that a key may lie in: a bucket is searched whole, and is where something is evicted when it is full. */
const WAYS = 8
/** Slots that are looked at for their age each time an entry is made. */
const SWEEP = 4

/** What `find` returns when there is no such flow. */
export const NO_FLOW = -1

/**
 * Flows in typed arrays: a hash table of fixed size whose entries age by the caller's clock. Making an entry never fails and never waits: in a full
 * bucket the one that was quiet for longest goes. The same calls in the same order give the same table.
 *
 *     key of 11 words │ last seen, ms │ lifetime, ms │ state │ owner │ data words
 */
export class FlowTable {
  /** Slots. */
  readonly capacity: number
  readonly #keys: Uint32Array
  readonly #used: Uint8Array
  readonly #seen: Float64Array
  readonly #lifetime: Float64Array
  /** Bits that belong to whoever uses the table. */
  readonly state: Uint8Array
  /** Whom an entry is counted for. */
  readonly owner: Uint32Array
  /** `dataWords` words a slot, for whoever uses the table. */
  readonly data: Uint32Array
  readonly #key = new Uint32Array(KEY_WORDS)
  readonly #owned = new Map<number, number>()
  readonly #ended: ((slot: number) => void) | undefined
  #size = 0
  #hand = 0
  /** Entries that had to go while they were alive. */
  evictions = 0

  /**
   * @param capacity least number of slots; rounded up to a power of two, at least 8
   * @param ended called before an entry goes, for whatever reason
   */
  constructor(
    capacity: number,
    readonly dataWords: number,
    ended?: (slot: number) => void,
  ) {
    let slots = WAYS
    while (slots < capacity) slots *= 2
    this.capacity = slots
    this.#keys = new Uint32Array(slots * KEY_WORDS)
    this.#used = new Uint8Array(slots)
    this.#seen = new Float64Array(slots)
    this.#lifetime = new Float64Array(slots)
    this.state = new Uint8Array(slots)
    this.owner = new Uint32Array(slots)
    this.data = new Uint32Array(slots * dataWords)
    this.#ended = ended
  }

  /** Entries, those included that are too old and not yet noticed. */
  get size(): number {
    return this.#size
  }

  /** Entries that are counted for `owner`. */
  owned(owner: number): number {
    return this.#owned.get(owner) ?? 0
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
    this.#key[10] = tuple.identification
  }

  /** Slot of the key, or `NO_FLOW`. */
  find(now: number): number {
    const bucket = this.#bucket()
    for (let slot = bucket; slot < bucket + WAYS; slot++) {
      if (this.#used[slot] === 0 || !this.#is(slot)) continue
      if (this.#isAlive(slot, now)) return slot
      this.remove(slot)
      return NO_FLOW
    }
    return NO_FLOW
  }

  /** Makes an entry for the key, which must not be there, and returns its slot; state and data are zero. */
  insert(now: number, lifetime: number, owner: number): number {
    this.#sweep(now)
    const slot = this.#room(now)
    this.#keys.set(this.#key, slot * KEY_WORDS)
    this.#used[slot] = 1
    this.#seen[slot] = now
    this.#lifetime[slot] = lifetime
    this.state[slot] = 0
    this.owner[slot] = owner
    this.data.fill(0, slot * this.dataWords, (slot + 1) * this.dataWords)
    this.#size++
    this.#owned.set(owner, this.owned(owner) + 1)
    return slot
  }

  /** The flow was seen; it ends when it is not for `lifetime` milliseconds. */
  touch(slot: number, now: number, lifetime: number): void {
    this.#seen[slot] = now
    this.#lifetime[slot] = lifetime
  }

  remove(slot: number): void {
    if (this.#used[slot] === 0) return
    this.#ended?.(slot)
    this.#used[slot] = 0
    this.#size--
    const owner = this.owner[slot]
    const left = this.owned(owner) - 1
    if (left > 0) this.#owned.set(owner, left)
    else this.#owned.delete(owner)
  }

  /** Removes every entry that `ends` says. */
  removeWhere(ends: (slot: number) => boolean): void {
    for (let slot = 0; slot < this.capacity; slot++) if (this.#used[slot] === 1 && ends(slot)) this.remove(slot)
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

  #is(slot: number): boolean {
    const at = slot * KEY_WORDS
    for (let word = 0; word < KEY_WORDS; word++) if (this.#keys[at + word] !== this.#key[word]) return false
    return true
  }

  #isAlive(slot: number, now: number): boolean {
    return now - this.#seen[slot] < this.#lifetime[slot]
  }

  /** A free slot of the bucket, made by evicting the quietest entry when there is none. */
  #room(now: number): number {
    const bucket = this.#bucket()
    let quietest = bucket
    for (let slot = bucket; slot < bucket + WAYS; slot++) {
      if (this.#used[slot] === 0) return slot
      if (!this.#isAlive(slot, now)) {
        this.remove(slot)
        return slot
      }
      if (this.#seen[slot] < this.#seen[quietest]) quietest = slot
    }
    this.evictions++
    this.remove(quietest)
    return quietest
  }

  /** Takes some entries that are too old away, so that nothing counts for long that nobody asks for. */
  #sweep(now: number): void {
    for (let turn = 0; turn < SWEEP; turn++) {
      const slot = this.#hand
      this.#hand = (slot + 1) & (this.capacity - 1)
      if (this.#used[slot] === 1 && !this.#isAlive(slot, now)) this.remove(slot)
    }
  }
}

/** Whether the source is the lower end, by address and then by port. */
function isLower({ source, destination, sourcePort, destinationPort }: Tuple): boolean {
  for (let word = 0; word < 4; word++) if (source[word] !== destination[word]) return source[word] < destination[word]
  return sourcePort <= destinationPort
}
