import { NO_MATCH } from '@heddle/core'
import type { RouteTable } from '@heddle/forwarding'
import type { IpFamily } from '@heddle/wire'
import { ROW_WORDS } from '../fib/route-index.js'
import { RouteRows } from '../fib/route-rows.js'

/** Rows that a table begins with. */
const FIRST = 16
const VRF = 0

/** The routes of a VRF for an engine that only judges transactions: which there are, and the groups they lead to. Packets are looked up in the kernel. */
export class JudgedRoutes implements RouteTable {
  #rows = rowsFor(FIRST)
  size = 0

  get(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): number {
    const row = this.#find(family, w0, w1, w2, w3, length)
    return row < 0 ? NO_MATCH : this.#rows.groupOf(row)
  }

  set(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number): number {
    if (this.size === this.#rows.capacity) this.#grow()
    const row = this.#find(family, w0, w1, w2, w3, length)
    if (row >= 0) {
      const before = this.#rows.groupOf(row)
      this.#rows.setGroup(row, value)
      return before
    }
    this.#rows.add(VRF, family, w0 | 0, w1 | 0, w2 | 0, w3 | 0, length, value)
    this.size++
    return NO_MATCH
  }

  delete(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const row = this.#find(family, w0, w1, w2, w3, length)
    if (row < 0) return false
    this.#rows.delete(row)
    this.size--
    return true
  }

  forEach(visit: (family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void): void {
    const { count, family, address, length, group } = this.#rows.batch()
    for (let row = 0; row < count; row++) {
      const at = row * 4
      visit(family[row] as IpFamily, address[at], address[at + 1], address[at + 2], address[at + 3], length[row], group[row])
    }
  }

  lookup4(): number {
    throw new TypeError('no packet is looked up here')
  }

  lookup6(): number {
    throw new TypeError('no packet is looked up here')
  }

  #find(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#rows.find(VRF, family, w0 | 0, w1 | 0, w2 | 0, w3 | 0, length)
  }

  #grow(): void {
    const larger = rowsFor(this.#rows.capacity * 2)
    this.forEach((family, w0, w1, w2, w3, length, group) => {
      larger.find(VRF, family, w0 | 0, w1 | 0, w2 | 0, w3 | 0, length)
      larger.add(VRF, family, w0 | 0, w1 | 0, w2 | 0, w3 | 0, length, group)
    })
    this.#rows = larger
  }
}

function rowsFor(count: number): RouteRows {
  return new RouteRows(new Uint32Array(count * ROW_WORDS))
}
