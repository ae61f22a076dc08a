import { heapMemory, type FibMemory } from './fib-memory.js'

/**
 * Prefixes of one length and their values: open addressing over rows of key words and a tag. Holds nothing but numbers, so that ten thousand VRFs with a
 * hundred endpoints each cost little.
 *
 *     row   key, 1 or 4 words │ tag: 0 empty, 1 deleted, value + 2
 *
 * A row keeps its key as long as its region lives, and its tag is stored last: a reader beside the writer sees a row before or after a change. A
 * region that is full is copied, less what was deleted, into another.
 */
export class HostTable {
  /** What lookups read; another one after growth. */
  rows: Uint32Array
  /** Where further regions come from. */
  memory: FibMemory
  #mask: number
  /** What was read ahead of its use: the processor fetches several places at a time if nothing depends on what is there. */
  touched = 0
  /** Rows that are not empty. */
  #used = 0
  count = 0

  /** @param words 1 for IPv4, 4 for IPv6 */
  constructor(
    readonly words: 1 | 4,
    memory: FibMemory = heapMemory,
  ) {
    this.memory = memory
    this.rows = memory.grow(FIRST_SLOTS * (words + 1))
    this.#mask = FIRST_SLOTS - 1
  }

  /** Calls `visit` for every row, in no order. */
  forEach(visit: (w0: number, w1: number, w2: number, w3: number, value: number) => void): void {
    const { rows, words } = this
    const width = words + 1
    for (let at = 0; at < rows.length; at += width) {
      const tag = rows[at + words]
      if (tag < FIRST) continue
      if (words === 1) visit(rows[at], 0, 0, 0, tag - FIRST)
      else visit(rows[at], rows[at + 1], rows[at + 2], rows[at + 3], tag - FIRST)
    }
  }

  get byteLength(): number {
    return this.rows.byteLength
  }

  /** Rows of the region, less one. */
  get mask(): number {
    return this.#mask
  }

  /** Value of a key, -1 without one. */
  get(w0: number, w1: number, w2: number, w3: number): number {
    return this.words === 1 ? hostValue4(this.rows, this.#mask, w0) : hostValue6(this.rows, this.#mask, w0, w1, w2, w3)
  }

  /** @param value 0–2^31-2 @returns the value that the key had, -1 without one */
  set(w0: number, w1: number, w2: number, w3: number, value: number): number {
    this.reserve(1)
    return this.words === 1 ? this.#set4(w0, value) : this.#set6(w0, w1, w2, w3, value)
  }

  delete(w0: number, w1: number, w2: number, w3: number): boolean {
    const at = this.words === 1 ? this.#find4(w0) : this.#find6(w0, w1, w2, w3)
    if (this.rows[at + this.words] < FIRST) return false
    Atomics.store(this.rows, at + this.words, DELETED)
    this.count--
    return true
  }

  /** Makes room for `more` keys. */
  reserve(more: number): void {
    if ((this.#used + more) * 4 > (this.#mask + 1) * 3) this.#rehash(more)
  }

  /** As `set` of many IPv4 keys for which room was made. @param before gets what `set` returns of each */
  setAll4(keys: Uint32Array, values: Uint32Array, before: Int32Array): void {
    for (let first = 0; first < keys.length; first += AT_ONCE) {
      const end = Math.min(first + AT_ONCE, keys.length)
      for (let index = first; index < end; index++) this.touched ^= this.rows[(hash4(keys[index]) & this.#mask) * 2 + 1]
      for (let index = first; index < end; index++) before[index] = this.#set4(keys[index], values[index])
    }
  }

  #set4(w0: number, value: number): number {
    const { rows } = this
    const at = this.#find4(w0)
    const tag = rows[at + 1]
    if (tag === EMPTY) {
      this.#used++
      rows[at] = w0
    }
    return this.#tag(at + 1, tag, value)
  }

  #set6(w0: number, w1: number, w2: number, w3: number, value: number): number {
    const { rows } = this
    const at = this.#find6(w0, w1, w2, w3)
    const tag = rows[at + 4]
    if (tag === EMPTY) {
      this.#used++
      rows[at] = w0
      rows[at + 1] = w1
      rows[at + 2] = w2
      rows[at + 3] = w3
    }
    return this.#tag(at + 4, tag, value)
  }

  #tag(at: number, tag: number, value: number): number {
    if (this.memory.readers === undefined) this.rows[at] = value + FIRST
    else Atomics.store(this.rows, at, value + FIRST)
    if (tag >= FIRST) return tag - FIRST
    this.count++
    return -1
  }

  /** Row of a key, deleted ones included, or the empty one where it would go. */
  #find4(w0: number): number {
    const rows = this.rows
    const mask = this.#mask
    for (let slot = hash4(w0) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 2
      if (rows[at + 1] === EMPTY || rows[at] === w0) return at
    }
  }

  #find6(w0: number, w1: number, w2: number, w3: number): number {
    const rows = this.rows
    const mask = this.#mask
    for (let slot = hash6(w0, w1, w2, w3) & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 5
      if (rows[at + 4] === EMPTY) return at
      if (rows[at] === w0 && rows[at + 1] === w1 && rows[at + 2] === w2 && rows[at + 3] === w3) return at
    }
  }

  #rehash(more: number): void {
    const old = this.rows
    const { words } = this
    const width = words + 1
    let slots = FIRST_SLOTS
    while (slots * 3 < (this.count + Math.max(more, this.count)) * 4) slots *= 2
    const rows = this.memory.grow(slots * width)
    const mask = slots - 1
    for (let at = 0; at < old.length; at += width) {
      if (old[at + words] < FIRST) continue
      let slot = (words === 1 ? hash4(old[at]) : hash6(old[at], old[at + 1], old[at + 2], old[at + 3])) & mask
      while (rows[slot * width + words] !== EMPTY) slot = (slot + 1) & mask
      for (let word = 0; word < width; word++) rows[slot * width + word] = old[at + word]
    }
    this.rows = rows
    this.#mask = mask
    this.#used = this.count
  }
}

/** Value of a host in rows of IPv4 keys, -1 without one. @param mask slots less one @param w0 signed or not */
export function hostValue4(rows: Uint32Array, mask: number, w0: number): number {
  for (let slot = hash4(w0) & mask; ; slot = (slot + 1) & mask) {
    const tag = rows[slot * 2 + 1]
    if (tag === EMPTY) return -1
    if ((rows[slot * 2] ^ w0) === 0) return tag < FIRST ? -1 : tag - FIRST // the key may be signed
  }
}

/** As `hostValue4`, in rows of IPv6 keys. */
export function hostValue6(rows: Uint32Array, mask: number, w0: number, w1: number, w2: number, w3: number): number {
  for (let slot = hash6(w0, w1, w2, w3) & mask; ; slot = (slot + 1) & mask) {
    const at = slot * 5
    const tag = rows[at + 4]
    if (tag === EMPTY) return -1
    if (rows[at] === w0 && rows[at + 1] === w1 && rows[at + 2] === w2 && rows[at + 3] === w3) return tag < FIRST ? -1 : tag - FIRST
  }
}

const EMPTY = 0
const DELETED = 1
const FIRST = 2
const FIRST_SLOTS = 16
/** Keys whose places are fetched together; what they need stays in the first cache. */
const AT_ONCE = 64

function hash4(w0: number): number {
  let h = Math.imul(w0 ^ (w0 >>> 16), 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 13), 0x9e37_79b1)
  return h ^ (h >>> 15)
}

function hash6(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w0 ^ (w0 >>> 16), 0x85eb_ca6b) ^ Math.imul(w1, 0xc2b2_ae35)
  h = Math.imul(h ^ (h >>> 13) ^ Math.imul(w2, 0x27d4_eb2f), 0x9e37_79b1) ^ Math.imul(w3, 0x1656_67b1)
  return h ^ (h >>> 15)
}
