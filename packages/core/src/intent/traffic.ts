import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { NumberRange, PolicyRule, PolicyVerdict } from '../dataplane/policy.js'
import type { MirrorDirection } from '../dataplane/mirror.js'
import type { TraceFilter } from '../dataplane/trace.js'
import type { HealthCheckIntent } from './health-check.js'
import type { ServiceBackend, ServiceObject, ServiceProtocol } from '../dataplane/service.js'

/** What a node shall do with the traffic of its VRFs besides forwarding it. */
export interface TrafficIntents {
  readonly policies?: readonly PolicyIntent[]
  readonly services?: readonly ServiceIntent[]
  readonly nat?: readonly NatIntent[]
  readonly mirrors?: readonly MirrorIntent[]
  /** BFD with the far end of every tunnel that routes lead into, as many as the dataplane watches (`limits.liveness`), those that came first; none when left out. */
  readonly tunnelLiveness?: LivenessIntent
}

/** A rule that may name a mirror of the intents. */
export type PolicyRuleIntent = Omit<PolicyRule, 'mirror'> & { readonly mirror?: string }

/** Rules of one direction, as the endpoint sees it. */
export interface DirectionIntent {
  readonly rules: readonly PolicyRuleIntent[]
  /** Of a flow that no rule fits. */
  readonly defaultVerdict: PolicyVerdict
}

/** Which connections endpoints of a VRF may open and be opened to. An endpoint has, for each direction, the first policy of the list that selects it. */
export interface PolicyIntent {
  /** Unique on the node. */
  readonly name: string
  readonly vrf: string
  /** Endpoints with an address in one of these; all of the VRF when left out. */
  readonly endpoints?: readonly IpPrefix[]
  readonly ingress?: DirectionIntent
  readonly egress?: DirectionIntent
}

/** A virtual address of a VRF with its backends. */
export interface ServiceIntent extends Omit<ServiceObject, 'id' | 'vrf' | 'seed'> {
  /** Unique on the node. */
  readonly name: string
  readonly vrf: string
  readonly protocol: ServiceProtocol
  readonly backends: readonly ServiceBackend[]
  /** Whether others are told a host route to the address, so that they reach the service through this node; true when left out. */
  readonly advertise?: boolean
  /**
   * Asks backends that are endpoints of this node whether they answer. One that does not keeps its flows and gets no new ones. When none does, none is
   * chosen, and others are not told of the address: those who also have it take the flows. A backend elsewhere counts as down when the last route to
   * it went.
   */
  readonly health?: HealthCheckIntent
}

/**
 * A VRF whose addresses are hidden behind one where its packets go to another VRF of this node. What goes on from there into a third VRF by another one of these
 * gets no replies (`NatPoolObject`).
 */
export interface NatIntent {
  /** The VRF that is hidden, and the one in which it is. */
  readonly vrf: string
  readonly outside: string
  /** In the outside VRF, which others are told a host route to. One a family. */
  readonly address: IpAddress
  /** 1–65,535. */
  readonly ports: NumberRange
  /** What the VRF sends outside, which its parts on other nodes are told: they go this way, too. Everything of the address's family when left out. */
  readonly destinations?: readonly IpPrefix[]
}

/** Copies for a collector. Rules may name it, too. */
export interface MirrorIntent {
  /** Unique on the node. */
  readonly name: string
  /** Whose endpoints are copied; none for a mirror that only rules name. */
  readonly vrf?: string
  /** As `PolicyIntent.endpoints`. */
  readonly endpoints?: readonly IpPrefix[]
  /** `both` when left out. */
  readonly direction?: MirrorDirection | 'both'
  readonly collector: IpAddress
  /** ERSPAN session, 0–1,023. */
  readonly session: number
  /** As `MirrorObject.snapLength`. */
  readonly snapLength?: number
}

/** Which live packets are to be told of; the VRF by its name. */
export type TraceIntent = Omit<TraceFilter, 'vrf'> & { readonly vrf?: string }

/** How liveness is found out; see `LivenessObject`. */
export interface LivenessIntent {
  /** Microseconds. */
  readonly desiredMinTx: number
  readonly requiredMinRx: number
  readonly multiplier: number
}
