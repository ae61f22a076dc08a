import { NO_GROUP, type RouteBatch } from '@heddle/core'

/** Routes of one VRF, found by longest prefix: a hash a prefix length that has routes, longest first. Lookups allocate nothing. */
export class VrfFib {
  readonly #v4 = new Lengths()
  readonly #v6 = new Lengths()

  /** Routes held. */
  get size(): number {
    return this.#v4.size + this.#v6.size
  }

  set(family: 4 | 6, w0: number, w1: number, w2: number, w3: number, length: number, group: number): void {
    this.#of(family).set(w0, w1, w2, w3, length, group)
  }

  delete(family: 4 | 6, w0: number, w1: number, w2: number, w3: number, length: number): void {
    this.#of(family).delete(w0, w1, w2, w3, length)
  }

  /** The group of the longest prefix that covers the address, or `NO_GROUP`. */
  lookup(family: 4 | 6, words: Uint32Array): number {
    return this.#of(family).lookup(words[0], words[1], words[2], words[3])
  }

  /** Appends all routes. */
  dump(vrf: number, out: RouteBatch): void {
    this.#v4.dump(vrf, 4, out)
    this.#v6.dump(vrf, 6, out)
  }

  #of(family: 4 | 6): Lengths {
    return family === 4 ? this.#v4 : this.#v6
  }
}

interface Entry {
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  group: number
  /** The next entry with the same hash. */
  next: Entry | undefined
}

class Lengths {
  readonly #tables = new Map<number, Map<number, Entry>>()
  /** Lengths that have routes, longest first. */
  #lengths: number[] = []
  size = 0

  set(w0: number, w1: number, w2: number, w3: number, length: number, group: number): void {
    let table = this.#tables.get(length)
    if (table === undefined) {
      this.#tables.set(length, (table = new Map()))
      this.#lengths = [...this.#tables.keys()].toSorted((a, b) => b - a)
    }
    const key = hash(w0, w1, w2, w3)
    const found = find(table.get(key), w0, w1, w2, w3)
    if (found !== undefined) found.group = group
    else {
      table.set(key, { w0, w1, w2, w3, group, next: table.get(key) })
      this.size++
    }
  }

  delete(w0: number, w1: number, w2: number, w3: number, length: number): void {
    const table = this.#tables.get(length)
    const key = hash(w0, w1, w2, w3)
    const first = table?.get(key)
    const found = find(first, w0, w1, w2, w3)
    if (table === undefined || found === undefined) return
    this.size--
    if (found === first) {
      if (found.next === undefined) table.delete(key)
      else table.set(key, found.next)
    } else for (let entry = first; entry !== undefined; entry = entry.next) if (entry.next === found) entry.next = found.next
    if (table.size > 0) return
    this.#tables.delete(length)
    this.#lengths = this.#lengths.filter((other) => other !== length)
  }

  lookup(w0: number, w1: number, w2: number, w3: number): number {
    for (const length of this.#lengths) {
      const m0 = masked(w0, length)
      const m1 = masked(w1, length - 32)
      const m2 = masked(w2, length - 64)
      const m3 = masked(w3, length - 96)
      const found = find(this.#tables.get(length)?.get(hash(m0, m1, m2, m3)), m0, m1, m2, m3)
      if (found !== undefined) return found.group
    }
    return NO_GROUP
  }

  dump(vrf: number, family: 4 | 6, out: RouteBatch): void {
    for (const length of this.#lengths) {
      for (const first of this.#tables.get(length)?.values() ?? []) {
        for (let entry: Entry | undefined = first; entry !== undefined; entry = entry.next) {
          out.pushWords(vrf, family, entry.w0, entry.w1, entry.w2, entry.w3, length, entry.group)
        }
      }
    }
  }
}

function find(first: Entry | undefined, w0: number, w1: number, w2: number, w3: number): Entry | undefined {
  let entry = first
  while (entry !== undefined && (entry.w0 !== w0 || entry.w1 !== w1 || entry.w2 !== w2 || entry.w3 !== w3)) entry = entry.next
  return entry
}

function masked(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & ~(0xffffffff >>> bits)) >>> 0
}

function hash(w0: number, w1: number, w2: number, w3: number): number {
  return (w0 ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35) ^ Math.imul(w3, 0x9e3779b1)) | 0
}
