import { bgpViewSchemas, reloadSchema } from './bgp-view-schemas.js'
import { nodeSchema, speakerSchema } from './config-schema.js'
import { demoSchema } from './demo-schema.js'
import type { JsonSchema } from './json-schema.js'
import { published } from './published.js'
import { explainSchema, viewSchemas } from './view-schemas.js'

/** Every schema by the name of its file in `docs/schema`. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  node: published(nodeSchema),
  speaker: published(speakerSchema),
  ...viewSchemas,
  ...bgpViewSchemas,
  reload: reloadSchema,
  explain: explainSchema,
  demo: demoSchema,
}
