import { formatCommunity } from '../community/standard.js'
import { formatLargeCommunity, type LargeCommunity } from '../community/large.js'
import type { BgpError } from '../validate/bgp-error.js'
import type { BgpMessage } from './message.js'
import type { DecodeResult } from './result.js'

/** What `JSON.stringify` writes without loss. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** An error as it is printed: where and why, without the NOTIFICATION. */
export type JsonError = Pick<BgpError, 'code' | 'offset' | 'path' | 'rfc' | 'handling'>

/** A result as it is printed; `errors` only where there are some. */
export type JsonResult =
  | { readonly ok: true; readonly message: Json; readonly errors?: readonly JsonError[] }
  | { readonly ok: false; readonly error: JsonError }

/**
 * A message as plain data of a stable form: the fields of the value, with addresses, prefixes, RDs, RTs and MACs as text, octets as hex,
 * families by name, communities as `AS:NUMBER` or their well-known name, large communities as `A:B:C`, and 64-bit numbers as decimal text.
 */
export function messageToJson(message: BgpMessage): Json {
  return toJson(message, '')
}

/** A result as plain data. */
export function resultToJson(result: DecodeResult): JsonResult {
  if (!result.ok) return { ok: false, error: errorToJson(result.error) }
  const message = messageToJson(result.message)
  return result.errors.length === 0 ? { ok: true, message } : { ok: true, message, errors: result.errors.map(errorToJson) }
}

/** An error as it is printed. */
export function errorToJson({ code, offset, path, rfc, handling }: BgpError): JsonError {
  return { code, offset, path, rfc, handling }
}

/** Any value of this package as plain data; `key` is the name of the field that holds it. */
export function toJson(value: unknown, key = ''): Json {
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map((item: unknown) => itemToJson(item, key))
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
    case 'string':
      return value
    case 'object':
      return value === null ? null : objectToJson(value)
    default:
      return null
  }
}

function itemToJson(item: unknown, key: string): Json {
  if (key === 'communities' && typeof item === 'number') return formatCommunity(item)
  if (key === 'largeCommunities') return formatLargeCommunity(item as LargeCommunity)
  return toJson(item, '')
}

function objectToJson(value: object): Json {
  if ('toJSON' in value && typeof value.toJSON === 'function') return value.toJSON() as Json
  if ('afi' in value && 'safi' in value && 'name' in value) return String(value.name)
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, toJson(field, key)]))
}

function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const octet of bytes) text += octet.toString(16).padStart(2, '0')
  return text
}
