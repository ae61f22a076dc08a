import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SCHEMAS } from './schemas.js'

const folder = fileURLToPath(new URL('../../../../docs/schema/', import.meta.url))

describe.each(Object.entries(SCHEMAS))('%s.schema.json', (name, schema) => {
  it('is the one in docs/schema (node scripts/schemas.mjs writes it)', async () => {
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(`${folder}${name}.schema.json`)
  })
})
