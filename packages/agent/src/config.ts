import type { BmpClientConfig, PathAttributes, RtrCacheConfig, SpeakerConfig } from '@heddle/bgp'
import type { EndpointRequest, TrafficIntents, VrfIntent } from '@heddle/core'
import type { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'

/** What a speaker without VRFs shall be: a route reflector, for example. */
export interface SpeakerNodeConfig {
  readonly name: string
  /** In the underlay. */
  readonly address: IpAddress
  readonly bgp: SpeakerConfig
  /** Routes that are originated as they stand. */
  readonly networks: readonly NetworkConfig[]
  /** Caches of origin authorizations (RFC 8210), the preferred one first. Default: none; origins are not validated. */
  readonly rtr?: readonly RtrCacheConfig[]
  /** Monitoring stations (RFC 7854). Default: none. */
  readonly bmp?: readonly BmpClientConfig[]
}

/** What an agent shall be; a change of it is reconciled, so that only what differs moves. */
export interface AgentConfig extends SpeakerNodeConfig {
  readonly vrfs: readonly VrfIntent[]
  /** What is done with the traffic of the VRFs besides forwarding it; nothing when left out. */
  readonly traffic?: TrafficIntents
  /** Endpoints that shall be attached as long as they stand here; others come through `EndpointService`. */
  readonly endpoints: readonly EndpointRequest[]
  /** Largest packet of the underlay in octets; an endpoint's MTU is this minus the overhead of the widest encapsulation. */
  readonly underlayMtu: number
  /** Most flows that policies remember of an endpoint, 1 and up; half of what the dataplane remembers of all when left out. */
  readonly endpointFlows?: number
}

/**
 * A route that is originated as it stands: of a VPN with route distinguisher and label, labeled unicast with a label alone, unicast without
 * either.
 */
export interface NetworkConfig {
  readonly rd?: RouteDistinguisher
  readonly prefix: IpPrefix
  /** 16–1,048,575. */
  readonly label?: number
  readonly nextHop: IpAddress
  /** Of a VPN route. */
  readonly routeTargets: readonly RouteTarget[]
  /** Default: origin `igp`. */
  readonly attributes?: PathAttributes
}
