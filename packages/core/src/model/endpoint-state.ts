import { IpPrefix, MacAddress } from '@heddle/wire'
import type { PortObject } from '../dataplane/objects.js'
import type { EndpointIntent } from '../intent/intents.js'
import type { VrfState } from './vrf-state.js'

/**
 * The virtual router's address on Ethernet devices: locally administered (IEEE 802), and the same on every node, so that an endpoint that moves keeps its
 * neighbour.
 */
export const ROUTER_MAC = MacAddress.parse('02:68:65:64:64:6c')

/** An endpoint with what was allocated for it. */
export class EndpointState {
  /** Whether its device is there; before, its routes are not told to anyone. */
  attached = false

  constructor(
    readonly port: number,
    readonly label: number,
    readonly vrf: VrfState,
    readonly intent: EndpointIntent,
    readonly maxFlows: number | undefined,
  ) {}

  /** Packets may come from its addresses, and from what static routes send to it: it is the router of those. */
  get portObject(): PortObject {
    const { addresses, mtu, link, gateways = [], rateLimits } = this.intent
    const behind = [...this.vrf.statics.values()].flatMap(({ prefix, via }) =>
      via.type === 'endpoint' && addresses.some((address) => address.equals(via.address)) ? [prefix] : [],
    )
    const allowedSources = [...addresses.map((address) => IpPrefix.of(address)), ...behind]
    const ethernet = link === 'ethernet' ? { link: { mac: ROUTER_MAC } } : {}
    const limited = rateLimits === undefined ? {} : { rateLimits }
    const counted = this.maxFlows === undefined ? {} : { maxFlows: this.maxFlows }
    return { id: this.port, kind: 'endpoint', vrf: this.vrf.id, allowedSources, gateways, mtu, ...ethernet, ...limited, ...counted }
  }
}

/** Where an endpoint is on this node. */
export type EndpointPlace = Pick<EndpointIntent, 'netns' | 'ifname'>

/** Names an endpoint on this node. */
export function endpointName({ netns, ifname }: EndpointPlace): string {
  return `${netns} ${ifname}`
}
