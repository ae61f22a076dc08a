import type { DataplaneCapabilities } from './dataplane.js'
import { isRateLimited } from './rate-limit.js'
import type { ApplyFailure, FibTransaction, ObjectKind } from './transaction.js'

/**
 * What a dataplane may offer beyond the tables that every dataplane has. One that does not name a feature among its capabilities refuses objects that
 * ask for it with `dataplane.unsupported`, and forwards as if the feature had never been thought of.
 */
export const DATAPLANE_FEATURES = [
  /** IPv4 packets that may be fragmented are cut where the next hop is too small (RFC 791 §3.2); otherwise they are dropped as `mtu-exceeded`. */
  'fragmentation',
  /** `PortObject.clampMss`. */
  'mss-clamp',
  /** `ecn` of a tunnel; and what the underlay marked is passed on to the packet inside (RFC 6040). */
  'ecn',
  /** `LabelObject.trafficClassModel`. */
  'traffic-class-pop',
  /** Who sent a packet from a port that ran out of TTL, or was too large, is told by ICMP (RFC 1812 §4.3.3, RFC 4443 §3); without it, may be. */
  'port-errors',
  /** Who sent a packet that came through a tunnel and ran out of TTL, or was too large, is told through the VRF. */
  'tunnel-errors',
  /** Policy objects, `PortObject.maxFlows`: stateful rules for what endpoints send and get. */
  'policy',
  /** Service objects: virtual addresses whose connections are spread over backends. */
  'service',
  /** NAT pool objects: the addresses of a VRF hidden behind one where it meets another. */
  'nat',
  /** Liveness objects, and next hops that name one: BFD with other routers. */
  'liveness',
  /** `vrfs`, `labels` and `nextHops` of a counter snapshot. */
  'table-counters',
  /** `PortObject.link`. */
  'ethernet',
  /** Mirror objects: copies of the packets of ports for an observer. */
  'mirror',
  /** `PolicyRule.mirror`: copies of the packets that a rule judges. Needs `mirror` and `policy`. */
  'mirror-rules',
  /** Trace objects: live packets, step by step. */
  'trace',
  /** `PortObject.rateLimits`. */
  'rate-limit',
  /** TCP segments that come behind a joint label are joined before they are looked at, so that others are better told of it (ADR 0025). */
  'joint-labels',
] as const

/** One of `DATAPLANE_FEATURES`. */
export type DataplaneFeature = (typeof DATAPLANE_FEATURES)[number]

/** Whether a dataplane offers `feature`. */
export function hasFeature({ features }: Pick<DataplaneCapabilities, 'features'>, feature: DataplaneFeature): boolean {
  return features?.includes(feature) === true
}

/** What of a transaction asks for features that are not among `features`, as the failures of a refusal; for an adapter's validation. */
export function unsupportedObjects(transaction: FibTransaction, features: readonly DataplaneFeature[]): ApplyFailure[] {
  const failures: ApplyFailure[] = []
  const need = (kind: ObjectKind, key: number, feature: DataplaneFeature, asked: boolean): void => {
    if (!asked || features.includes(feature)) return
    failures.push({
      object: { kind, key: String(key) },
      code: 'dataplane.unsupported',
      message: `this dataplane does not offer ${feature}`,
    })
  }
  for (const { id, clampMss, maxFlows, link, rateLimits } of transaction.ports.set) {
    need('port', id, 'ethernet', link !== undefined)
    need('port', id, 'mss-clamp', clampMss === true)
    need('port', id, 'policy', maxFlows !== undefined)
    need('port', id, 'rate-limit', isRateLimited(rateLimits))
  }
  for (const { id, rules } of transaction.policies?.set ?? []) {
    need('policy', id, 'policy', true)
    const isMirrored = rules.some(({ mirror }) => mirror !== undefined)
    need('policy', id, 'mirror-rules', isMirrored)
  }
  for (const { id } of transaction.mirrors?.set ?? []) need('mirror', id, 'mirror', true)
  for (const { id } of transaction.traces?.set ?? []) need('trace', id, 'trace', true)
  for (const { id } of transaction.services?.set ?? []) need('service', id, 'service', true)
  for (const { id } of transaction.natPools?.set ?? []) need('nat-pool', id, 'nat', true)
  for (const { id } of transaction.liveness?.set ?? []) need('liveness', id, 'liveness', true)
  for (const { id, action, liveness } of transaction.nextHops.set) {
    need('next-hop', id, 'ecn', action.type === 'tunnel' && action.ecn === 'normal')
    need('next-hop', id, 'liveness', liveness !== undefined)
  }
  for (const { label, trafficClassModel } of transaction.labels.set) {
    need('label', label, 'traffic-class-pop', trafficClassModel === 'uniform')
  }
  return failures
}
