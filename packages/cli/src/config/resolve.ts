import type { AgentConfig, NetworkConfig, SpeakerNodeConfig } from '@heddle/agent'
import type { FamilyName, NeighborConfig, SpeakerConfig } from '@heddle/bgp'
import type { EndpointRequest, StaticRouteIntent, VrfIntent } from '@heddle/core'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type {
  BgpSection,
  EndpointSection,
  NeighborSection,
  NetworkSection,
  NodeDocument,
  SpeakerDocument,
  StaticRouteSection,
  VrfSection,
} from './document.js'

export const DEFAULT_HOLD_TIME = 90
export const DEFAULT_RESTART_TIME = 120
export const DEFAULT_UNDERLAY_MTU = 1_500
export const DEFAULT_FAMILIES: readonly FamilyName[] = ['vpnv4-unicast', 'vpnv6-unicast', 'rtc']

/** Path of the control socket of the node `name`. */
export function defaultSocket(name: string): string {
  return `/run/heddle/${name}.sock`
}

/**
 * The values of a document that the schema and `checkNode` have accepted, with the defaults filled in.
 *
 * @param found what the machine says where the document does not
 */
export function resolveNode(document: NodeDocument, found: { readonly underlayMtu?: number } = {}): AgentConfig {
  return {
    ...resolveSpeaker(document),
    vrfs: (document.vrfs ?? []).map(resolveVrf),
    endpoints: (document.endpoints ?? []).map(resolveEndpoint),
    underlayMtu: document.dataplane?.underlayMtu ?? found.underlayMtu ?? DEFAULT_UNDERLAY_MTU,
  }
}

/** As `resolveNode`, for a speaker. */
export function resolveSpeaker({ node, bgp }: SpeakerDocument): SpeakerNodeConfig {
  const address = IpAddress.parse(node.address)
  return {
    name: node.name,
    address,
    bgp: resolveBgp(bgp, address),
    networks: (bgp.networks ?? []).map((network) => resolveNetwork(network, address)),
  }
}

function resolveBgp(bgp: BgpSection, address: IpAddress): SpeakerConfig {
  const {
    as,
    routerId = String(address),
    holdTime = DEFAULT_HOLD_TIME,
    restartTime = DEFAULT_RESTART_TIME,
    listen = [],
    neighbors = [],
  } = bgp
  return {
    as,
    routerId,
    listen,
    // With each neighbor, where a reload can change it.
    neighbors: neighbors.map((neighbor) => ({ ...resolveNeighbor(neighbor, address), holdTime })),
    gracefulRestart: { restartTime },
  }
}

function resolveNeighbor(neighbor: NeighborSection, own: IpAddress): NeighborConfig {
  const { families = DEFAULT_FAMILIES, localAddress, ...rest } = neighbor
  const local = localAddress === undefined ? own : IpAddress.parse(localAddress)
  return {
    ...rest,
    families: families as readonly FamilyName[],
    ...(local.family === IpAddress.parse(neighbor.address).family ? { localAddress: String(local) } : {}),
  }
}

function resolveNetwork({ rd, prefix, label, nextHop, routeTargets }: NetworkSection, own: IpAddress): NetworkConfig {
  return {
    rd: RouteDistinguisher.parse(rd),
    prefix: IpPrefix.parse(prefix),
    label,
    nextHop: nextHop === undefined ? own : IpAddress.parse(nextHop),
    routeTargets: targetsOf(routeTargets),
  }
}

function resolveVrf(section: VrfSection): VrfIntent {
  const { name, rd, import: imported = [], export: exported = [], staticRoutes = [], tunnelSources = [] } = section
  return {
    name,
    rd: RouteDistinguisher.parse(rd),
    import: targetsOf(imported),
    export: targetsOf(exported),
    staticRoutes: staticRoutes.map(resolveStaticRoute),
    tunnelSources: tunnelSources.map((text) => IpPrefix.parse(text)),
  }
}

function resolveStaticRoute({ prefix, via }: StaticRouteSection): StaticRouteIntent {
  return {
    prefix: IpPrefix.parse(prefix),
    via: via === 'discard' ? { type: 'discard' } : { type: 'endpoint', address: IpAddress.parse(via) },
  }
}

/** The request that an endpoint's text means. */
export function resolveEndpoint({ vrf, netns, ifname, addresses }: EndpointSection): EndpointRequest {
  return { vrf, netns, ifname, addresses: addresses.map((text) => IpPrefix.parse(text).address) }
}

function targetsOf(texts: readonly string[]): RouteTarget[] {
  return texts.map((text) => RouteTarget.parse(text))
}
