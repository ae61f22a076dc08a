import { HostTable, NO_MATCH } from '@heddle/core'
import type { RouteTable } from '@heddle/forwarding'
import type { IpFamily } from '@heddle/wire'

type Visit = (family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void

/** The routes of a VRF for an engine that only judges transactions: which there are, and the groups they lead to. Packets are looked up in the kernel. */
export class JudgedRoutes implements RouteTable {
  /** By length. */
  readonly #prefixes: Readonly<Record<IpFamily, (HostTable | undefined)[]>> = { 4: [], 6: [] }
  size = 0

  get(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#prefixes[family][length]?.get(w0, w1, w2, w3) ?? NO_MATCH
  }

  set(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number): number {
    const before = this.#of(family, length).set(w0, w1, w2, w3, value)
    if (before === NO_MATCH) this.size++
    return before
  }

  /** As `set` of many IPv4 prefixes in turn. @param before gets what `set` returns of each */
  setAll4(addresses: Uint32Array, lengths: Uint8Array, values: Uint32Array, before: Int32Array): void {
    const [first] = lengths
    if (lengths.every((length) => length === first)) {
      const prefixes = this.#of(4, first)
      const had = prefixes.count
      prefixes.reserve(addresses.length)
      prefixes.setAll4(addresses, values, before)
      this.size += prefixes.count - had
      return
    }
    for (let row = 0; row < addresses.length; row++) before[row] = this.set(4, addresses[row], 0, 0, 0, lengths[row], values[row])
  }

  delete(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    if (this.#prefixes[family][length]?.delete(w0, w1, w2, w3) !== true) return false
    this.size--
    return true
  }

  forEach(visit: Visit): void {
    for (const family of [4, 6] as const) {
      this.#prefixes[family].forEach((prefixes, length) => {
        prefixes?.forEach((w0, w1, w2, w3, value) => visit(family, w0, w1, w2, w3, length, value))
      })
    }
  }

  lookup4(): number {
    throw new TypeError('no packet is looked up here')
  }

  lookup6(): number {
    throw new TypeError('no packet is looked up here')
  }

  #of(family: IpFamily, length: number): HostTable {
    return (this.#prefixes[family][length] ??= new HostTable(family === 4 ? 1 : 4))
  }
}
