import { StrideTrie } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import type { BlockMemory } from './block-memory.js'
import type { RouteRows } from './route-rows.js'

/** From this many routes on, a root of 16 bits, 256 KiB, pays for itself. */
const LARGE = 4096
/** Bit of a root that takes 16 bits of the address; see `bpf/lookup.h`. */
export const LARGE_ROOT = 0x8000_0000

/** An address as words, most significant first; an IPv4 address in the first. */
export type Key = readonly [number, number, number, number]

/** One family of a VRF: the prefixes and their rows, and the trie that programs read. */
export class FamilyFib {
  readonly #memory: BlockMemory
  readonly #rows: RouteRows
  readonly #bits: 32 | 128
  /** By length: prefix → row. */
  readonly #prefixes: (Map<number | string, number> | undefined)[]
  #trie: StrideTrie | undefined
  /** Root that programs were told of. */
  #published = 0
  size = 0

  constructor(
    readonly vrf: number,
    readonly family: IpFamily,
    memory: BlockMemory,
    rows: RouteRows,
  ) {
    this.#memory = memory
    this.#rows = rows
    this.#bits = family === 4 ? 32 : 128
    this.#prefixes = Array.from({ length: this.#bits + 1 })
  }

  /** The root as programs read it, which they are about to be told of. 0: no routes. */
  publish(): number {
    if (this.#trie === undefined) return (this.#published = 0)
    const block = this.#memory.publish(this.#trie.words) + 1
    return (this.#published = (this.#trie.rootBits === 16 ? (block | LARGE_ROOT) >>> 0 : block) >>> 0)
  }

  /** Whether programs must be told of another root. */
  get isMoved(): boolean {
    if (this.#trie === undefined) return this.#published !== 0
    return (this.#published & ~LARGE_ROOT) !== this.#memory.blockOf(this.#trie.words) + 1
  }

  /** @throws FibFullError when the memory is full; then nothing has changed that a lookup could see */
  set(key: Key, length: number, group: number): void {
    const before = this.#prefixes[length]?.get(nameOf(this.family, key))
    if (before !== undefined) {
      this.#insert(key, length, group, false)
      this.#rows.setGroup(before, group)
      return
    }
    if (this.size + 1 === LARGE) this.#enlarge()
    this.#insert(key, length, group, true)
    const [w0, w1, w2, w3] = key
    this.#remember(key, length, this.#rows.add({ vrf: this.vrf, family: this.family, w0, w1, w2, w3, length, group }))
  }

  /** Takes a route over that has its row already. @throws FibFullError */
  restore(key: Key, length: number, row: number): void {
    if (this.size + 1 === LARGE) this.#enlarge()
    this.#insert(key, length, this.#rows.groupOf(row), true)
    this.#remember(key, length, row)
  }

  /** Addresses fall to the next shorter prefix. Returns whether there was such a route. */
  delete(key: Key, length: number): boolean {
    const name = nameOf(this.family, key)
    const row = this.#prefixes[length]?.get(name)
    if (row === undefined) return false
    this.#prefixes[length]?.delete(name)
    this.size--
    this.#trie?.remove(key, length, this.#cover(key, length))
    this.#rows.delete(row)
    if (this.size === 0) this.clear()
    return true
  }

  /** Gives everything back. */
  clear(): void {
    for (const prefixes of this.#prefixes) for (const row of prefixes?.values() ?? []) this.#rows.delete(row)
    this.#prefixes.fill(undefined)
    if (this.#trie !== undefined) this.#memory.release(this.#trie.words)
    this.#trie = undefined
    this.size = 0
  }

  /** What the process itself reads, for tests. */
  lookup([w0, w1, w2, w3]: Key): number {
    if (this.#trie === undefined) return -1
    return this.family === 4 ? this.#trie.lookup4(w0) : this.#trie.lookup6(w0, w1, w2, w3)
  }

  #insert(key: Key, length: number, group: number, isNew: boolean): void {
    this.#trie ??= new StrideTrie(8, this.#bits, this.#memory)
    this.#trie.insert(key, length, group, isNew)
  }

  #remember(key: Key, length: number, row: number): void {
    const prefixes = (this.#prefixes[length] ??= new Map())
    prefixes.set(nameOf(this.family, key), row)
    this.size++
  }

  /** Builds the large form beside the compact one, which programs read until they are told. */
  #enlarge(): void {
    if (this.#trie === undefined || this.#trie.rootBits === 16) return
    const trie = new StrideTrie(16, this.#bits, this.#memory)
    for (const prefixes of this.#prefixes) {
      for (const row of prefixes?.values() ?? []) {
        const { w0, w1, w2, w3, length, group } = this.#rows.at(row)
        trie.insert([w0, w1, w2, w3], length, group, true)
      }
    }
    this.#memory.release(this.#trie.words)
    this.#trie = trie
  }

  /** The longest prefix shorter than `length` that covers the key. */
  #cover(key: Key, length: number): { readonly length: number; readonly value: number } | undefined {
    for (let shorter = length - 1; shorter >= 0; shorter--) {
      const prefixes = this.#prefixes[shorter]
      if (prefixes === undefined || prefixes.size === 0) continue
      const masked = key.map((word, index) => cut(word, shorter - index * 32)) as unknown as Key
      const row = prefixes.get(nameOf(this.family, masked))
      if (row !== undefined) return { length: shorter, value: this.#rows.groupOf(row) }
    }
    return undefined
  }
}

/** A number for IPv4, eight characters for IPv6: keys that a map compares by value. */
function nameOf(family: IpFamily, [w0, w1, w2, w3]: Key): number | string {
  if (family === 4) return w0 >>> 0
  return String.fromCharCode(w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff, w2 >>> 16, w2 & 0xffff, w3 >>> 16, w3 & 0xffff)
}

/** The first `bits` bits of a word. */
function cut(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & ~(0xffff_ffff >>> bits)) >>> 0
}
