import type { DataplaneFeature } from '@heddle/core'

/** What the programs offer beyond the tables that every dataplane has, where there is who keeps BFD sessions and what merges segments. */
export const OFFERED_FEATURES: readonly DataplaneFeature[] = [
  'mss-clamp',
  'ecn',
  'traffic-class-pop',
  'port-errors',
  'tunnel-errors',
  'policy',
  'fragmentation',
  'service',
  'nat',
  'liveness',
  'mirror',
  'mirror-rules',
  'trace',
  'table-counters',
  'ethernet',
  'rate-limit',
  'joint-labels',
]
