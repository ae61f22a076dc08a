import type { LivenessObject } from './liveness.js'
import type { MirrorObject } from './mirror.js'
import type { NatPoolObject } from './nat-pool.js'
import type { GroupObject, LabelObject, NextHopObject, PortObject, TunnelSourcesObject, VniObject, VrfObject } from './objects.js'
import type { PolicyObject } from './policy.js'
import type { RouteBatch } from './route-batch.js'
import type { ServiceObject } from './service.js'
import type { TraceObject } from './trace.js'

/** The kinds of objects, in an order in which each refers only to earlier ones or, for routes, to groups. */
export const OBJECT_KINDS = [
  'vrf',
  'port',
  'liveness',
  'next-hop',
  'group',
  'tunnel-sources',
  'label',
  'vni',
  'mirror',
  'policy',
  'service',
  'nat-pool',
  'trace',
  'route',
] as const
/** One of `OBJECT_KINDS`. */
export type ObjectKind = (typeof OBJECT_KINDS)[number]

/** What is set and removed of one kind. Setting an object that exists replaces it; removing one that does not is no error. */
export interface ObjectChanges<T> {
  readonly set: readonly T[]
  /** Ids; labels and VNIs are their own ids. */
  readonly remove: readonly number[]
}

/**
 * One generation of the forwarding tables, as changes. Objects may refer to each other in any order inside a transaction: what counts is that
 * nothing dangles after it. Applying a transaction twice is the same as once.
 */
export interface FibTransaction {
  /** Increases by the caller's counting, 1 and up; `dump()` tells the last one applied. */
  readonly generation: number
  readonly vrfs: ObjectChanges<VrfObject>
  readonly ports: ObjectChanges<PortObject>
  readonly nextHops: ObjectChanges<NextHopObject>
  readonly groups: ObjectChanges<GroupObject>
  readonly tunnelSources: ObjectChanges<TunnelSourcesObject>
  readonly labels: ObjectChanges<LabelObject>
  readonly vnis: ObjectChanges<VniObject>
  /** Needs the feature `policy`; none when left out. */
  readonly policies?: ObjectChanges<PolicyObject>
  /** Needs the feature `service`; none when left out. */
  readonly services?: ObjectChanges<ServiceObject>
  /** Needs the feature `liveness`; none when left out. */
  readonly liveness?: ObjectChanges<LivenessObject>
  /** Needs the feature `nat`; none when left out. */
  readonly natPools?: ObjectChanges<NatPoolObject>
  /** None when left out. */
  readonly mirrors?: ObjectChanges<MirrorObject>
  /** None when left out. */
  readonly traces?: ObjectChanges<TraceObject>
  /** Later rows win over earlier ones with the same (VRF, prefix). */
  readonly routes: RouteBatch
}

/** Names one object in a report: `key` is its id, or `VRF PREFIX` for a route. */
export interface ObjectName {
  readonly kind: ObjectKind
  readonly key: string
}

/** What became of a transaction. */
export type ApplyReport =
  | {
      readonly status: 'applied'
      readonly generation: number
      /**
       * Objects that the kernel or device refused; each keeps its old state. One that the transaction does not have is named when something was refused that
       * follows from what it has: whoever sets that one again is told of it anew.
       */
      readonly failures: readonly ApplyFailure[]
    }
  | {
      /** Malformed or over the limits: nothing of it was applied. */
      readonly status: 'refused'
      readonly generation: number
      readonly failures: readonly ApplyFailure[]
    }

/** An object that could not be programmed, or of which programs could not be told all that they shall know; what was there before still is. */
export interface ApplyFailure {
  readonly object: ObjectName
  /**
   * Stable and machine-readable, e.g. `dataplane.dangling-reference`, `dataplane.limit`, `dataplane.range`, `dataplane.in-use`, `dataplane.unsupported`,
   * `dataplane.joint-label`.
   */
  readonly code: string
  /** For a person: what was found and what is allowed. */
  readonly message: string
}
