import type {
  BgpAdvertisementRow,
  BgpAttributesRow,
  BgpExplainRow,
  BgpImportRow,
  BgpNeighborRow,
  BgpPathRow,
  BgpPolicyRow,
  BgpRouteRow,
  BgpStatisticsRow,
  ConfigChange,
} from '@heddle/agent'
import type { MessageCounters, SpeakerMetrics } from '@heddle/bgp'
import { arrayOf, closed, count, document, flag, nullable, text, texts, type JsonSchema } from './json-schema.js'
import { oneOf } from './value-schemas.js'
import { rowSchemas, type RowSchema } from './view-schemas.js'

const number: JsonSchema = { type: 'number', minimum: 0 }
const anything: JsonSchema = {}
const counts: JsonSchema = { type: 'object', additionalProperties: count }

const route: RowSchema<BgpRouteRow> = {
  family: text,
  peer: text,
  rd: nullable(text),
  destination: text,
  pathId: count,
  labels: arrayOf(count),
  nextHop: nullable(text),
  origin: nullable(text),
  asPath: text,
  localPref: nullable(count),
  med: nullable(count),
  communities: texts,
  routeTargets: texts,
  best: flag,
  multipath: flag,
  stale: flag,
  invalid: nullable(text),
  attributes: anything,
}
const messages: RowSchema<MessageCounters> = { open: count, update: count, notification: count, keepalive: count, routeRefresh: count }
const bothWays = closed({ sent: closed(messages), received: closed(messages) })
const capabilities: RowSchema<NonNullable<BgpNeighborRow['capabilities']>> = {
  asn4: flag,
  extendedMessage: flag,
  routeRefresh: flag,
  enhancedRouteRefresh: flag,
  addPathSend: texts,
  addPathReceive: texts,
  extendedNextHop: texts,
  gracefulRestart: anything,
  longLivedGracefulRestart: anything,
  role: nullable(text),
}
const neighbor: RowSchema<BgpNeighborRow> = {
  ...rowSchemas.neighbors,
  localAddress: nullable(text),
  remoteAddress: nullable(text),
  bfd: nullable(oneOf('up', 'down', 'admin-down')),
  established: count,
  capabilities: nullable(closed(capabilities)),
  timers: closed({ hold: count, keepalive: nullable(count), connectRetry: nullable(number) }),
  messages: bothWays,
  routes: arrayOf(closed({ family: text, received: count, stale: count, sent: count })),
  lastNotification: nullable(closed({ direction: oneOf('sent', 'received'), code: count, subcode: count, shutdown: nullable(text) })),
  config: { type: 'object' },
}
const attributes: RowSchema<BgpAttributesRow> = {
  family: text,
  nextHop: nullable(text),
  routes: count,
  example: text,
  attributes: anything,
}
const policy: RowSchema<BgpPolicyRow> = {
  neighbor: text,
  direction: oneOf('import', 'export'),
  name: nullable(text),
  terms: count,
  text,
}
const path: RowSchema<BgpPathRow> = {
  peer: text,
  pathId: count,
  verdict: oneOf('best', 'multipath', 'lost', 'invalid', 'unreachable'),
  because: text,
  term: nullable(text),
  nextHop: nullable(text),
  localPref: nullable(count),
  med: nullable(count),
  asPath: text,
  stale: flag,
}
const advertised: RowSchema<BgpAdvertisementRow> = {
  neighbor: text,
  holds: flag,
  nextHop: nullable(text),
  because: nullable(text),
  term: nullable(text),
}
const imported: RowSchema<BgpImportRow> = { vrf: text, targets: arrayOf(text), because: nullable(text) }
const explain: RowSchema<BgpExplainRow> = {
  family: text,
  rd: nullable(text),
  destination: text,
  paths: arrayOf(closed(path)),
  advertised: arrayOf(closed(advertised)),
  imported: arrayOf(closed(imported)),
}
const statistics: RowSchema<BgpStatisticsRow> = {
  neighbor: text,
  family: text,
  received: count,
  used: count,
  best: count,
  stale: count,
  rejected: counts,
  sent: count,
}
const metrics: RowSchema<SpeakerMetrics> = {
  sessions: counts,
  messages: bothWays,
  routes: arrayOf(closed({ family: text, destinations: count, paths: count })),
  attributeSets: count,
  exportGroups: count,
  packed: count,
  queues: counts,
  memory: counts,
  schedulerLag: closed({ last: number, longest: number }),
}
const change: RowSchema<ConfigChange> = {
  what: oneOf('speaker', 'neighbor', 'network', 'vrf', 'endpoint', 'policy', 'service', 'nat', 'mirror', 'bfd', 'rtr', 'bmp', 'mrt'),
  name: text,
  kind: oneOf('add', 'remove', 'change', 'keep'),
  impact: oneOf('nothing', 'refresh', 'reset'),
  fields: texts,
}

const ROWS = { neighbors: neighbor, routes: route, attributes, policies: policy, explain, statistics, metrics } as const

/** What `heddle show bgp VIEW --json` prints, by the name of its file. */
export const bgpViewSchemas: Readonly<Record<string, JsonSchema>> = Object.fromEntries(
  Object.entries(ROWS).map(([name, row]) => [
    `bgp-${name}`,
    document(`bgp-${name}`, `What heddle show bgp ${name} --json prints`, arrayOf(closed(row))),
  ]),
)

/** What `heddle reload --json` prints. */
export const reloadSchema: JsonSchema = document('reload', 'What heddle reload --json prints', arrayOf(closed(change)))
