import { RouteBatch } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import { ROUTE_ROW } from '../layout/structs.js'

/** Words of a row, and where its fields are. */
const WIDTH = ROUTE_ROW.size / 4
const VRF = ROUTE_ROW.offsetOf('vrf') / 4
const PREFIX = ROUTE_ROW.offsetOf('prefix') / 4
const ADDRESS = ROUTE_ROW.offsetOf('address') / 4
const GROUP = ROUTE_ROW.offsetOf('group') / 4

/** A route as its row has it. */
export interface RouteRow {
  readonly vrf: number
  readonly family: IpFamily
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  readonly length: number
  readonly group: number
}

/** The routes as they were programmed, in memory of a map: what a trie says of an address does not tell which prefix it came from. */
export class RouteRows {
  readonly #words: Uint32Array
  readonly #free: number[] = []
  #next = 0
  readonly capacity: number

  constructor(words: Uint32Array) {
    this.#words = words
    this.capacity = Math.floor(words.length / WIDTH)
  }

  /** Rows that can be added. */
  get room(): number {
    return this.capacity - this.#next + this.#free.length
  }

  /** Finds the rows that are there, and what is free between them. */
  *restore(): Generator<readonly [row: number, route: RouteRow]> {
    let last = -1
    for (let row = 0; row < this.capacity; row++) if (this.#words[row * WIDTH + PREFIX] !== 0) last = row
    this.#next = last + 1
    for (let row = 0; row <= last; row++) {
      if (this.#words[row * WIDTH + PREFIX] === 0) this.#free.push(row)
      else yield [row, this.at(row)]
    }
  }

  at(row: number): RouteRow {
    const words = this.#words
    const at = row * WIDTH
    const prefix = words[at + PREFIX]
    return {
      vrf: words[at + VRF],
      family: (prefix >>> 8) as IpFamily,
      w0: words[at + ADDRESS],
      w1: words[at + ADDRESS + 1],
      w2: words[at + ADDRESS + 2],
      w3: words[at + ADDRESS + 3],
      length: prefix & 0xff,
      group: words[at + GROUP],
    }
  }

  groupOf(row: number): number {
    return this.#words[row * WIDTH + GROUP]
  }

  setGroup(row: number, group: number): void {
    this.#words[row * WIDTH + GROUP] = group
  }

  /** There must be `room`. The row counts from the moment when its prefix is written, last. */
  add({ vrf, family, w0, w1, w2, w3, length, group }: RouteRow): number {
    const row = this.#free.pop() ?? this.#next++
    const at = row * WIDTH
    const words = this.#words
    words[at + VRF] = vrf
    words[at + ADDRESS] = w0
    words[at + ADDRESS + 1] = w1
    words[at + ADDRESS + 2] = w2
    words[at + ADDRESS + 3] = w3
    words[at + GROUP] = group
    Atomics.store(words, at + PREFIX, (family << 8) | length)
    return row
  }

  delete(row: number): void {
    Atomics.store(this.#words, row * WIDTH + PREFIX, 0)
    this.#free.push(row)
  }

  /** All routes. */
  batch(): RouteBatch {
    const batch = new RouteBatch()
    for (let row = 0; row < this.#next; row++) {
      if (this.#words[row * WIDTH + PREFIX] === 0) continue
      const { vrf, family, w0, w1, w2, w3, length, group } = this.at(row)
      batch.pushWords(vrf, family, w0, w1, w2, w3, length, group)
    }
    return batch
  }
}
