import type { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { LivenessObject } from '../dataplane/liveness.js'
import type { Encapsulation } from '../dataplane/objects.js'
import type { EndpointIntent, VrfIntent } from '../intent/intents.js'

/** A candidate for a prefix of a VRF. */
export interface RouteRow {
  readonly vrf: string
  readonly prefix: IpPrefix
  readonly rd: RouteDistinguisher
  readonly routeTargets: readonly RouteTarget[]
  readonly label: number
  /** Absent for a local route. */
  readonly nextHop?: IpAddress
  /** The far router; where it is there, `label` is a VNI. */
  readonly routerMac?: MacAddress
  /** Absent for a local route, and where neither end takes what the other sends. */
  readonly encapsulation?: Encapsulation
  /** Who told it; `local`. */
  readonly source: string
  /** Packets take it. */
  readonly best: boolean
  /** The dataplane holds it. */
  readonly installed: boolean
  readonly stale?: boolean
}

/** A VRF with what became of it. */
export interface VrfRow extends VrfIntent {
  readonly id: number
  readonly label: number
  /** Prefixes in the table. */
  readonly routes: number
  /** This node in the virtual network of the VRF's VNI, while the dataplane is told of it. */
  readonly routerMac?: MacAddress
}

/** An endpoint with what became of it. */
export interface EndpointRow extends EndpointIntent {
  readonly label: number
  readonly port: number
  readonly attached: boolean
}

/** A label that this node gave out. */
export interface LabelRow {
  readonly label: number
  readonly vrf: string
  readonly action: 'pop-forward' | 'pop-lookup'
  readonly endpoint?: string
  readonly installed: boolean
}

/** A path that the dataplane watches. */
export interface WatchedPathRow {
  readonly path: LivenessObject
  /** For whom: `bgp`, `tunnels`. */
  readonly users: readonly string[]
}

/** A tunnel that routes lead through. */
export interface TunnelRow {
  readonly local: IpAddress
  readonly remote: IpAddress
  readonly encapsulation: Encapsulation
  readonly routes: number
}
