import {
  IPV4_LABELED_UNICAST,
  IPV4_UNICAST,
  IPV6_LABELED_UNICAST,
  IPV6_UNICAST,
  toJson,
  type LocalRoute,
  type LocalRouteKey,
} from '@heddle/bgp'
import { toBgp, type Originations } from '@heddle/exchange'
import { LOCAL_PREFERENCE } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import type { NetworkConfig } from '../config.js'
import { namedChanges, type ConfigChange } from './config-change.js'

/** What a speaker has to originate and take back so that `after` stands in the place of `before`. */
export function networkChanges(before: readonly NetworkConfig[], after: readonly NetworkConfig[]): Originations {
  const [old, wanted] = [textsOf(before), textsOf(after)]
  const gone = before.filter((network) => !wanted.has(nameOf(network)))
  const changed = after.filter((network) => old.get(nameOf(network)) !== wanted.get(nameOf(network)))
  return { announce: changed.map(routeOf), withdraw: gone.map(routeOf).map(({ family, nlri }): LocalRouteKey => ({ family, nlri })) }
}

/** The same as a person is told it. */
export function networkPlan(before: readonly NetworkConfig[], after: readonly NetworkConfig[]): ConfigChange[] {
  return namedChanges('network', textsOf(before), textsOf(after))
}

function textsOf(networks: readonly NetworkConfig[]): Map<string, string> {
  return new Map(networks.map((network) => [nameOf(network), textOf(network)]))
}

/** `65000:1 10.0.0.0/8`, `labeled 10.0.0.0/8`, `10.0.0.0/8`. */
function nameOf({ rd, prefix, label }: NetworkConfig): string {
  return `${rd === undefined ? (label === undefined ? '' : 'labeled ') : `${rd} `}${prefix}`
}

function routeOf(network: NetworkConfig): LocalRoute {
  const { rd, prefix, label, attributes = {} } = network
  if (rd !== undefined) return vpnRouteOf(network, rd)
  const four = prefix.family === 4
  // an IPv6 route is told over an IPv4 underlay as ::ffff:a.b.c.d (RFC 4798 §2)
  const nextHop = labelHop(network.nextHop, four)
  if (label === undefined) return { family: four ? IPV4_UNICAST : IPV6_UNICAST, nlri: { kind: 'unicast', prefix }, nextHop, attributes }
  const family = four ? IPV4_LABELED_UNICAST : IPV6_LABELED_UNICAST
  return { family, nlri: { kind: 'labeled-unicast', labels: [label], prefix }, nextHop, attributes }
}

function labelHop(address: IpAddress, four: boolean): IpAddress {
  return four ? address : address.toV4Mapped()
}

/** As the model's own routes are told, with what is asked for besides. */
function vpnRouteOf(network: NetworkConfig, rd: NonNullable<NetworkConfig['rd']>): LocalRoute {
  const { prefix, label = 0, nextHop, routeTargets, attributes = {} } = network
  const base = { rd, prefix, label, nextHop, routeTargets, source: 'local', pathId: 0, encapsulations: ['mpls-udp'] } as const
  const [route] = toBgp([{ kind: 'announce', route: { ...base, preference: LOCAL_PREFERENCE } }]).announce
  const { extendedCommunities = [] } = route.attributes ?? {}
  const all = [...extendedCommunities, ...(attributes.extendedCommunities ?? [])]
  return { ...route, attributes: { ...route.attributes, ...attributes, ...(all.length === 0 ? {} : { extendedCommunities: all }) } }
}

function textOf(network: NetworkConfig): string {
  const { label, nextHop, routeTargets, attributes = {} } = network
  return `${label} ${nextHop} ${routeTargets.join(' ')} ${JSON.stringify(toJson(attributes))}`
}
