import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { nodeSchema, speakerSchema } from './config-schema.js'
import { FORMATS } from './formats.js'
import type { JsonSchema } from './json-schema.js'
import { published } from './published.js'

/** The schema with every reference replaced by what it refers to. */
function expanded({ $defs = {}, ...schema }: JsonSchema): unknown {
  const definitions = $defs as Record<string, unknown>
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve)
    if (typeof value !== 'object' || value === null) return value
    if ('$ref' in value) return resolve(definitions[String(value.$ref).replace('#/$defs/', '')])
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]))
  }
  return resolve(schema)
}

describe.each([
  ['node', nodeSchema],
  ['speaker', speakerSchema],
])('the schema of a %s as it is published', (_name, schema) => {
  const short = published(schema)

  it('says the same', () => {
    expect(expanded(short)).toEqual(schema)
  })

  it('says what a neighbor may have once, and each definition is referred to', () => {
    const text = JSON.stringify(short)
    const names = Object.keys(short['$defs'] as object)
    expect(names).toEqual(expect.arrayContaining(['importPolicy', 'maxPrefixes', 'authentication']))
    for (const name of names) expect(text.split(`"#/$defs/${name}"`).length, name).toBeGreaterThan(2)
    expect(text.length * 2).toBeLessThan(JSON.stringify(schema).length)
  })

  it('is one that others can read', () => {
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
    for (const [format, accepts] of Object.entries(FORMATS)) ajv.addFormat(format, accepts)
    const accepts = ajv.compile(short)
    const neighbor = { address: '192.0.2.2', as: 65_000, importPolicy: 'in', maxPrefixes: { 'ipv4-unicast': { limit: 1 } } }
    const of = (more: object) => ({ node: { name: 'a', address: '192.0.2.1' }, bgp: { as: 65_000, neighbors: [{ ...neighbor, ...more }] } })
    expect(accepts(of({}))).toBe(true)
    expect(accepts(of({ maxPrefixes: { 'ipv4-unicast': { limit: 0 } } }))).toBe(false)
    expect(accepts(of({ neighbour: true }))).toBe(false)
  })
})
