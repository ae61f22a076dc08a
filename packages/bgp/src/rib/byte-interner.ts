import { Column } from './column.js'
import { hashOctets } from './hash.js'
import { SlotIndex } from './slot-index.js'

const PAGE_BITS = 16
const PAGE = 1 << PAGE_BITS
const IN_PAGE = PAGE - 1
/** Octets of the first page: most interners have few strings. */
const FIRST_PAGE = 4096
/** Octets before each string: its id and its length. */
const HEAD = 8

/** Octets `from` up to `to` of `bytes`. */
export interface InternedSpan {
  bytes: Uint8Array
  from: number
  to: number
}

/** A run of strings, one behind the other, each behind its head. */
interface Page {
  bytes: Uint8Array
  head: DataView
  used: number
  /** Octets of strings that are still referenced, heads included. */
  live: number
}

/** In the place of one that was made for a long string. */
const NONE: Page = { bytes: new Uint8Array(), head: new DataView(new ArrayBuffer()), used: 0, live: 0 }

/**
 * Byte strings by small integers: each string is stored once, in pages, with a reference count. Ids begin at 1 and are used again once their
 * last reference is gone. A page of which little is left is cleared by moving that elsewhere, so that no call ever copies more than a page.
 */
export class ByteInterner {
  readonly #pages: Page[] = []
  /** Pages without any string, which are used again. */
  readonly #freePages: number[] = []
  /** The page that is written. */
  #open = -1
  /** Page and place of the head, both in one word; of a free id: the next free one. */
  readonly #place = new Column()
  readonly #refs = new Column()
  readonly #index = new SlotIndex()
  #free = 0
  #next = 1

  /** Strings that are stored. */
  get size(): number {
    return this.#index.size
  }

  /** The largest id that was ever given out. */
  get maxId(): number {
    return this.#next - 1
  }

  /** Octets that all of it takes. */
  get octets(): number {
    const pages = this.#pages.reduce((sum, { bytes }) => sum + bytes.length, 0)
    return pages + this.#place.octets + this.#refs.octets + this.#index.octets
  }

  /** The id of the first `size` octets of `bytes`, with one more reference; they are copied when they are new. */
  intern(bytes: Uint8Array, size = bytes.length): number {
    const hash = hashOctets(bytes, 0, size)
    const found = this.#find(bytes, size, hash)
    if (found === 0) return this.#add(bytes, size, hash)
    this.#refs.set(found, this.#refs.get(found) + 1)
    return found
  }

  /** The id of `bytes` without a new reference; 0 when they are not stored. */
  find(bytes: Uint8Array): number {
    return this.#find(bytes, bytes.length, hashOctets(bytes))
  }

  retain(id: number): void {
    this.#refs.set(id, this.#refs.get(id) + 1)
  }

  /** Gives one reference back; returns whether it was the last one. */
  release(id: number): boolean {
    const refs = this.#refs.get(id) - 1
    this.#refs.set(id, refs)
    if (refs > 0) return false
    const place = this.#place.get(id)
    const number = place >>> PAGE_BITS
    const page = this.#pages[number]
    const from = (place & IN_PAGE) + HEAD
    const length = page.head.getUint32(from - 4)
    this.#index.remove(id, hashOctets(page.bytes, from, from + length))
    page.live -= HEAD + length
    this.#place.set(id, this.#free)
    this.#free = id
    if (page.live === 0) this.#drop(number)
    else if (number !== this.#open && page.live * 4 < page.used) this.#clear(number, page)
    return true
  }

  references(id: number): number {
    return this.#refs.get(id)
  }

  /** Where the string stands, until the next `intern` or `release`: `span` is filled, and returned. */
  locate(id: number, span: InternedSpan): InternedSpan {
    const place = this.#place.get(id)
    const { bytes, head } = this.#pages[place >>> PAGE_BITS]
    span.bytes = bytes
    span.from = (place & IN_PAGE) + HEAD
    span.to = span.from + head.getUint32(span.from - 4)
    return span
  }

  /** The string as a view that the next `intern` or `release` may invalidate. */
  bytes(id: number): Uint8Array {
    const place = this.#place.get(id)
    const { bytes, head } = this.#pages[place >>> PAGE_BITS]
    const from = (place & IN_PAGE) + HEAD
    return bytes.subarray(from, from + head.getUint32(from - 4))
  }

  /** Octets of the string. */
  lengthOf(id: number): number {
    const place = this.#place.get(id)
    return this.#pages[place >>> PAGE_BITS].head.getUint32((place & IN_PAGE) + 4)
  }

  #find(bytes: Uint8Array, size: number, hash: number): number {
    for (let id = this.#index.first(hash); id !== 0; id = this.#index.next()) {
      if (this.#equals(id, bytes, size)) return id
    }
    return 0
  }

  #equals(id: number, other: Uint8Array, length: number): boolean {
    const place = this.#place.get(id)
    const { bytes, head } = this.#pages[place >>> PAGE_BITS]
    const from = (place & IN_PAGE) + HEAD
    if (head.getUint32(from - 4) !== length) return false
    for (let at = 0; at < length; at++) if (bytes[from + at] !== other[at]) return false
    return true
  }

  #add(bytes: Uint8Array, size: number, hash: number): number {
    const id = this.#free === 0 ? this.#next++ : this.#free
    if (id === this.#free) this.#free = this.#place.get(id)
    this.#refs.set(id, 1)
    this.#store(id, bytes, 0, size)
    this.#index.add(id, hash)
    return id
  }

  /** Puts the octets `from` up to `to` of `bytes` behind what is there. */
  #store(id: number, bytes: Uint8Array, from: number, to: number): void {
    const size = HEAD + to - from
    let page = this.#open < 0 ? undefined : this.#pages[this.#open]
    if (page === undefined || page.used + size > page.bytes.length) page = this.#openPage(size)
    const at = page.used
    page.head.setUint32(at, id)
    page.head.setUint32(at + 4, to - from)
    // few octets, most often: cheaper than a view of them
    for (let next = from, out = at + HEAD; next < to; next++, out++) page.bytes[out] = bytes[next]
    page.used += size
    page.live += size
    this.#place.set(id, this.#open * PAGE + at)
  }

  /** A page with room; a string that is longer than a page gets one of its size. */
  #openPage(size: number): Page {
    const free = this.#freePages.pop()
    this.#open = free ?? this.#pages.length
    if (free !== undefined && this.#pages[free].bytes.length >= size) return this.#pages[free]
    const bytes = new Uint8Array(Math.max(size, this.#pages.length === 0 ? FIRST_PAGE : PAGE))
    const page = { bytes, head: new DataView(bytes.buffer), used: 0, live: 0 }
    this.#pages[this.#open] = page
    return page
  }

  #drop(number: number): void {
    const page = this.#pages[number]
    page.used = 0
    page.live = 0
    if (page.bytes.length > PAGE) this.#pages[number] = NONE
    this.#freePages.push(number)
    if (number === this.#open) this.#open = -1
  }

  /** Moves what is left in a page to the one that is written. */
  #clear(number: number, { bytes, head, used }: Page): void {
    for (let at = 0; at < used; at += HEAD + head.getUint32(at + 4)) {
      const id = head.getUint32(at)
      if (this.#refs.get(id) === 0 || this.#place.get(id) !== number * PAGE + at) continue
      this.#store(id, bytes, at + HEAD, at + HEAD + head.getUint32(at + 4))
    }
    this.#drop(number)
  }
}
