/** Slots with which a segment begins, and at which it is split. */
const SMALLEST = 64
const LARGEST = 2048
/** Depth below which no segment is split: what shares so many bits of its hash is meant to, and must not blow the directory up. */
const DEEPEST = 18
/** Bits of a hash above those that find a place in a segment. */
const TAG_SHIFT = 11

interface Segment {
  /** High bits of a hash that all of its entries share. */
  readonly depth: number
  slots: Uint32Array
  /** Other bits of the hashes, so that hardly ever a wrong key is looked at. */
  tags: Uint8Array
  count: number
}

/**
 * Slots by the hash of what they hold: linear probing in small segments, under a directory by the high bits of the hash (extendible hashing).
 * Only a segment that is full is split, so that no entry ever waits for the whole index to be built anew.
 *
 *     for (let slot = index.first(hash); slot !== 0; slot = index.next()) if (holds(slot)) return slot
 */
export class SlotIndex {
  #directory: Segment[] = []
  #depth = 0
  #size = 0
  /* Where the search stands. */
  #segment: Segment | undefined
  #at = 0
  #tag = 0

  /** @param hashOf hash of what a slot holds that is in the index */
  constructor(private readonly hashOf: (slot: number) => number) {}

  /** Slots that are in it. */
  get size(): number {
    return this.#size
  }

  /** Octets that it takes. */
  get octets(): number {
    return [...new Set(this.#directory)].reduce((sum, { slots, tags }) => sum + slots.byteLength + tags.byteLength, 0)
  }

  /** The first slot that may have the hash, or 0. */
  first(hash: number): number {
    const segment = this.#directory[this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)]
    if (segment === undefined) return 0
    this.#segment = segment
    this.#tag = (hash >>> TAG_SHIFT) & 0xff
    this.#at = hash & (segment.slots.length - 1)
    return this.#seek(segment)
  }

  /** The next one, or 0. */
  next(): number {
    const segment = this.#segment
    if (segment === undefined) return 0
    this.#at = (this.#at + 1) & (segment.slots.length - 1)
    return this.#seek(segment)
  }

  /** Puts a slot in, which is not there. */
  add(slot: number, hash: number): void {
    let segment = this.#segmentOf(hash)
    while ((segment.count + 1) * 4 > segment.slots.length * 3) {
      if (segment.slots.length < LARGEST || segment.depth === DEEPEST) this.#refill(segment, segment.slots.length * 2)
      else this.#split(segment, hash)
      segment = this.#segmentOf(hash)
    }
    put(segment, slot, hash)
    this.#size++
  }

  /** Takes a slot out, which is there and holds still what it held. */
  remove(slot: number): void {
    const segment = this.#segmentOf(this.hashOf(slot))
    const { slots, tags } = segment
    const mask = slots.length - 1
    let hole = this.hashOf(slot) & mask
    while (slots[hole] !== slot) hole = (hole + 1) & mask
    // what stands behind a hole moves up, unless it stands where its hash wants it
    for (let at = (hole + 1) & mask; slots[at] !== 0; at = (at + 1) & mask) {
      const home = this.hashOf(slots[at]) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]
      tags[hole] = tags[at]
      hole = at
    }
    slots[hole] = 0
    segment.count--
    if (--this.#size === 0) {
      this.#directory = []
      this.#depth = 0
    }
    this.#segment = undefined
  }

  #seek({ slots, tags }: Segment): number {
    const mask = slots.length - 1
    let at = this.#at
    while (slots[at] !== 0 && tags[at] !== this.#tag) at = (at + 1) & mask
    this.#at = at
    return slots[at]
  }

  #segmentOf(hash: number): Segment {
    if (this.#directory.length === 0) this.#directory.push(segmentOf(SMALLEST, 0))
    return this.#directory[this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)]
  }

  #refill(segment: Segment, size: number): void {
    const { slots } = segment
    segment.slots = new Uint32Array(size)
    segment.tags = new Uint8Array(size)
    segment.count = 0
    for (const slot of slots) if (slot !== 0) put(segment, slot, this.hashOf(slot))
  }

  /** Two in the place of one, by the next bit of the hash. */
  #split(segment: Segment, hash: number): void {
    if (segment.depth === this.#depth) {
      this.#directory = this.#directory.flatMap((entry) => [entry, entry])
      this.#depth++
    }
    const depth = segment.depth + 1
    const halves = [segmentOf(LARGEST, depth), segmentOf(LARGEST, depth)]
    for (const slot of segment.slots) {
      if (slot === 0) continue
      const other = this.hashOf(slot)
      put(halves[(other >>> (32 - depth)) & 1], slot, other)
    }
    const span = 1 << (this.#depth - depth)
    const from = ((hash >>> (32 - depth)) & ~1) << (this.#depth - depth)
    this.#directory.fill(halves[0], from, from + span).fill(halves[1], from + span, from + 2 * span)
  }
}

function segmentOf(size: number, depth: number): Segment {
  return { depth, slots: new Uint32Array(size), tags: new Uint8Array(size), count: 0 }
}

function put(segment: Segment, slot: number, hash: number): void {
  const { slots, tags } = segment
  const mask = slots.length - 1
  let at = hash & mask
  while (slots[at] !== 0) at = (at + 1) & mask
  slots[at] = slot
  tags[at] = (hash >>> TAG_SHIFT) & 0xff
  segment.count++
}
