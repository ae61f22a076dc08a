import type { IpPrefix } from '@heddle/wire'
import type { AddressWords } from './packet-out.js'

/** Underlay addresses from which a label or VNI is accepted. Host prefixes, the usual case, are found by hash; others are tried in turn. */
export class SourceSet {
  readonly #v4 = new Set<number>()
  readonly #v6 = new Map<number, AddressWords[]>()
  readonly #wide: IpPrefix[] = []

  constructor(readonly prefixes: readonly IpPrefix[]) {
    for (const prefix of prefixes) {
      if (!prefix.isHost) this.#wide.push(prefix)
      else if (prefix.family === 4) this.#v4.add(prefix.address.w0)
      else {
        const key = hashV6(prefix.address)
        const bucket = this.#v6.get(key)
        if (bucket === undefined) this.#v6.set(key, [prefix.address])
        else bucket.push(prefix.address)
      }
    }
  }

  has(address: AddressWords): boolean {
    if (address.family === 4) {
      if (this.#v4.has(address.w0)) return true
    } else {
      const bucket = this.#v6.get(hashV6(address))
      if (bucket !== undefined) {
        for (const host of bucket) {
          if (host.w0 === address.w0 && host.w1 === address.w1 && host.w2 === address.w2 && host.w3 === address.w3) return true
        }
      }
    }
    for (const prefix of this.#wide) if (covers(prefix, address.family, address.w0, address.w1, address.w2, address.w3)) return true
    return false
  }
}

/** Whether `prefix` covers the address, without making one. */
export function covers(prefix: IpPrefix, family: 4 | 6, w0: number, w1: number, w2: number, w3: number): boolean {
  const { address, length } = prefix
  if (address.family !== family) return false
  return (
    sameBits(address.w0, w0, length) &&
    sameBits(address.w1, w1, length - 32) &&
    sameBits(address.w2, w2, length - 64) &&
    sameBits(address.w3, w3, length - 96)
  )
}

function sameBits(a: number, b: number, bits: number): boolean {
  if (bits <= 0) return true
  return bits >= 32 ? a >>> 0 === b >>> 0 : (a ^ b) >>> (32 - bits) === 0
}

function hashV6(address: AddressWords): number {
  return (Math.imul(address.w0 ^ Math.imul(address.w1, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(address.w2, 0xc2b2ae35) ^ address.w3) | 0
}
