import { capacityFor, finish, grown, mix } from './column.js'

const EMPTY = 0
const TOMBSTONE = -1
/** Freed octets below which the arena is left alone. */
const COMPACT_FROM = 1 << 16

/**
 * Byte strings by small integers: each string is stored once, in an arena, with a reference count. Ids begin at 1 and are used again once
 * their last reference is gone.
 */
export class ByteInterner {
  #arena = new Uint8Array(1 << 12)
  #used = 0
  #garbage = 0
  #offset = new Uint32Array(16)
  #length = new Uint32Array(16)
  #hash = new Uint32Array(16)
  #refs = new Int32Array(16)
  #free: number[] = []
  #next = 1
  #slots = new Int32Array(32)
  #occupied = 0
  #live = 0

  /** Strings that are stored. */
  get size(): number {
    return this.#live
  }

  /** The largest id that was ever given out. */
  get maxId(): number {
    return this.#next - 1
  }

  /** The id of `bytes`, with one more reference; they are copied when they are new. */
  intern(bytes: Uint8Array): number {
    const hash = hashOf(bytes)
    const found = this.#find(bytes, hash)
    if (found !== 0) {
      this.#refs[found]++
      return found
    }
    return this.#add(bytes, hash)
  }

  /** The id of `bytes` without a new reference; 0 when they are not stored. */
  find(bytes: Uint8Array): number {
    return this.#find(bytes, hashOf(bytes))
  }

  retain(id: number): void {
    this.#refs[id]++
  }

  /** Gives one reference back; returns whether it was the last one. */
  release(id: number): boolean {
    if (--this.#refs[id] > 0) return false
    this.#unlink(id)
    this.#garbage += this.#length[id]
    this.#live--
    this.#free.push(id)
    if (this.#garbage > COMPACT_FROM && this.#garbage * 2 > this.#used) this.#compact()
    return true
  }

  references(id: number): number {
    return id < this.#next ? this.#refs[id] : 0
  }

  /** The string as a view that the next `intern` or `release` may invalidate. */
  bytes(id: number): Uint8Array {
    return this.#arena.subarray(this.#offset[id], this.#offset[id] + this.#length[id])
  }

  #find(bytes: Uint8Array, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot]
      if (id === EMPTY) return 0
      if (id !== TOMBSTONE && this.#hash[id] === hash && this.#equals(id, bytes)) return id
    }
  }

  #equals(id: number, bytes: Uint8Array): boolean {
    const length = this.#length[id]
    if (length !== bytes.length) return false
    const arena = this.#arena
    const offset = this.#offset[id]
    for (let at = 0; at < length; at++) if (arena[offset + at] !== bytes[at]) return false
    return true
  }

  #add(bytes: Uint8Array, hash: number): number {
    const id = this.#free.pop() ?? this.#next++
    if (id >= this.#refs.length) {
      const capacity = capacityFor(id + 1, this.#refs.length)
      this.#offset = grown(this.#offset, capacity)
      this.#length = grown(this.#length, capacity)
      this.#hash = grown(this.#hash, capacity)
      this.#refs = grown(this.#refs, capacity)
    }
    if (this.#used + bytes.length > this.#arena.length) {
      this.#arena = grown(this.#arena, capacityFor(this.#used + bytes.length, this.#arena.length))
    }
    this.#arena.set(bytes, this.#used)
    this.#offset[id] = this.#used
    this.#length[id] = bytes.length
    this.#hash[id] = hash
    this.#refs[id] = 1
    this.#used += bytes.length
    this.#live++
    if ((this.#occupied + 1) * 2 > this.#slots.length) this.#rehash()
    else this.#link(id)
    return id
  }

  #link(id: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#hash[id] & mask
    while (slots[slot] > 0) slot = (slot + 1) & mask
    if (slots[slot] === EMPTY) this.#occupied++
    slots[slot] = id
  }

  #unlink(id: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#hash[id] & mask
    while (slots[slot] !== id) slot = (slot + 1) & mask
    slots[slot] = TOMBSTONE
  }

  /** Room for twice as many as there are, and no tombstones. */
  #rehash(): void {
    let size = 32
    while (size < this.#live * 4) size *= 2
    this.#slots = new Int32Array(size)
    this.#occupied = 0
    for (let id = 1; id < this.#next; id++) if (this.#refs[id] > 0) this.#link(id)
  }

  #compact(): void {
    const arena = new Uint8Array(Math.max(1 << 12, capacityFor(this.#used - this.#garbage, 1 << 12)))
    let at = 0
    for (let id = 1; id < this.#next; id++) {
      if (this.#refs[id] <= 0) continue
      arena.set(this.bytes(id), at)
      this.#offset[id] = at
      at += this.#length[id]
    }
    this.#arena = arena
    this.#used = at
    this.#garbage = 0
  }
}

function hashOf(bytes: Uint8Array): number {
  const { length } = bytes
  let hash = length
  let at = 0
  for (; at + 4 <= length; at += 4) hash = mix(hash, bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24))
  let tail = 0
  for (; at < length; at++) tail = (tail << 8) | bytes[at]
  return finish(mix(hash, tail))
}
