import { IpAddress, IpPrefix, MacAddress, ValueError } from '@heddle/wire'
import { ProtocolError } from './protocol-error.js'

/** A JSON object whose members are not known yet. */
export type Json = Readonly<Record<string, unknown>>

/** @throws ProtocolError unless `value` is a JSON object */
export function record(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(what, 'an object')
  return value as Json
}

/** @throws ProtocolError unless `value` is a text */
export function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw malformed(what, 'a text')
  return value
}

/** A number as it was given: NaN and infinity, which JSON writes as null, come back as NaN, for the tables to refuse. */
export function number(value: unknown, what: string): number {
  if (value === null) return Number.NaN
  if (typeof value !== 'number') throw malformed(what, 'a number')
  return value
}

/** @throws ProtocolError unless `value` is a list, or as `each` does */
export function list<T>(value: unknown, what: string, each: (item: unknown, what: string) => T): T[] {
  if (!Array.isArray(value)) throw malformed(what, 'a list')
  return value.map((item) => each(item, what))
}

export function address(value: unknown, what: string): IpAddress {
  return parsed(value, what, (input) => IpAddress.parse(input))
}

export function prefix(value: unknown, what: string): IpPrefix {
  return parsed(value, what, (input) => IpPrefix.parse(input))
}

export function mac(value: unknown, what: string): MacAddress {
  return parsed(value, what, (input) => MacAddress.parse(input))
}

function parsed<T>(value: unknown, what: string, parse: (input: string) => T): T {
  try {
    return parse(text(value, what))
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new ProtocolError('protocol.message-malformed', `${what}: ${cause.message}`, { cause })
  }
}

function malformed(what: string, expected: string): ProtocolError {
  return new ProtocolError('protocol.message-malformed', `${what} is not ${expected}`)
}
