import type {
  GroupObject,
  LabelObject,
  NextHopAction,
  NextHopObject,
  PortObject,
  RateLimits,
  TunnelModel,
  TunnelSourcesObject,
  VniObject,
  VrfObject,
} from '@heddle/core'
import { address, list, mac, number, prefix, record, text } from './json.js'

/*
 * Table objects as they come out of JSON. The way in needs no code: the value types write themselves as text. Only the shape is checked here;
 * ranges and references are the tables' business, which refuse a transaction whole and say why.
 */

export function vrfFrom(json: unknown): VrfObject {
  const from = record(json, 'vrf')
  return { id: number(from['id'], 'vrf.id'), name: text(from['name'], 'vrf.name') }
}

export function portFrom(json: unknown): PortObject {
  const from = record(json, 'port')
  return {
    id: number(from['id'], 'port.id'),
    kind: text(from['kind'], 'port.kind') as PortObject['kind'],
    ...(from['vrf'] === undefined ? {} : { vrf: number(from['vrf'], 'port.vrf') }),
    allowedSources: list(from['allowedSources'], 'port.allowedSources', prefix),
    gateways: list(from['gateways'], 'port.gateways', address),
    mtu: number(from['mtu'], 'port.mtu'),
    ...(from['maxFlows'] === undefined ? {} : { maxFlows: number(from['maxFlows'], 'port.maxFlows') }),
    ...(from['link'] === undefined ? {} : { link: { mac: mac(record(from['link'], 'port.link')['mac'], 'port.link.mac') } }),
    ...(from['rateLimits'] === undefined ? {} : { rateLimits: rateLimitsFrom(from['rateLimits']) }),
    ...(from['clampMss'] === undefined ? {} : { clampMss: from['clampMss'] === true }),
  }
}

function rateLimitsFrom(json: unknown): RateLimits {
  const from = record(json, 'port.rateLimits')
  const limit = (direction: keyof RateLimits): RateLimits => {
    if (from[direction] === undefined) return {}
    const one = record(from[direction], `port.rateLimits.${direction}`)
    return {
      [direction]: { bitsPerSecond: number(one['bitsPerSecond'], 'bitsPerSecond'), burstOctets: number(one['burstOctets'], 'burstOctets') },
    }
  }
  return { ...limit('egress'), ...limit('ingress') }
}

export function nextHopFrom(json: unknown): NextHopObject {
  const from = record(json, 'next-hop')
  return {
    id: number(from['id'], 'next-hop.id'),
    action: nextHopActionFrom(from['action']),
    ...(from['liveness'] === undefined ? {} : { liveness: number(from['liveness'], 'next-hop.liveness') }),
  }
}

function nextHopActionFrom(json: unknown): NextHopAction {
  const from = record(json, 'next-hop.action')
  const type = text(from['type'], 'next-hop.action.type') as NextHopAction['type']
  switch (type) {
    case 'port':
      return { type, port: number(from['port'], 'next-hop.action.port') }
    case 'lookup':
      return { type, vrf: number(from['vrf'], 'next-hop.action.vrf') }
    case 'tunnel':
      return tunnelFrom(from)
    default:
      return from as NextHopAction
  }
}

type Tunnel = Extract<NextHopAction, { type: 'tunnel' }>

function tunnelFrom(from: ReturnType<typeof record>): Tunnel {
  return {
    type: 'tunnel',
    encapsulation: text(from['encapsulation'], 'tunnel.encapsulation') as Tunnel['encapsulation'],
    local: address(from['local'], 'tunnel.local'),
    remote: address(from['remote'], 'tunnel.remote'),
    labels: list(from['labels'], 'tunnel.labels', number),
    ...(from['vni'] === undefined ? {} : { vni: number(from['vni'], 'tunnel.vni') }),
    ...(from['routerMac'] === undefined ? {} : { routerMac: mac(from['routerMac'], 'tunnel.routerMac') }),
    ttlModel: text(from['ttlModel'], 'tunnel.ttlModel') as Tunnel['ttlModel'],
    trafficClassModel: text(from['trafficClassModel'], 'tunnel.trafficClassModel') as Tunnel['trafficClassModel'],
    ...(from['ecn'] === undefined ? {} : { ecn: text(from['ecn'], 'tunnel.ecn') as NonNullable<Tunnel['ecn']> }),
  }
}

export function groupFrom(json: unknown): GroupObject {
  const from = record(json, 'group')
  return {
    id: number(from['id'], 'group.id'),
    members: list(from['members'], 'group.members', (item, what) => {
      const member = record(item, what)
      return { nextHop: number(member['nextHop'], `${what}.nextHop`), weight: number(member['weight'], `${what}.weight`) }
    }),
    seed: number(from['seed'], 'group.seed'),
  }
}

export function tunnelSourcesFrom(json: unknown): TunnelSourcesObject {
  const from = record(json, 'tunnel-sources')
  return { id: number(from['id'], 'tunnel-sources.id'), prefixes: list(from['prefixes'], 'tunnel-sources.prefixes', prefix) }
}

export function labelFrom(json: unknown): LabelObject {
  const from = record(json, 'label')
  return {
    label: number(from['label'], 'label.label'),
    action: labelActionFrom(from['action']),
    sources: number(from['sources'], 'label.sources'),
    ...(from['trafficClassModel'] === undefined
      ? {}
      : { trafficClassModel: text(from['trafficClassModel'], 'label.trafficClassModel') as TunnelModel }),
  }
}

function labelActionFrom(json: unknown): LabelObject['action'] {
  const from = record(json, 'label.action')
  const type = text(from['type'], 'label.action.type') as LabelObject['action']['type']
  switch (type) {
    case 'pop-forward':
      return { type, port: number(from['port'], 'label.action.port') }
    case 'pop-lookup':
      return { type, vrf: number(from['vrf'], 'label.action.vrf') }
    case 'swap':
      return { type, nextHop: number(from['nextHop'], 'label.action.nextHop') }
    default:
      return from as LabelObject['action']
  }
}

export function vniFrom(json: unknown): VniObject {
  const from = record(json, 'vni')
  return {
    vni: number(from['vni'], 'vni.vni'),
    vrf: number(from['vrf'], 'vni.vrf'),
    routerMac: mac(from['routerMac'], 'vni.routerMac'),
    sources: number(from['sources'], 'vni.sources'),
  }
}
