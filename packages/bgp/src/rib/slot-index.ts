/** Entries that the first segment has room for, and those from which on a segment is split instead of doubled. */
const SMALLEST = 64
const LARGEST = 2048
/** Entries that half of a split segment has room for, if that will do. */
const HALF = 1408
/** Entries of segments, of each length, that are kept for others. */
const SPARE = 16
/** Depth below which no segment is split: what shares so many bits of its hash is meant to, and must not blow the directory up. */
const DEEPEST = 18
/** A segment is full when three of four places are taken; beyond that, searches that find nothing get long. */
const FULL = 3 / 4
/** How full a segment is at most that was swept or split, so that it is worth it. */
const FRESH = 5 / 8

/** Slots that are in an index although nobody looks for them any more. */
export interface Leftovers {
  /** How many there are. */
  readonly count: number
  /** @returns whether the slot was one of them; then it is none any more, nor in the index */
  take(slot: number): boolean
}

interface Segment {
  /** High bits of a hash that all of its entries share. */
  readonly depth: number
  /** Slot and hash in turn; slot 0: no entry. */
  entries: Int32Array
  /** Entries that there is room for. */
  size: number
  count: number
}

/**
 * Slots by the hash of what they hold: linear probing in small segments, under a directory by the high bits of the hash (extendible hashing).
 * Only a segment that is full is swept, split or grows, so that no entry ever waits for the whole index to be built anew; hashes stand beside the
 * slots, so that neither that nor a removal looks at what slots hold.
 *
 *     for (let slot = index.first(hash); slot !== 0; slot = index.next()) if (holds(slot)) return slot
 */
export class SlotIndex {
  #directory: Segment[] = []
  /** Entries of segments that were split or have grown, by their length: others will need them. */
  readonly #spare = new Map<number, Int32Array[]>()
  #depth = 0
  #size = 0
  /* Where the search stands. */
  #segment: Segment = NONE
  #at = 0
  #hash = 0
  /** What `approach` has read is used here, or it would not have to be read. */
  seen = 0

  /** @param leftovers slots that may go when there is no room for another */
  constructor(private readonly leftovers?: Leftovers) {}

  /** Slots that are in it. */
  get size(): number {
    return this.#size
  }

  /** Octets that it takes. */
  get octets(): number {
    const all = [...new Set(this.#directory)].map(({ entries }) => entries).concat(...this.#spare.values())
    return all.reduce((sum, { byteLength }) => sum + byteLength, 0)
  }

  /** Looks at the place where a search for the hash begins. */
  approach(hash: number): void {
    const { entries, size } = this.#segmentOf(hash) ?? NONE
    this.seen ^= entries[homeOf(hash, size) * 2]
  }

  /** The first slot with the hash, a word of any sign, or 0. */
  first(hash: number): number {
    const segment = this.#segmentOf(hash) ?? NONE
    this.#segment = segment
    this.#hash = hash | 0
    return this.#seek(homeOf(hash, segment.size))
  }

  /** The next one, or 0. */
  next(): number {
    return this.#seek(this.#at + 1)
  }

  /** Puts a slot in, which is not there. Right behind a search for its hash, it goes to where that ended. */
  add(slot: number, hash: number): void {
    this.#size++
    const ended = this.#segment
    if (ended !== NONE && this.#hash === (hash | 0) && ended.count < ended.size * FULL && ended.entries[this.#at * 2] === 0) {
      ended.entries[this.#at * 2] = slot
      ended.entries[this.#at * 2 + 1] = hash
      ended.count++
      return
    }
    this.#segment = NONE
    if (this.#directory.length === 0) this.#directory.push(segmentOf(this.#take(SMALLEST), 0))
    let segment = this.#segmentOf(hash) as Segment
    while (segment.count >= segment.size * FULL) {
      if (this.#sweep(segment)) break
      if (segment.size < LARGEST || segment.depth === DEEPEST) this.#grow(segment)
      else this.#split(segment, hash)
      segment = this.#segmentOf(hash) as Segment
    }
    put(segment, slot, hash)
  }

  /** Takes a slot out, which is there. */
  remove(slot: number, hash: number): void {
    this.#segment = NONE
    const segment = this.#segmentOf(hash) as Segment
    const { entries, size } = segment
    let hole = homeOf(hash, size)
    while (entries[hole * 2] !== slot) hole = behind(hole, size)
    // what stands behind a hole moves up, unless it stands where its hash wants it
    for (let at = behind(hole, size); entries[at * 2] !== 0; at = behind(at, size)) {
      if (distance(homeOf(entries[at * 2 + 1], size), at, size) < distance(hole, at, size)) continue
      entries[hole * 2] = entries[at * 2]
      entries[hole * 2 + 1] = entries[at * 2 + 1]
      hole = at
    }
    entries[hole * 2] = 0
    segment.count--
    if (--this.#size > 0) return
    this.#directory = []
    this.#spare.clear()
    this.#depth = 0
  }

  #segmentOf(hash: number): Segment | undefined {
    return this.#directory[this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)]
  }

  #seek(from: number): number {
    const { entries, size } = this.#segment
    const hash = this.#hash
    let at = from < size ? from : 0
    while (entries[at * 2] !== 0 && entries[at * 2 + 1] !== hash) at = behind(at, size)
    this.#at = at
    return entries[at * 2]
  }

  /** @returns whether there is room in the segment for some time */
  #sweep(segment: Segment): boolean {
    const { leftovers } = this
    if (leftovers === undefined || leftovers.count === 0) return false
    const { entries, count } = segment
    const before = entries.slice()
    entries.fill(0)
    segment.count = 0
    for (let at = 0; at < before.length; at += 2) {
      if (before[at] !== 0 && !leftovers.take(before[at])) put(segment, before[at], before[at + 1])
    }
    this.#size -= count - segment.count
    return segment.count < segment.size * FRESH
  }

  /** Two in the place of one, by the next bit of the hash. */
  #split({ depth, entries }: Segment, hash: number): void {
    if (depth === this.#depth) {
      this.#directory = this.#directory.flatMap((entry) => [entry, entry])
      this.#depth++
    }
    const shift = 31 - depth
    const counts = [0, 0]
    for (let at = 0; at < entries.length; at += 2) if (entries[at] !== 0) counts[(entries[at + 1] >>> shift) & 1]++
    const halves = counts.map((count) => segmentOf(this.#take(count <= HALF * FRESH ? HALF : LARGEST), depth + 1))
    for (let at = 0; at < entries.length; at += 2) {
      if (entries[at] !== 0) put(halves[(entries[at + 1] >>> shift) & 1], entries[at], entries[at + 1])
    }
    this.#give(entries)
    const span = 1 << (this.#depth - depth - 1)
    const from = ((hash >>> shift) & ~1) * span
    this.#directory.fill(halves[0], from, from + span).fill(halves[1], from + span, from + 2 * span)
  }

  #grow(segment: Segment): void {
    const { entries, size } = segment
    segment.size = size < LARGEST ? Math.min(LARGEST, size * 2) : size * 2
    segment.entries = this.#take(segment.size)
    segment.count = 0
    for (let at = 0; at < entries.length; at += 2) if (entries[at] !== 0) put(segment, entries[at], entries[at + 1])
    this.#give(entries)
  }

  /** Room for so many entries, all of them 0. */
  #take(size: number): Int32Array {
    return (
      this.#spare
        .get(size * 2)
        ?.pop()
        ?.fill(0) ?? new Int32Array(size * 2)
    )
  }

  #give(entries: Int32Array): void {
    if (entries.length < HALF * 2 || entries.length > LARGEST * 2) return
    const same = this.#spare.get(entries.length)
    if (same === undefined) this.#spare.set(entries.length, [entries])
    else if (same.length < SPARE) same.push(entries)
  }
}

/** Where a search finds nothing. */
const NONE: Segment = { depth: 0, entries: new Int32Array(2), size: 1, count: 0 }

function segmentOf(entries: Int32Array, depth: number): Segment {
  return { depth, entries, size: entries.length / 2, count: 0 }
}

/** The place that the low bits of a hash want. */
function homeOf(hash: number, size: number): number {
  return Math.imul(hash & 0xffff, size) >>> 16
}

function behind(at: number, size: number): number {
  return at + 1 === size ? 0 : at + 1
}

/** Places from one to another, forwards. */
function distance(from: number, to: number, size: number): number {
  return to < from ? to - from + size : to - from
}

function put(segment: Segment, slot: number, hash: number): void {
  const { entries, size } = segment
  let at = homeOf(hash, size)
  while (entries[at * 2] !== 0) at = behind(at, size)
  entries[at * 2] = slot
  entries[at * 2 + 1] = hash
  segment.count++
}
