import { didYouMean } from '../config/did-you-mean.js'
import type { JsonSchema } from './json-schema.js'
import type { ValuePath, Violation } from './violations.js'

/** A violation in words. */
export interface Complaint {
  /** Where to look. */
  readonly path: ValuePath
  /** Whether what is wrong is the last key of `path` itself. */
  readonly atKey: boolean
  readonly found: string
  readonly allowed: string
}

/** What to tell people of a violation: one complaint a place. */
export function complaints({ keyword, path, atKey, value, schema }: Violation): Complaint[] {
  const at = (more: ValuePath, found: string, allowed: string): Complaint => ({ path: [...path, ...more], atKey: false, found, allowed })
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>
  switch (keyword) {
    case 'additionalProperties': {
      const keys = Object.keys(properties)
      return Object.keys(value as object)
        .filter((key) => !Object.hasOwn(properties, key))
        .map((key) => ({ ...at([key], `the unknown key "${key}"`, choice(key, keys)), atKey: true }))
    }
    case 'required':
      return (schema.required as readonly string[])
        .filter((key) => !Object.hasOwn(value as object, key))
        .map((key) => at([key], 'nothing', `${describe(properties[key])} (the key "${key}" is required)`))
    case 'enum':
      return [at([], show(value), choice(value, (schema.enum as readonly unknown[]).map(String)))]
    case 'uniqueItems': {
      const items = (value as readonly unknown[]).map((item) => JSON.stringify(item))
      const again = items.findIndex((item, index) => items.indexOf(item) < index)
      return [at([again], `${show((value as readonly unknown[])[again])} a second time`, 'each value once')]
    }
    default:
      if (atKey) return [{ ...at([], `the key ${show(value)}`, describe(schema)), atKey }]
      // a secret is not shown, whatever is wrong with it
      return [at([], schema.writeOnly === true ? 'a value that is not shown' : show(value), describe(schema))]
  }
}

/** A value as it is shown in an error: short, and on one line. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** The values, and which of them was probably meant. */
function choice(found: unknown, allowed: readonly string[]): string {
  const near = typeof found === 'string' ? didYouMean(found, allowed) : undefined
  return `${allowed.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`
}

/** What a schema allows, in words. */
function describe(schema: JsonSchema): string {
  const { type, description, minimum, maximum, minItems } = schema as {
    readonly type?: string
    readonly description?: string
    readonly minimum?: number
    readonly maximum?: number
    readonly minItems?: number
  }
  switch (type) {
    case 'integer':
      if (minimum === undefined || maximum === undefined) return description ?? 'an integer'
      return `${description === undefined ? '' : `${description}, `}an integer of ${minimum}–${maximum}`
    case 'boolean':
      return 'true or false'
    case 'array':
      return `a list${minItems === undefined ? '' : ` of at least ${minItems}`}`
    case 'object':
      return `a mapping with the keys ${Object.keys(schema.properties ?? {}).join(', ')}`
    default:
      if (schema.enum !== undefined) return (schema.enum as readonly unknown[]).map(String).join(', ')
      return description ?? 'text'
  }
}
