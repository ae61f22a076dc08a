import type { IpAddress, IpPrefix } from '@heddle/wire'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import { addressFrom, boundsOf, numberOf, within, without, type Interval } from './address-number.js'

/** Addresses of a virtual network that this node gives out. */
export interface PoolDefinition {
  readonly prefix: IpPrefix
  /** The first and last that may be given out; all of `prefix` if left out. */
  readonly first?: IpAddress
  readonly last?: IpAddress
  /** Never given out. */
  readonly exclude?: readonly IpPrefix[]
  /** Told to containers as their gateway, and never given out. */
  readonly gateway?: IpAddress
  /**
   * The blocks of `prefix` that are this node's, where several nodes share it: of `length` bits each, counted from 0; claimed from a `BlockRegistry`
   * where `indices` are left out. An address that is asked for by itself may lie in any of them.
   */
  readonly block?: { readonly length: number; readonly indices?: readonly number[] }
}

/** A pool, checked and ready to be searched. */
export class Pool {
  /** What may be given out to those who do not ask for an address, in order, not overlapping. */
  readonly intervals: readonly Interval[]
  /** What may be given out to those who ask. */
  readonly #allowed: readonly Interval[]
  #cursor = 0n

  /** @throws CniError 7 when the definition contradicts itself */
  constructor(readonly definition: PoolDefinition) {
    const { prefix, first, last, exclude = [], gateway } = definition
    for (const [name, address] of Object.entries({ first, last, gateway })) {
      if (address !== undefined && !prefix.contains(address)) throw wrong(`${name} ${address} is not in the pool ${prefix}`)
    }
    const bounds = boundsOf(prefix)
    const part = { first: first === undefined ? bounds.first : numberOf(first), last: last === undefined ? bounds.last : numberOf(last) }
    const never = [...reserved(prefix), ...(gateway === undefined ? [] : [only(numberOf(gateway))]), ...exclude.map(boundsOf)]
    this.#allowed = never.reduce<readonly Interval[]>(without, within([bounds], part))
    this.intervals = blocksOf(definition).flatMap((block) => within(this.#allowed, block))
  }

  get size(): bigint {
    return this.intervals.reduce((sum, { first, last }) => sum + last - first + 1n, 0n)
  }

  /** Whether it may be given out to who asks for it. */
  allows(address: IpAddress): boolean {
    const value = numberOf(address)
    return this.definition.prefix.contains(address) && this.#allowed.some(({ first, last }) => first <= value && value <= last)
  }

  /** Whether it is among those that are given out here. */
  has(address: IpAddress): boolean {
    const value = numberOf(address)
    return address.family === this.definition.prefix.family && this.intervals.some(({ first, last }) => first <= value && value <= last)
  }

  /**
   * The next address that is free, behind the one that was found before: an address that was given back is used again as late as can be. Looks at
   * no more addresses than are taken, and one.
   */
  next(isFree: (address: IpAddress) => boolean): IpAddress | undefined {
    const found = this.#find(isFree)
    if (found !== undefined) this.#cursor = numberOf(found) + 1n
    return found
  }

  /** Whether there is a free address. */
  peek(isFree: (address: IpAddress) => boolean): boolean {
    return this.#find(isFree) !== undefined
  }

  #find(isFree: (address: IpAddress) => boolean): IpAddress | undefined {
    const { family } = this.definition.prefix
    const behind = [
      ...within(this.intervals, { first: this.#cursor, last: 1n << 128n }),
      ...within(this.intervals, { first: 0n, last: this.#cursor - 1n }),
    ]
    for (const { first, last } of behind) {
      for (let value = first; value <= last; value++) {
        const address = addressFrom(value, family)
        if (isFree(address)) return address
      }
    }
    return undefined
  }
}

/** Pools of one virtual network. @throws CniError 7 when two of them overlap, or one contradicts itself */
export function poolsOf(definitions: readonly PoolDefinition[]): readonly Pool[] {
  for (const [index, { prefix }] of definitions.entries()) {
    const other = definitions.slice(0, index).find((earlier) => earlier.prefix.covers(prefix) || prefix.covers(earlier.prefix))
    if (other !== undefined) throw wrong(`the pools ${other.prefix} and ${prefix} overlap`)
  }
  return definitions.map((definition) => new Pool(definition))
}

/** The address of the network itself, and the broadcast address: hosts take them for something else (RFC 919, RFC 4291 §2.6.1). */
function reserved(prefix: IpPrefix): readonly Interval[] {
  const { first, last } = boundsOf(prefix)
  const hostBits = prefix.address.bits - prefix.length
  if (hostBits < 2) return [] // RFC 3021, RFC 6164
  return prefix.family === 4 ? [only(first), only(last)] : [only(first)]
}

function blocksOf({ prefix, block }: PoolDefinition): readonly Interval[] {
  if (block === undefined) return [boundsOf(prefix)]
  const { length, indices = [] } = block
  if (!Number.isInteger(length) || length < prefix.length || length > prefix.address.bits) {
    throw wrong(`blocks of /${length} do not fit into the pool ${prefix}; allowed: ${prefix.length}–${prefix.address.bits}`)
  }
  const size = 1n << BigInt(prefix.address.bits - length)
  const count = 1n << BigInt(length - prefix.length)
  return Array.from(new Set(indices), (index) => {
    if (!Number.isInteger(index) || index < 0 || BigInt(index) >= count)
      throw wrong(`the pool ${prefix} has no block ${index} of /${length}`)
    const first = boundsOf(prefix).first + BigInt(index) * size
    return { first, last: first + size - 1n }
  }).sort((a, b) => (a.first < b.first ? -1 : 1))
}

function only(value: bigint): Interval {
  return { first: value, last: value }
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODES.invalidConfiguration, message)
}
