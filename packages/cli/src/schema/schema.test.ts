import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SCHEMAS } from './schemas.js'

const folder = fileURLToPath(new URL('../../../../docs/schema/', import.meta.url))

describe.each(Object.entries(SCHEMAS))('%s.schema.json', (name, schema) => {
  it('is the one in docs/schema (node scripts/schemas.mjs writes it)', async () => {
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(`${folder}${name}.schema.json`)
  })
})

it('no neighbor has a default for `families` that an editor could fill in, since with a VNI it is another one', () => {
  const found: unknown[] = []
  JSON.stringify(SCHEMAS, (key, value: unknown) => {
    if (key === 'families') found.push(value)
    return value
  })
  const lists = found.filter((schema) => (schema as { readonly type?: unknown }).type === 'array')
  expect(lists.length).toBeGreaterThan(0)
  for (const schema of lists) expect(schema).not.toHaveProperty('default')
})
