import { format, validate, type OutputUnit } from '@cfworker/json-schema'
import { FORMATS } from './formats.js'
import type { JsonSchema } from './json-schema.js'

/** Where something is, as keys and indices from the top. */
export type ValuePath = readonly (string | number)[]

/** A keyword of a schema that a value does not keep to. */
export interface Violation {
  /** As JSON Schema names it; `unusable` for a number or key that JSON does not have. */
  readonly keyword: string
  /** Where the value is. */
  readonly path: ValuePath
  /** Whether it is the last key of `path` that is wrong; then this is `value`. */
  readonly atKey: boolean
  readonly value: unknown
  /** The schema that has the keyword. */
  readonly schema: JsonSchema
}

/** Keywords that only say that something deeper is wrong. */
const WRAPPERS: ReadonlySet<string> = new Set(['properties', 'items', 'propertyNames', 'if', 'false'])

/**
 * Everything by which `value` breaks `schema`, in the order of the schema; nothing when it is valid. The schema is interpreted: for a document that
 * is read once, compiling costs many times what it saves.
 */
export function violations(value: unknown, schema: JsonSchema): Violation[] {
  const unusable = [...unusableIn(value, [])]
  if (unusable.length > 0) return unusable
  Object.assign(format, FORMATS) // the library's one place for formats
  const { errors } = validate(value ?? null, schema, '2020-12', NO_REFERENCES, false)
  return errors.filter(({ keyword }) => !WRAPPERS.has(keyword)).flatMap((unit) => violation(unit, value, schema) ?? [])
}

/** The schemas refer to nothing. */
const NO_REFERENCES = {}

function violation({ keyword, keywordLocation, instanceLocation }: OutputUnit, root: unknown, schema: JsonSchema): Violation | undefined {
  const steps = pointer(keywordLocation)
  // the branches of `anyOf` say less than the whole
  if (steps.slice(0, -1).includes('anyOf')) return undefined
  const around = steps.slice(0, -1).reduce((at: JsonSchema, step) => at[step] as JsonSchema, schema)
  if (keyword === 'additionalProperties' && around.additionalProperties !== false) return undefined
  const path: (string | number)[] = []
  let value = root
  for (const step of pointer(instanceLocation)) {
    path.push(Array.isArray(value) ? Number(step) : step)
    value = (value as Record<string, unknown> | undefined)?.[step]
  }
  const atKey = steps.includes('propertyNames')
  return { keyword, path, atKey, value: atKey ? path.at(-1) : value, schema: around }
}

/** A JSON pointer in the fragment of a URI (RFC 6901 §6). */
function pointer(location: string): string[] {
  return location
    .split('/')
    .slice(1)
    .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Numbers that are none, and keys that no pointer can name: YAML has both, and validators of JSON stumble over them. */
function* unusableIn(value: unknown, path: ValuePath): Generator<Violation> {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    yield { keyword: 'unusable', path, atKey: false, value, schema: { description: 'a finite number' } }
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key]
    if (!/\p{Surrogate}/u.test(key)) yield* unusableIn(inner, at)
    else yield { keyword: 'unusable', path: at, atKey: true, value: key, schema: { description: 'Unicode text' } }
  }
}
