import { IpAddress, IpPrefix } from '@heddle/wire'

/** `group` of a row that removes the route. */
export const NO_GROUP = 0xffffffff

/**
 * Routes as columns: row i is (vrf[i], address[4i..4i+3], length[i], family[i]) → group[i]. A batch grows by doubling; the typed arrays are
 * longer than `count`, read only the first `count` rows.
 */
export class RouteBatch {
  count = 0
  vrf: Uint32Array
  /** Four words a row, most significant first; an IPv4 address is in the first. */
  address: Uint32Array
  /** 0–32 or 0–128. */
  length: Uint8Array
  /** 4 or 6. */
  family: Uint8Array
  /** Next-hop group, or `NO_GROUP` to remove the route. */
  group: Uint32Array

  constructor(capacity = 16) {
    this.vrf = new Uint32Array(capacity)
    this.address = new Uint32Array(capacity * 4)
    this.length = new Uint8Array(capacity)
    this.family = new Uint8Array(capacity)
    this.group = new Uint32Array(capacity)
  }

  /** Appends a row; `group` `NO_GROUP` removes the route. */
  push(vrf: number, prefix: IpPrefix, group: number): void {
    const { address } = prefix
    this.pushWords(vrf, address.family, address.w0, address.w1, address.w2, address.w3, prefix.length, group)
  }

  /** As `push`, from words. Host bits must be zero. */
  pushWords(vrf: number, family: 4 | 6, w0: number, w1: number, w2: number, w3: number, length: number, group: number): void {
    if (this.count === this.vrf.length) this.#grow()
    const row = this.count++
    this.vrf[row] = vrf
    this.address[row * 4] = w0
    this.address[row * 4 + 1] = w1
    this.address[row * 4 + 2] = w2
    this.address[row * 4 + 3] = w3
    this.length[row] = length
    this.family[row] = family
    this.group[row] = group
  }

  /** Row `row` as a value, for people and tests. */
  prefixAt(row: number): IpPrefix {
    const { address } = this
    const at = row * 4
    const value =
      this.family[row] === 4 ? IpAddress.v4(address[at]) : IpAddress.v6(address[at], address[at + 1], address[at + 2], address[at + 3])
    return IpPrefix.of(value, this.length[row])
  }

  #grow(): void {
    const grown = new RouteBatch(Math.max(16, this.vrf.length * 2))
    grown.vrf.set(this.vrf)
    grown.address.set(this.address)
    grown.length.set(this.length)
    grown.family.set(this.family)
    grown.group.set(this.group)
    this.vrf = grown.vrf
    this.address = grown.address
    this.length = grown.length
    this.family = grown.family
    this.group = grown.group
  }
}
