import type { Json } from '@heddle/bgp'

/** A value in words: `origin igp, extendedCommunities [route-target 65000:1, encapsulation 13]`. What is empty is left out. */
export function brief(value: Json): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return inner(value)
  return Object.entries(value).flatMap(field).join(', ')
}

/** `name value`; nothing for a list or mapping with nothing in it. */
function field([name, value]: [string, Json]): string[] {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0 ? [] : [`${name} ${inner(value)}`]
}

function inner(value: Json): string {
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map(inner).join(', ')}]`
  const { kind, type, ...rest } = value as { readonly [key: string]: Json }
  // what it is goes before what is in it
  const name = kind ?? type
  if (typeof name !== 'string') return `{${Object.entries(value).flatMap(field).join(', ')}}`
  const values = Object.values(rest)
  return [name, values.length === 1 ? inner(values[0]) : Object.entries(rest).flatMap(field).join(' ')].join(' ').trim()
}
