import type { Family } from '@heddle/bgp'
import type { EndpointRequest } from '@heddle/core'
import type { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'

/** What an agent shall be; a change of it is reconciled, so that only what differs moves. */
export interface NodeConfig extends SpeakerConfig {
  readonly vrfs: readonly VrfConfig[]
  /** Endpoints that shall be attached as long as they stand here; others come through `EndpointService`. */
  readonly endpoints: readonly EndpointRequest[]
  /** Largest packet of the underlay in octets; an endpoint's MTU is this minus the overhead of the widest encapsulation. */
  readonly underlayMtu: number
}

/** What a speaker without VRFs shall be: a route reflector, for example. */
export interface SpeakerConfig {
  readonly name: string
  /** In the underlay: tunnel end and source of BGP connections. */
  readonly address: IpAddress
  readonly bgp: BgpConfig
}

export interface BgpConfig {
  /** 1–4,294,967,295. */
  readonly as: number
  readonly routerId: IpAddress
  /** Seconds: 0 or 3–65,535. */
  readonly holdTime: number
  /** Seconds for which peers keep our routes while we restart, 1–4,095. */
  readonly restartTime: number
  readonly listen: readonly { readonly address: IpAddress; readonly port: number }[]
  readonly neighbors: readonly NeighborConfig[]
  readonly networks: readonly NetworkConfig[]
}

export interface NeighborConfig {
  readonly address: IpAddress
  readonly port: number
  readonly as: number
  readonly families: readonly Family[]
  readonly passive: boolean
  readonly routeReflectorClient: boolean
  readonly gracefulRestart: boolean
  readonly localAddress?: IpAddress
}

/** A VPN route that is originated as it stands. */
export interface NetworkConfig {
  readonly rd: RouteDistinguisher
  readonly prefix: IpPrefix
  /** 16–1,048,575. */
  readonly label: number
  readonly nextHop: IpAddress
  readonly routeTargets: readonly RouteTarget[]
}

export interface VrfConfig {
  readonly name: string
  readonly rd: RouteDistinguisher
  readonly import: readonly RouteTarget[]
  readonly export: readonly RouteTarget[]
}
