import { inParts4, NO_MATCH, RouteBatch, type ApplyFailure, type Prefixes4, type Values4 } from '@heddle/core'
import type { RouteTable } from '@heddle/forwarding'
import type { IpFamily } from '@heddle/wire'
import { FibFullError } from '../fib/block-memory.js'
import type { FibStore } from '../fib/fib-store.js'

type Visit = (family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void

/** The routes that programs look up, for the engine that judges transactions: there is one table, which it reads and writes. */
export class KernelRoutes {
  readonly #store: FibStore
  #failures: ApplyFailure[] = []
  #isLoading = false
  readonly #written = new Set<number>()
  #lastWritten = -1

  constructor(store: FibStore) {
    this.#store = store
  }

  /** The routes of a VRF. */
  of(vrf: number): RouteTable {
    return new VrfRoutes(vrf, this.#store, this)
  }

  /** Whether what is set is there already: an engine is told of routes that it did not set. */
  get isLoading(): boolean {
    return this.#isLoading
  }

  /** Lets an engine be told of the routes that are there. */
  load(work: () => void): void {
    this.#isLoading = true
    try {
      work()
    } finally {
      this.#isLoading = false
    }
  }

  /** What the memory had no room for in `work`. */
  failuresOf(work: () => void): ApplyFailure[] {
    this.#failures = []
    this.#written.clear()
    this.#lastWritten = -1
    work()
    return this.#failures
  }

  /** VRFs whose routes `work` of the last `failuresOf` has set or deleted. */
  get written(): ReadonlySet<number> {
    return this.#written
  }

  /** Notes that routes of a VRF are set or deleted. */
  note(vrf: number): void {
    if (vrf === this.#lastWritten) return
    this.#lastWritten = vrf
    this.#written.add(vrf)
  }

  /** @throws what is no lack of room */
  refuse(error: unknown, vrf: number, family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): void {
    if (!(error instanceof FibFullError)) throw error
    const named = new RouteBatch(1)
    named.pushWords(vrf, family, w0, w1, w2, w3, length, 0)
    const key = `${vrf} ${named.prefixAt(0)}`
    this.#failures.push({ object: { kind: 'route', key }, code: 'dataplane.limit', message: error.message })
  }
}

class VrfRoutes implements RouteTable {
  readonly #vrf: number
  readonly #store: FibStore
  readonly #all: KernelRoutes

  constructor(vrf: number, store: FibStore, all: KernelRoutes) {
    this.#vrf = vrf
    this.#store = store
    this.#all = all
  }

  get size(): number {
    return this.#store.of(this.#vrf, 4).size + this.#store.of(this.#vrf, 6).size
  }

  get(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#store.of(this.#vrf, family).get(w0 | 0, w1 | 0, w2 | 0, w3 | 0, length)
  }

  missing4(routes: Values4, most: number): number {
    return this.#store.of(this.#vrf, 4).missing4(routes, most)
  }

  set(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number): number {
    if (this.#all.isLoading) return NO_MATCH
    this.#all.note(this.#vrf)
    const fib = this.#store.of(this.#vrf, family)
    try {
      return fib.set(w0 | 0, w1 | 0, w2 | 0, w3 | 0, length, value)
    } catch (error) {
      this.#all.refuse(error, this.#vrf, family, w0, w1, w2, w3, length)
      return value // as it was, so that nothing has moved
    }
  }

  setAll4(routes: Values4, told: (part: Prefixes4) => void): void {
    const singly = (part: Prefixes4): void => {
      const { addresses, lengths, values, before } = part
      for (let row = 0; row < addresses.length; row++) before[row] = this.set(4, addresses[row], 0, 0, 0, lengths[row], values[row])
      told(part)
    }
    if (this.#all.isLoading) {
      inParts4(routes, singly)
      return
    }
    this.#all.note(this.#vrf)
    try {
      this.#store.of(this.#vrf, 4).setAll4(routes, told)
    } catch (error) {
      if (!(error instanceof FibFullError)) throw error
      inParts4(routes, singly) // there is no room for all of them, but for some
    }
  }

  delete(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    this.#all.note(this.#vrf)
    return this.#store.of(this.#vrf, family).delete(w0 | 0, w1 | 0, w2 | 0, w3 | 0, length) !== NO_MATCH
  }

  deleteAll4(routes: Values4, told: (part: Prefixes4) => void): void {
    this.#all.note(this.#vrf)
    this.#store.of(this.#vrf, 4).deleteAll4(routes, told)
  }

  forEach(visit: Visit): void {
    for (const family of [4, 6] as const) {
      this.#store.of(this.#vrf, family).forEach((w0, w1, w2, w3, length, group) => visit(family, w0, w1, w2, w3, length, group))
    }
  }

  lookup4(): number {
    throw new TypeError('packets are looked up in the kernel')
  }

  lookup6(): number {
    throw new TypeError('packets are looked up in the kernel')
  }
}
