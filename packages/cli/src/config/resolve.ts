import type { AgentConfig, SpeakerNodeConfig } from '@heddle/agent'
import { defaultBurst, type EndpointRequest, type RateLimit, type RateLimits, type StaticRouteIntent, type VrfIntent } from '@heddle/core'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { EndpointSection, NodeDocument, RateLimitSection, SpeakerDocument, StaticRouteSection, VrfSection } from './document.js'
import { resolveTraffic } from './resolve-traffic.js'
import { DEFAULT_FAMILIES, resolveBgp, resolveMonitoring, resolveNetwork } from './resolve-bgp.js'

export const DEFAULT_UNDERLAY_MTU = 1_500

/**
 * The values of a document that the schema and `checkNode` have accepted, with the defaults filled in.
 *
 * @param found what the machine says where the document does not
 */
export function resolveNode(document: NodeDocument, found: { readonly underlayMtu?: number } = {}): AgentConfig {
  const { endpointFlows } = document.dataplane ?? {}
  const hasVni = document.vrfs?.some(({ vni }) => vni !== undefined) === true
  return {
    ...resolveSpeaker(document, hasVni ? [...DEFAULT_FAMILIES, 'l2vpn-evpn'] : DEFAULT_FAMILIES),
    vrfs: (document.vrfs ?? []).map(resolveVrf),
    endpoints: (document.endpoints ?? []).map(resolveEndpoint),
    traffic: resolveTraffic(document),
    underlayMtu: document.dataplane?.underlayMtu ?? found.underlayMtu ?? DEFAULT_UNDERLAY_MTU,
    ...(endpointFlows === undefined ? {} : { endpointFlows }),
  }
}

/** As `resolveNode`, for a speaker. @param families of neighbors that name none */
export function resolveSpeaker({ node, bgp }: SpeakerDocument, families = DEFAULT_FAMILIES): SpeakerNodeConfig {
  const address = IpAddress.parse(node.address)
  return {
    name: node.name,
    address,
    bgp: resolveBgp(bgp, address, families),
    networks: (bgp.networks ?? []).map((network) => resolveNetwork(network, address)),
    ...resolveMonitoring(bgp),
  }
}

function resolveVrf(section: VrfSection): VrfIntent {
  const { name, rd, import: imported = [], export: exported = [], vni, staticRoutes = [], tunnelSources = [] } = section
  return {
    name,
    rd: RouteDistinguisher.parse(rd),
    import: targetsOf(imported),
    export: targetsOf(exported),
    staticRoutes: staticRoutes.map(resolveStaticRoute),
    tunnelSources: tunnelSources.map((text) => IpPrefix.parse(text)),
    ...(vni === undefined ? {} : { vni }),
  }
}

function resolveStaticRoute({ prefix, via }: StaticRouteSection): StaticRouteIntent {
  return {
    prefix: IpPrefix.parse(prefix),
    via: via === 'discard' ? { type: 'discard' } : { type: 'endpoint', address: IpAddress.parse(via) },
  }
}

/** The request that an endpoint's text means. */
export function resolveEndpoint(section: EndpointSection): EndpointRequest {
  const { vrf, netns, ifname, addresses, routes, link, gateways, rateLimits } = section
  return {
    vrf,
    netns,
    ifname,
    addresses: addresses.map((text) => IpPrefix.parse(text).address),
    ...(routes === undefined ? {} : { routes: routes.map((text) => IpPrefix.parse(text)) }),
    ...(link === undefined ? {} : { link }),
    ...(gateways === undefined ? {} : { gateways: gateways.map((text) => IpAddress.parse(text)) }),
    ...(rateLimits === undefined ? {} : { rateLimits: resolveRateLimits(rateLimits) }),
  }
}

function resolveRateLimits({ egress, ingress }: NonNullable<EndpointSection['rateLimits']>): RateLimits {
  const limit = ({ bitsPerSecond, burstOctets = defaultBurst(bitsPerSecond) }: RateLimitSection): RateLimit => ({
    bitsPerSecond,
    burstOctets,
  })
  return { ...(egress && { egress: limit(egress) }), ...(ingress && { ingress: limit(ingress) }) }
}

function targetsOf(texts: readonly string[]): RouteTarget[] {
  return texts.map((text) => RouteTarget.parse(text))
}
