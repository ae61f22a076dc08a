import { IpPrefix } from '@heddle/wire'
import type { OriginValidation } from '../policy/policy.js'

/** An AS may originate prefixes within `prefix` of up to `maxLength` bits (RFC 6811 §2). */
export interface OriginAuthorization {
  readonly prefix: IpPrefix
  readonly maxLength: number
  /** 0: nobody may (RFC 6483 §4). */
  readonly as: number
}

/** Prefixes of one IP version by length, and by their text within a length: a look-up asks for each length that there is. */
type ByLength = Map<number, Map<string, OriginAuthorization[]>>

/** Validated authorizations of origins, and what they say of a route (RFC 6811 §2). */
export class OriginAuthorizations {
  readonly #tables: Readonly<Record<4 | 6, ByLength>> = { 4: new Map(), 6: new Map() }
  #size = 0

  /** Authorizations that there are. */
  get size(): number {
    return this.#size
  }

  /** All of them, in no order. */
  *all(): Generator<OriginAuthorization> {
    for (const table of Object.values(this.#tables)) {
      for (const lengths of table.values()) for (const list of lengths.values()) yield* list
    }
  }

  has({ prefix, ...rest }: OriginAuthorization): boolean {
    const list = this.#tables[prefix.family].get(prefix.length)?.get(String(prefix)) ?? []
    return list.some((one) => isSame(one, rest))
  }

  /** @returns whether it was not there before */
  add(authorization: OriginAuthorization): boolean {
    const { prefix } = authorization
    const table = this.#tables[prefix.family]
    const lengths = table.get(prefix.length) ?? new Map<string, OriginAuthorization[]>()
    table.set(prefix.length, lengths)
    const key = String(prefix)
    const list = lengths.get(key) ?? []
    if (list.some((one) => isSame(one, authorization))) return false
    lengths.set(key, [...list, authorization])
    this.#size++
    return true
  }

  /** @returns whether it was there */
  delete(authorization: OriginAuthorization): boolean {
    const { prefix } = authorization
    const table = this.#tables[prefix.family]
    const lengths = table.get(prefix.length)
    const key = String(prefix)
    const list = lengths?.get(key) ?? []
    const rest = list.filter((one) => !isSame(one, authorization))
    if (lengths === undefined || rest.length === list.length) return false
    if (rest.length > 0) lengths.set(key, rest)
    else lengths.delete(key)
    if (lengths.size === 0) table.delete(prefix.length)
    this.#size--
    return true
  }

  /**
   * What they say of a route: `valid` when one that covers the prefix names the origin and allows the length; `invalid` when some cover it and none
   * does; `not-found` when none covers it.
   *
   * @param origin `undefined` where the path ends with a set: never valid
   */
  validate(prefix: IpPrefix, origin: number | undefined): OriginValidation {
    let isCovered = false
    for (const [length, prefixes] of this.#tables[prefix.family]) {
      if (length > prefix.length) continue
      const covering = prefixes.get(String(IpPrefix.of(prefix.address, length)))
      if (covering === undefined) continue
      isCovered = true
      if (origin !== undefined && origin !== 0 && covering.some(({ as, maxLength }) => as === origin && prefix.length <= maxLength))
        return 'valid'
    }
    return isCovered ? 'invalid' : 'not-found'
  }
}

function isSame(a: Omit<OriginAuthorization, 'prefix'>, b: Omit<OriginAuthorization, 'prefix'>): boolean {
  return a.as === b.as && a.maxLength === b.maxLength
}
