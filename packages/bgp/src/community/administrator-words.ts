import type { AdministratorType } from '@heddle/wire'

/** The fields of an extended community of type 0, 1 or 2: AS number, IPv4 address, or four-octet AS number (RFC 4360 §3, RFC 5668 §2). */
export function administratorOf(type: AdministratorType, high: number, low: number): { administrator: number; assigned: number } {
  return type === 0
    ? { administrator: high & 0xffff, assigned: low }
    : { administrator: (((high & 0xffff) << 16) | (low >>> 16)) >>> 0, assigned: low & 0xffff }
}

/** The two words of such a community; `head` is the first octet, with the transitivity bit and more, above `type`. */
export function administratorWords(
  type: AdministratorType,
  subtype: number,
  administrator: number,
  assigned: number,
  head = 0,
): readonly [number, number] {
  const start = ((head | type) << 24) | (subtype << 16)
  return type === 0
    ? [(start | administrator) >>> 0, assigned]
    : [(start | (administrator >>> 16)) >>> 0, (((administrator & 0xffff) << 16) | assigned) >>> 0]
}
