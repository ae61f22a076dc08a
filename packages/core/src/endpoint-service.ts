import type { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import type { RateLimits } from './dataplane/rate-limit.js'

/** What the device of an endpoint can be. */
export const ENDPOINT_LINKS = ['ip', 'ethernet'] as const
/**
 * `ip`: whatever carries IP packets best, whose user meets no neighbour: a TUN device, or a veth that knows its only neighbour. `ethernet`: a device of
 * Ethernet frames, on which the virtual router answers for every neighbour by ARP and Neighbor Discovery; needs the dataplane's feature `ethernet`.
 */
export type EndpointLink = (typeof ENDPOINT_LINKS)[number]

/** Asks for an endpoint: a pod, container, VM or host interface in a VRF. */
export interface EndpointRequest {
  readonly vrf: string
  /** Path of the endpoint's network namespace. */
  readonly netns: string
  /** Device name inside it, 1–15 characters. */
  readonly ifname: string
  /** At least one, IPv4 or IPv6; each becomes a host route of the VRF. */
  readonly addresses: readonly IpAddress[]
  /** Destinations that the namespace shall send to the device; left out: everything. */
  readonly routes?: readonly IpPrefix[]
  /** `ip` when left out. An endpoint that is attached keeps its kind: another one is another endpoint. */
  readonly link?: EndpointLink
  /** Addresses at which the virtual router answers the endpoint, at most one a family: to pings, and on Ethernet as its gateway. None when left out. */
  readonly gateways?: readonly IpAddress[]
  /**
   * How fast it may send and get; as fast as it can when left out. An endpoint that is attached keeps its limits: other ones are another endpoint. Needs the
   * dataplane's feature `rate-limit`.
   */
  readonly rateLimits?: RateLimits
}

/** An endpoint that is attached. */
export interface EndpointView extends EndpointRequest {
  /** VPN label of its host routes. */
  readonly label: number
  readonly mtu: number
  /** Of the device; absent where it has none, or is not there. */
  readonly mac?: MacAddress
  /** `attached`: the dataplane holds it. `pending`: it is being programmed. `failed`: see `error`. */
  readonly state: 'pending' | 'attached' | 'failed'
  readonly error?: string
}

/** What a CNI, an operator's command or a controller calls to attach workloads. */
export interface EndpointService {
  /**
   * Attaches; resolves when the dataplane holds the device and the local routes. Idempotent for the same request; nothing is left behind
   * when it fails.
   *
   * @throws EndpointError
   */
  add(request: EndpointRequest, signal?: AbortSignal): Promise<EndpointView>
  /** Detaches and withdraws; resolves when the device is gone. Idempotent. */
  remove(endpoint: Pick<EndpointRequest, 'netns' | 'ifname'>, signal?: AbortSignal): Promise<void>
  list(): readonly EndpointView[]
  /** The endpoint with this device, or with this address in its VRF; `undefined` when there is none. */
  find(what: Pick<EndpointRequest, 'netns' | 'ifname'> | { readonly vrf: string; readonly address: IpAddress }): EndpointView | undefined
}

/** What stands in the way of an endpoint; the message says which value it is about. */
export type EndpointErrorCode =
  | 'endpoint.vrf-unknown'
  | 'endpoint.address-in-use'
  | 'endpoint.conflict'
  | 'endpoint.netns-missing'
  | 'endpoint.labels-exhausted'
  | 'endpoint.limit'
  | 'endpoint.dataplane'
  | 'endpoint.invalid'
  /** The dataplane does not offer what the endpoint asks for. */
  | 'endpoint.unsupported'

/** Why an endpoint could not be attached or detached. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError'

  constructor(
    readonly code: EndpointErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
