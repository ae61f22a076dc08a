/** Entries of the first segment, and those at which one is split instead of doubled. */
const SMALLEST = 64
const LARGEST = 2048
/** Depth below which no segment is split: what shares so many bits of its hash is meant to, and must not blow the directory up. */
const DEEPEST = 18
/** A segment is full when three of four places are taken; beyond that, searches that find nothing get long. */
const FULL = 3 / 4

interface Segment {
  /** High bits of a hash that all of its entries share. */
  readonly depth: number
  /** Slot and hash in turn; slot 0: no entry. */
  entries: Uint32Array
  /** One less than the entries that there is room for, which is a power of two. */
  mask: number
  count: number
}

/**
 * Slots by the hash of what they hold: linear probing in small segments, under a directory by the high bits of the hash (extendible hashing).
 * Only a segment that is full is split, so that no entry ever waits for the whole index to be built anew; hashes stand beside the slots, so that
 * neither that nor a removal looks at what slots hold.
 *
 *     for (let slot = index.first(hash); slot !== 0; slot = index.next()) if (holds(slot)) return slot
 */
export class SlotIndex {
  #directory: Segment[] = []
  #depth = 0
  #size = 0
  /* Where the search stands. */
  #segment: Segment = NONE
  #at = 0
  #hash = 0

  /** Slots that are in it. */
  get size(): number {
    return this.#size
  }

  /** Octets that it takes. */
  get octets(): number {
    return [...new Set(this.#directory)].reduce((sum, { entries }) => sum + entries.byteLength, 0)
  }

  /** The first slot with the hash, or 0. */
  first(hash: number): number {
    this.#segment = this.#segmentOf(hash) ?? NONE
    this.#hash = hash
    this.#at = hash & this.#segment.mask
    return this.#seek()
  }

  /** The next one, or 0. */
  next(): number {
    this.#at = (this.#at + 1) & this.#segment.mask
    return this.#seek()
  }

  /** Puts a slot in, which is not there. */
  add(slot: number, hash: number): void {
    if (this.#directory.length === 0) this.#directory.push(segmentOf(SMALLEST, 0))
    let segment = this.#segmentOf(hash) as Segment
    while (segment.count >= (segment.mask + 1) * FULL) {
      if (segment.mask + 1 < LARGEST || segment.depth === DEEPEST) double(segment)
      else this.#split(segment, hash)
      segment = this.#segmentOf(hash) as Segment
    }
    put(segment, slot, hash)
    this.#size++
  }

  /** Takes a slot out, which is there. */
  remove(slot: number, hash: number): void {
    const segment = this.#segmentOf(hash) as Segment
    const { entries, mask } = segment
    let hole = hash & mask
    while (entries[hole * 2] !== slot) hole = (hole + 1) & mask
    // what stands behind a hole moves up, unless it stands where its hash wants it
    for (let at = (hole + 1) & mask; entries[at * 2] !== 0; at = (at + 1) & mask) {
      const home = entries[at * 2 + 1] & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      entries[hole * 2] = entries[at * 2]
      entries[hole * 2 + 1] = entries[at * 2 + 1]
      hole = at
    }
    entries[hole * 2] = 0
    segment.count--
    if (--this.#size > 0) return
    this.#directory = []
    this.#depth = 0
  }

  #segmentOf(hash: number): Segment | undefined {
    return this.#directory[this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)]
  }

  #seek(): number {
    const { entries, mask } = this.#segment
    let at = this.#at
    while (entries[at * 2] !== 0 && entries[at * 2 + 1] !== this.#hash) at = (at + 1) & mask
    this.#at = at
    return entries[at * 2]
  }

  /** Two in the place of one, by the next bit of the hash. */
  #split({ depth, entries }: Segment, hash: number): void {
    if (depth === this.#depth) {
      this.#directory = this.#directory.flatMap((entry) => [entry, entry])
      this.#depth++
    }
    const halves = [segmentOf(LARGEST, depth + 1), segmentOf(LARGEST, depth + 1)]
    const shift = 31 - depth
    for (let at = 0; at < entries.length; at += 2) {
      if (entries[at] !== 0) put(halves[(entries[at + 1] >>> shift) & 1], entries[at], entries[at + 1])
    }
    const span = 1 << (this.#depth - depth - 1)
    const from = ((hash >>> shift) & ~1) * span
    this.#directory.fill(halves[0], from, from + span).fill(halves[1], from + span, from + 2 * span)
  }
}

/** Where a search finds nothing. */
const NONE: Segment = { depth: 0, entries: new Uint32Array(2), mask: 0, count: 0 }

function segmentOf(size: number, depth: number): Segment {
  return { depth, entries: new Uint32Array(size * 2), mask: size - 1, count: 0 }
}

function put(segment: Segment, slot: number, hash: number): void {
  const { entries, mask } = segment
  let at = hash & mask
  while (entries[at * 2] !== 0) at = (at + 1) & mask
  entries[at * 2] = slot
  entries[at * 2 + 1] = hash
  segment.count++
}

function double(segment: Segment): void {
  const { entries } = segment
  segment.entries = new Uint32Array(entries.length * 2)
  segment.mask = segment.mask * 2 + 1
  segment.count = 0
  for (let at = 0; at < entries.length; at += 2) if (entries[at] !== 0) put(segment, entries[at], entries[at + 1])
}
