/**
 * Host routes of a small table: open addressing over rows of key words and a value. Holds nothing but numbers, so that ten thousand VRFs with a
 * hundred endpoints each cost little.
 */
export class HostTable {
  #rows: Uint32Array
  #mask: number
  #used = 0
  count = 0

  /** @param words 1 for IPv4, 4 for IPv6 */
  constructor(readonly words: 1 | 4) {
    this.#rows = new Uint32Array(16 * (words + 1))
    this.#mask = 15
  }

  /** Calls `visit` for every row, in no order. */
  forEach(visit: (w0: number, w1: number, w2: number, w3: number, value: number) => void): void {
    const rows = this.#rows
    const width = this.words + 1
    for (let at = 0; at < rows.length; at += width) {
      const tag = rows[at + this.words]
      if (tag < FIRST) continue
      if (this.words === 1) visit(rows[at], 0, 0, 0, tag - FIRST)
      else visit(rows[at], rows[at + 1], rows[at + 2], rows[at + 3], tag - FIRST)
    }
  }

  get byteLength(): number {
    return this.#rows.byteLength
  }

  /** Value of a key, -1 without one. */
  get(key: ArrayLike<number>): number {
    return this.words === 1 ? this.get1(key[0]) : this.get4(key[0], key[1], key[2], key[3])
  }

  /** @param value 0–2^31-2 @returns the value that the key had, -1 without one */
  set(key: ArrayLike<number>, value: number): number {
    if ((this.#used + 1) * 4 > (this.#mask + 1) * 3) this.#rehash()
    const at = this.#find(key)
    const tag = this.#rows[at + this.words]
    if (tag === EMPTY) this.#used++
    const isNew = tag < FIRST
    if (isNew) this.count++
    for (let word = 0; word < this.words; word++) this.#rows[at + word] = key[word]
    this.#rows[at + this.words] = value + FIRST
    return isNew ? -1 : tag - FIRST
  }

  delete(key: ArrayLike<number>): boolean {
    const at = this.#find(key)
    if (this.#rows[at + this.words] < FIRST) return false
    this.#rows[at + this.words] = DELETED
    this.count--
    return true
  }

  get1(w0: number): number {
    const rows = this.#rows
    for (let slot = hash(w0, 0, 0, 0) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const tag = rows[slot * 2 + 1]
      if (tag === EMPTY) return -1
      if (tag >= FIRST && rows[slot * 2] === w0) return tag - FIRST
    }
  }

  get4(w0: number, w1: number, w2: number, w3: number): number {
    const rows = this.#rows
    for (let slot = hash(w0, w1, w2, w3) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * 5
      const tag = rows[at + 4]
      if (tag === EMPTY) return -1
      if (tag >= FIRST && rows[at] === w0 && rows[at + 1] === w1 && rows[at + 2] === w2 && rows[at + 3] === w3) return tag - FIRST
    }
  }

  /** Row of `key`, or where it would go: the first deleted row on its way, else the empty one that ends it. */
  #find(key: ArrayLike<number>): number {
    const width = this.words + 1
    let reuse = -1
    for (let slot = this.#hash(key, 0); ; slot = (slot + 1) & this.#mask) {
      const at = slot * width
      const tag = this.#rows[at + this.words]
      if (tag === EMPTY) return reuse < 0 ? at : reuse
      if (tag === DELETED) {
        if (reuse < 0) reuse = at
      } else {
        let same = true
        for (let word = 0; word < this.words; word++) same &&= this.#rows[at + word] === key[word]
        if (same) return at
      }
    }
  }

  #hash(key: ArrayLike<number>, at: number): number {
    return (this.words === 1 ? hash(key[at], 0, 0, 0) : hash(key[at], key[at + 1], key[at + 2], key[at + 3])) & this.#mask
  }

  #rehash(): void {
    const old = this.#rows
    const width = this.words + 1
    let slots = 16
    while (slots * 3 < (this.count + 1) * 8) slots *= 2
    this.#rows = new Uint32Array(slots * width)
    this.#mask = slots - 1
    this.#used = this.count
    const rows = this.#rows
    for (let at = 0; at < old.length; at += width) {
      if (old[at + this.words] < FIRST) continue
      let slot = this.#hash(old, at)
      while (rows[slot * width + this.words] !== EMPTY) slot = (slot + 1) & this.#mask
      for (let word = 0; word < width; word++) rows[slot * width + word] = old[at + word]
    }
  }
}

const EMPTY = 0
const DELETED = 1
const FIRST = 2

function hash(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w0 ^ (w0 >>> 16), 0x85eb_ca6b) ^ Math.imul(w1, 0xc2b2_ae35)
  h = Math.imul(h ^ (h >>> 13) ^ Math.imul(w2, 0x27d4_eb2f), 0x9e37_79b1) ^ Math.imul(w3, 0x1656_67b1)
  return (h ^ (h >>> 15)) >>> 0
}
