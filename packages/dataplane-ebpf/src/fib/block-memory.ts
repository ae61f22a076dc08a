import { LinuxError } from '@heddle/linux'
import type { FibMemory, FibReaders } from '@heddle/core'
import { BLOCK } from '../layout/structs/next-hop.js'
import type { GracePeriods } from './grace-periods.js'

/** The memory of a map is full. */
export class FibFullError extends Error {
  override readonly name = 'FibFullError'
}

interface Extent {
  readonly first: number
  readonly count: number
}

/**
 * Memory of the FIB's map, in blocks of 256 words: gives tries their regions. A region that programs may read is given out again only when nothing leads
 * them there any more, and all that were there have left it.
 */
export class BlockMemory implements FibMemory {
  /** All VRFs share a map of fixed size, in which a region mostly grows where it is. */
  readonly isScarce = true
  readonly #words: Uint32Array
  /** Free extents by their first block, none beside another. */
  #free: Extent[]
  #resting: (Extent & { readonly since: number })[] = []
  /** Extents that are given back and that programs are still led to, by their first block. */
  readonly #left = new Map<number, Extent>()
  /** First blocks of regions that programs were told of. */
  readonly #published = new Set<number>()
  #given = 0
  readonly #grace: GracePeriods
  readonly #name: string

  /** @param words of the map @param grace tells when programs have left what they are led to no more @param name for a person */
  constructor(words: Uint32Array, grace: GracePeriods, name = 'the FIB') {
    this.#name = name
    this.#words = words
    this.#grace = grace
    this.#free = [{ first: 0, count: Math.floor(words.length / BLOCK) }]
  }

  /** Blocks that are given out, those that rest included. */
  get used(): number {
    return Math.floor(this.#words.length / BLOCK) - this.#free.reduce((sum, { count }) => sum + count, 0)
  }

  /** Counts up whenever memory is given back that can be taken again. */
  get given(): number {
    this.#rested()
    return this.#given
  }

  /** Programs: what a trie gives back rests as long as a region does. */
  get readers(): FibReaders {
    return this.#grace
  }

  /** Where only regions that rest are large enough it waits for programs to leave them. @throws FibFullError when no extent is large enough */
  grow(words: number, previous?: Uint32Array): Uint32Array {
    const longer = previous === undefined ? undefined : this.#lengthen(previous, words)
    if (longer !== undefined) return longer
    const first = this.#take(Math.ceil(words / BLOCK))
    const region = this.#words.subarray(first * BLOCK, first * BLOCK + words)
    region.fill(0)
    if (previous !== undefined) {
      region.set(previous)
      this.leave(previous)
    }
    return region
  }

  /** A region with more words at its end, where what follows it is free: nothing is copied, and nobody has to be told. */
  #lengthen(region: Uint32Array, words: number): Uint32Array | undefined {
    const first = this.blockOf(region)
    const count = Math.ceil(region.length / BLOCK)
    const more = Math.ceil(words / BLOCK) - count
    const at = this.#free.findIndex((extent) => extent.first === first + count && extent.count >= more)
    if (at < 0) return undefined
    const { first: start, count: size } = this.#free[at]
    if (size === more) this.#free.splice(at, 1)
    else this.#free[at] = { first: start + more, count: size - more }
    this.#words.fill(0, start * BLOCK, (start + more) * BLOCK)
    return this.#words.subarray(first * BLOCK, first * BLOCK + words)
  }

  /** Gives a region back that nothing leads programs to any more. */
  release(region: Uint32Array): void {
    this.leave(region)
    this.rest(this.blockOf(region))
  }

  /** Gives a region back that programs, if they were told of it, are led to until `rest`. */
  leave(region: Uint32Array): void {
    const extent = { first: this.blockOf(region), count: Math.ceil(region.length / BLOCK) }
    if (this.#published.delete(extent.first)) this.#left.set(extent.first, extent)
    else this.#insert(extent)
  }

  /** Programs are led no more to a region that was left. @param first its first block */
  rest(first: number): void {
    const extent = this.#left.get(first)
    if (extent === undefined) return
    this.#left.delete(first)
    this.#resting.push({ ...extent, since: this.#grace.now })
  }

  /** Takes an extent that a dataplane before this one gave its programs; it is released like any other. */
  claim(first: number, words: number): Uint32Array {
    const count = Math.ceil(words / BLOCK)
    this.#free = this.#free.flatMap((extent) => {
      const before = { first: extent.first, count: Math.max(0, Math.min(first - extent.first, extent.count)) }
      const end = extent.first + extent.count
      const from = Math.max(first + count, extent.first)
      return [before, { first: from, count: Math.max(0, end - from) }].filter((part) => part.count > 0)
    })
    this.#published.add(first)
    return this.#words.subarray(first * BLOCK, first * BLOCK + words)
  }

  /** First block of a region, which programs are about to be told of. */
  publish(region: Uint32Array): number {
    const first = this.blockOf(region)
    this.#published.add(first)
    return first
  }

  /** Programs were not told of it after all, nor before: it is given back without anybody to wait for. @param first its first block */
  withhold(first: number): void {
    this.#published.delete(first)
  }

  blockOf(region: Uint32Array): number {
    return (region.byteOffset - this.#words.byteOffset) / (BLOCK * 4)
  }

  #take(count: number): number {
    this.#rested()
    let at = this.#place(count)
    let unwaited = ''
    if (at < 0 && this.#resting.length > 0) {
      unwaited = this.#wait()
      this.#rested()
      at = this.#place(count)
    }
    if (at < 0) throw new FibFullError(`${this.#name} has no ${count} blocks in a row left${unwaited}`)
    const { first, count: size } = this.#free[at]
    if (size === count) this.#free.splice(at, 1)
    else this.#free[at] = { first: first + count, count: size - count }
    return first
  }

  /** Waits for programs to leave what rests; why that could not be done, as the end of a sentence. */
  #wait(): string {
    try {
      this.#grace.wait()
      return ''
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      return ` that is known to be read no more (${error.message})`
    }
  }

  /** Place of an extent with so many blocks, or −1. */
  #place(count: number): number {
    return this.#free.findIndex((extent) => extent.count >= count)
  }

  #rested(): void {
    const { passed } = this.#grace
    const done = this.#resting.filter(({ since }) => since <= passed)
    if (done.length === 0) return
    this.#resting = this.#resting.filter(({ since }) => since > passed)
    for (const extent of done) this.#insert(extent)
  }

  #insert({ first, count }: Extent): void {
    this.#given++
    const extents = [...this.#free, { first, count }].sort((a, b) => a.first - b.first)
    const joined: Extent[] = []
    for (const extent of extents) {
      const last = joined.at(-1)
      if (last !== undefined && last.first + last.count === extent.first) {
        joined[joined.length - 1] = { first: last.first, count: last.count + extent.count }
      } else joined.push(extent)
    }
    this.#free = joined
  }
}
