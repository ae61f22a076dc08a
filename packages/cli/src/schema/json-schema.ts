/** A JSON schema (draft 2020-12) as a value. */
export type JsonSchema = { readonly [key: string]: unknown }

/** An object that has `properties` and no others; those in `required` are always there. */
export function closed(
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[] = Object.keys(properties),
): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** The schema of a file or an answer, with its name. */
export function document(id: string, title: string, schema: JsonSchema): JsonSchema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: `${id}.schema.json`, title, ...schema }
}

export const text: JsonSchema = { type: 'string' }
export const texts: JsonSchema = { type: 'array', items: text }
export const flag: JsonSchema = { type: 'boolean' }
export const count: JsonSchema = { type: 'integer', minimum: 0 }

/** `schema`, or null. */
export function nullable(schema: JsonSchema): JsonSchema {
  const { type, enum: values } = schema as { readonly type?: unknown; readonly enum?: readonly unknown[] }
  return { ...schema, type: [type, 'null'], ...(values === undefined ? {} : { enum: [...values, null] }) }
}

export function arrayOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items }
}
