import type { BgpConfig, NeighborConfig, NetworkConfig, NodeConfig, SpeakerConfig, VrfConfig } from '@heddle/agent'
import { familyByName, RTC, VPNV4_UNICAST, VPNV6_UNICAST, type Family } from '@heddle/bgp'
import type { EndpointRequest } from '@heddle/core'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { BgpSection, EndpointSection, NeighborSection, NetworkSection, NodeDocument, SpeakerDocument, VrfSection } from './document.js'

export const BGP_PORT = 179
export const DEFAULT_HOLD_TIME = 90
export const DEFAULT_RESTART_TIME = 120
export const DEFAULT_UNDERLAY_MTU = 1_500
export const DEFAULT_FAMILIES: readonly Family[] = [VPNV4_UNICAST, VPNV6_UNICAST, RTC]

/** Path of the control socket of the node `name`. */
export function defaultSocket(name: string): string {
  return `/run/heddle/${name}.sock`
}

/** The values of a document that the schema and `checkNode` have accepted, with the defaults filled in. */
export function resolveNode(document: NodeDocument): NodeConfig {
  return {
    ...resolveSpeaker(document),
    vrfs: (document.vrfs ?? []).map(resolveVrf),
    endpoints: (document.endpoints ?? []).map(resolveEndpoint),
    underlayMtu: document.dataplane?.underlayMtu ?? DEFAULT_UNDERLAY_MTU,
  }
}

/** As `resolveNode`, for a speaker. */
export function resolveSpeaker({ node, bgp }: SpeakerDocument): SpeakerConfig {
  const address = IpAddress.parse(node.address)
  return { name: node.name, address, bgp: resolveBgp(bgp, address) }
}

function resolveBgp(bgp: BgpSection, address: IpAddress): BgpConfig {
  return {
    as: bgp.as,
    routerId: bgp.routerId === undefined ? address : IpAddress.parse(bgp.routerId),
    holdTime: bgp.holdTime ?? DEFAULT_HOLD_TIME,
    restartTime: bgp.restartTime ?? DEFAULT_RESTART_TIME,
    listen: (bgp.listen ?? []).map((listen) => ({ address: IpAddress.parse(listen.address), port: listen.port ?? BGP_PORT })),
    neighbors: (bgp.neighbors ?? []).map((neighbor) => resolveNeighbor(neighbor, address)),
    networks: (bgp.networks ?? []).map((network) => resolveNetwork(network, address)),
  }
}

function resolveNeighbor(neighbor: NeighborSection, own: IpAddress): NeighborConfig {
  const address = IpAddress.parse(neighbor.address)
  const local = neighbor.localAddress === undefined ? own : IpAddress.parse(neighbor.localAddress)
  return {
    address,
    port: neighbor.port ?? BGP_PORT,
    as: neighbor.as,
    families: neighbor.families?.map((name) => familyByName(name) as Family) ?? DEFAULT_FAMILIES,
    passive: neighbor.passive ?? false,
    routeReflectorClient: neighbor.routeReflectorClient ?? false,
    gracefulRestart: neighbor.gracefulRestart ?? true,
    ...(local.family === address.family ? { localAddress: local } : {}),
  }
}

function resolveNetwork({ rd, prefix, label, nextHop, routeTargets }: NetworkSection, own: IpAddress): NetworkConfig {
  return {
    rd: RouteDistinguisher.parse(rd),
    prefix: IpPrefix.parse(prefix),
    label,
    nextHop: nextHop === undefined ? own : IpAddress.parse(nextHop),
    routeTargets: routeTargets.map(RouteTarget.parse),
  }
}

function resolveVrf({ name, rd, import: imported = [], export: exported = [] }: VrfSection): VrfConfig {
  return {
    name,
    rd: RouteDistinguisher.parse(rd),
    import: imported.map(RouteTarget.parse),
    export: exported.map(RouteTarget.parse),
  }
}

/** The request that an endpoint's text means. */
export function resolveEndpoint({ vrf, netns, ifname, addresses }: EndpointSection): EndpointRequest {
  return { vrf, netns, ifname, addresses: addresses.map((text) => IpPrefix.parse(text).address) }
}
