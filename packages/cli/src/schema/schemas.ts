import { bgpViewSchemas, reloadSchema } from './bgp-view-schemas.js'
import { nodeSchema, speakerSchema } from './config-schema.js'
import { demoSchema } from './demo-schema.js'
import type { JsonSchema } from './json-schema.js'
import { explainSchema, viewSchemas } from './view-schemas.js'

/** Every schema by the name of its file in `docs/schema`. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  node: nodeSchema,
  speaker: speakerSchema,
  ...viewSchemas,
  ...bgpViewSchemas,
  reload: reloadSchema,
  explain: explainSchema,
  demo: demoSchema,
}
