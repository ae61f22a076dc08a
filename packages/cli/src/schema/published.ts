import type { JsonSchema } from './json-schema.js'

/** Characters that a definition has and saves, at least: what is shorter, or saves less, is easier to read where it stands. */
const WORTH_A_NAME = { size: 100, savings: 500 } as const

/** Keys of schemas that name nothing: what stands there has the name of what it stands in. */
const KEYWORDS: ReadonlySet<string> = new Set([
  'properties',
  'items',
  'additionalProperties',
  'propertyNames',
  'anyOf',
  'if',
  'then',
  'else',
])

/** The schema with what it repeats said once, in `$defs`, named by the first key that has it. What it accepts is the same. */
export function published(schema: JsonSchema): JsonSchema {
  const repeated = repeatedIn(schema)
  const names = new Map<string, string>()
  const definitions = new Map<string, unknown>()
  const referring = (value: unknown, name: string): unknown => {
    const text = textOf(value)
    if (text === undefined || !repeated.has(text)) return rebuilt(value, name, referring)
    const known = names.get(text) ?? unused(name, definitions)
    if (!names.has(text)) {
      names.set(text, known)
      definitions.set(known, undefined) // taken, before what it has is named
      definitions.set(known, rebuilt(value, name, referring))
    }
    return { $ref: `#/$defs/${known}` }
  }
  const whole = rebuilt(schema, 'schema', referring) as JsonSchema
  return definitions.size === 0 ? whole : { ...whole, $defs: Object.fromEntries(definitions) }
}

/** Texts of the schemas that stand in several places, of which not all are within one that does. */
function repeatedIn(schema: JsonSchema): ReadonlySet<string> {
  const places = new Map<string, number>()
  const look = (value: unknown): void => {
    const text = textOf(value)
    const before = text === undefined ? 0 : (places.get(text) ?? 0)
    if (text !== undefined) places.set(text, before + 1)
    // what is within one that was seen has been seen with it
    if (before === 0 && typeof value === 'object' && value !== null) for (const inner of Object.values(value)) look(inner)
  }
  for (const inner of Object.values(schema)) look(inner)
  return new Set([...places].flatMap(([text, count]) => (isWorth(text.length, count) ? [text] : [])))
}

function isWorth(size: number, places: number): boolean {
  return size >= WORTH_A_NAME.size && (places - 1) * size >= WORTH_A_NAME.savings
}

/** Only schemas get names; they are told from maps and lists of them by their type. */
function textOf(value: unknown): string | undefined {
  const isSchema = typeof value === 'object' && value !== null && !Array.isArray(value) && 'type' in value
  return isSchema ? JSON.stringify(value) : undefined
}

/** @param inner makes each value anew, and is told the name that it would have */
function rebuilt(value: unknown, name: string, inner: (value: unknown, name: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => inner(one, name))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  // keys of a map from families to what is the same for each of them say nothing of it
  const [first, ...others] = entries.map(([, one]) => textOf(one))
  const isUniform = first !== undefined && others.length > 1 && others.every((text) => text === first)
  const nameOf = (key: string): string => (isUniform ? `${name}Value` : KEYWORDS.has(key) ? name : key)
  return Object.fromEntries(entries.map(([key, one]) => [key, inner(one, nameOf(key))]))
}

function unused(name: string, taken: ReadonlyMap<string, unknown>): string {
  let free = name
  for (let at = 2; taken.has(free); at++) free = `${name}${at}`
  return free
}
