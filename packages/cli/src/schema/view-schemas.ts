import type { ViewName, Views } from '@heddle/agent'
import { arrayOf, closed, count, document, flag, nullable, text, texts, type JsonSchema } from './json-schema.js'

/** A schema for each key of a row, so that none can be forgotten. */
export type RowSchema<Row> = { readonly [Key in keyof Row]: JsonSchema }

const neighbor: RowSchema<Views['neighbors'][number]> = {
  address: text,
  as: count,
  state: { type: 'string', enum: ['idle', 'connect', 'active', 'open-sent', 'open-confirm', 'established'] },
  routerId: nullable(text),
  families: texts,
  holdTime: count,
  uptime: nullable({ type: 'number', minimum: 0 }),
  received: count,
  stale: count,
  gracefulRestart: flag,
  sent: count,
  lastError: nullable(text),
  description: nullable(text),
}

const vrf: RowSchema<Views['vrfs'][number]> = {
  name: text,
  rd: text,
  import: texts,
  export: texts,
  endpoints: count,
  routes: count,
  vni: nullable(count),
  routerMac: nullable(text),
}

const route: RowSchema<Views['routes'][number]> = {
  vrf: text,
  prefix: text,
  rd: text,
  routeTargets: texts,
  label: nullable(count),
  nextHop: nullable(text),
  encapsulation: nullable(text),
  peer: text,
  best: flag,
  installed: flag,
  stale: flag,
}

const label: RowSchema<Views['labels'][number]> = {
  label: count,
  action: text,
  vrf: nullable(text),
  endpoint: nullable(text),
  sources: texts,
}

const tunnel: RowSchema<Views['tunnels'][number]> = {
  local: text,
  remote: text,
  encapsulation: text,
  nextHops: count,
  routes: count,
  pathMtu: nullable(count),
  hostLink: nullable(text),
}

const drop: RowSchema<Views['drops'][number]> = { reason: text, packets: count }

const rateLimit = nullable(closed({ bitsPerSecond: count, burstOctets: count }))

const endpoint: RowSchema<Views['endpoints'][number]> = {
  vrf: text,
  netns: text,
  ifname: text,
  addresses: texts,
  link: { type: 'string', enum: ['ip', 'ethernet'] },
  mac: nullable(text),
  rateLimits: closed({ egress: rateLimit, ingress: rateLimit }),
  label: count,
  mtu: count,
  state: { type: 'string', enum: ['pending', 'attached', 'failed'] },
  error: nullable(text),
}

const service: RowSchema<Views['services'][number]> = {
  service: text,
  vrf: text,
  address: text,
  protocol: text,
  port: count,
  backend: text,
  weight: count,
  state: { type: 'string', enum: ['ready', 'draining', 'down'] },
  check: nullable({ type: 'string', enum: ['tcp', 'http'] }),
  asked: flag,
  since: nullable({ type: 'number', minimum: 0 }),
  reason: nullable(text),
}

const bfd: RowSchema<Views['bfd'][number]> = {
  local: text,
  remote: text,
  hops: { type: 'string', enum: ['single', 'multiple'] },
  state: { type: 'string', enum: ['up', 'down', 'admin-down', 'unknown'] },
  since: nullable({ type: 'number', minimum: 0 }),
  reason: nullable(text),
  interval: { type: 'number', minimum: 0 },
  detection: { type: 'number', minimum: 0 },
  users: texts,
}

const dataplane: RowSchema<Views['dataplane'][number]> = {
  kind: text,
  encapsulations: texts,
  generation: count,
  vrfs: count,
  ports: count,
  nextHops: count,
  groups: count,
  labels: count,
  routes: count,
  devices: count,
  features: texts,
  tables: arrayOf(closed({ name: text, used: count, capacity: nullable(count) })),
  choices: arrayOf(closed({ what: text, chosen: text, because: text })),
  failures: texts,
}

const bpf: RowSchema<Views['bpf'][number]> = {
  kind: { type: 'string', enum: ['program', 'map', 'link', 'foreign'] },
  name: text,
  id: nullable(count),
  version: nullable(text),
  octets: nullable(count),
  capacity: nullable(count),
  pin: nullable(text),
  details: text,
}

/** The rows of each view. */
export const rowSchemas: { readonly [Name in ViewName]: RowSchema<Views[Name][number]> } = {
  neighbors: neighbor,
  vrfs: vrf,
  routes: route,
  labels: label,
  tunnels: tunnel,
  drops: drop,
  endpoints: endpoint,
  services: service,
  bfd,
  dataplane,
  bpf,
}

/** What `heddle show NAME --json` prints. */
export const viewSchemas = Object.fromEntries(
  Object.entries(rowSchemas).map(([name, row]) => [name, document(name, `What heddle show ${name} --json prints`, arrayOf(closed(row)))]),
) as Readonly<Record<ViewName, JsonSchema>>

/** What `heddle explain --json` prints. */
export const explainSchema: JsonSchema = document(
  'explain',
  'What heddle explain --json prints',
  closed({
    steps: arrayOf(closed({ step: text, text })),
    outcome: { type: 'string', enum: ['deliver', 'send', 'drop'] },
    verdict: text,
  }),
)
