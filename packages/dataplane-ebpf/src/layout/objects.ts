import type { GroupObject, LabelObject, PortObject, VniObject, VrfObject } from '@heddle/core'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { bucketsOf } from './buckets.js'
import { readPrefix, writePrefix } from './prefix.js'
import { limitBits } from './rate.js'
import { View } from './struct.js'
import { NONE, PREFIX } from './structs/address.js'
import { GROUP, MEMBER } from './structs/next-hop.js'
import { LABEL, PORT, VNI, VRF } from './structs/objects.js'

/* Objects of the contract, except next hops, to values of maps and back. */

const PORT_KINDS = ['endpoint', 'uplink', 'host'] as const
const LABEL_ACTIONS = ['pop-forward', 'pop-lookup', 'swap'] as const
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Octets of a name in the kernel's map. */
export function nameOctets({ name }: VrfObject): number {
  return encoder.encode(name).length
}

export function encodeVrf(vrf: VrfObject, root4: number, root6: number): Uint8Array {
  const name = encoder.encode(vrf.name)
  const view = new View(VRF).set('root4', root4).set('root6', root6).set('name_length', name.length)
  view.octets('name').set(name)
  return view.bytes
}

export function decodeVrf(id: number, bytes: Uint8Array): VrfObject {
  const view = new View(VRF, bytes)
  return { id, name: decoder.decode(view.octets('name').subarray(0, view.get('name_length'))) }
}

export function encodePort(port: PortObject): Uint8Array {
  const { kind, vrf = NONE, mtu, allowedSources, gateways, clampMss, maxFlows = NONE, link, rateLimits } = port
  const carries = (family: 4 | 6): boolean => allowedSources.length === 0 || allowedSources.some((prefix) => prefix.family === family)
  const view = new View(PORT)
    .set('kind', PORT_KINDS.indexOf(kind))
    .set('vrf', vrf)
    .set('mtu', mtu)
    .set('carries', (carries(4) ? 1 : 0) | (carries(6) ? 2 : 0))
    .set('clamps', clampMss === true ? 1 : 0)
    .set('says_default', clampMss === undefined ? 0 : 1)
    .set('allowed_count', allowedSources.length)
    .set('gateway_count', gateways.length)
    .set('max_flows', Math.min(maxFlows, NONE))
    .set('has_link', link === undefined ? 0 : 1)
    .set('limits', limitBits(rateLimits))
  if (link !== undefined) view.octets('link_mac').set(link.mac.toBytes())
  for (const [index, prefix] of allowedSources.entries()) writePrefix(view.element('allowed', PREFIX, index), prefix)
  for (const [index, gateway] of gateways.entries()) writePrefix(view.element('gateways', PREFIX, index), IpPrefix.of(gateway))
  return view.bytes
}

/** A port, without its rate limits, which are elsewhere. */
export function decodePort(id: number, bytes: Uint8Array): PortObject {
  const view = new View(PORT, bytes)
  const vrf = view.get('vrf')
  const maxFlows = view.get('max_flows')
  const prefixes = (name: 'allowed' | 'gateways', count: number): IpPrefix[] =>
    Array.from({ length: count }, (_, index) => readPrefix(view.element(name, PREFIX, index)))
  return {
    id,
    kind: PORT_KINDS[view.get('kind')],
    ...(vrf === NONE ? {} : { vrf }),
    allowedSources: prefixes('allowed', view.get('allowed_count')),
    gateways: prefixes('gateways', view.get('gateway_count')).map(({ address }) => address),
    mtu: view.get('mtu'),
    ...(view.get('says_default') === 0 ? {} : { clampMss: view.get('clamps') === 1 }),
    ...(maxFlows === NONE ? {} : { maxFlows }),
    ...(view.get('has_link') === 0 ? {} : { link: { mac: macOf(view.octets('link_mac')) } }),
  }
}

export function encodeGroup(group: GroupObject): Uint8Array {
  const { seed, members } = group
  const view = new View(GROUP).set('seed', seed).set('count', members.length)
  for (const [index, { nextHop, weight }] of members.entries()) {
    view.element('members', MEMBER, index).set('next_hop', nextHop).set('weight', weight)
  }
  view.octets('buckets').set(bucketsOf(group))
  return view.bytes
}

export function decodeGroup(id: number, bytes: Uint8Array): GroupObject {
  const view = new View(GROUP, bytes)
  const members = Array.from({ length: view.get('count') }, (_, index) => {
    const member = view.element('members', MEMBER, index)
    return { nextHop: member.get('next_hop'), weight: member.get('weight') }
  })
  return { id, members, seed: view.get('seed') }
}

export function encodeLabel({ action, sources, trafficClassModel }: LabelObject): Uint8Array {
  const target = action.type === 'swap' ? action.nextHop : action.type === 'pop-lookup' ? action.vrf : action.port
  return new View(LABEL)
    .set('action', LABEL_ACTIONS.indexOf(action.type))
    .set('target', target)
    .set('sources', sources)
    .set('uniform_class', trafficClassModel === 'uniform' ? 1 : 0)
    .set('says_default', trafficClassModel === undefined ? 0 : 1).bytes
}

export function decodeLabel(label: number, bytes: Uint8Array): LabelObject {
  const view = new View(LABEL, bytes)
  const type = LABEL_ACTIONS[view.get('action')]
  const target = view.get('target')
  const trafficClassModel = view.get('uniform_class') === 1 ? ('uniform' as const) : ('pipe' as const)
  const rest = { sources: view.get('sources'), ...(view.get('says_default') === 0 ? {} : { trafficClassModel }) }
  if (type === 'swap') return { label, action: { type, nextHop: target }, ...rest }
  if (type === 'pop-lookup') return { label, action: { type, vrf: target }, ...rest }
  return { label, action: { type, port: target }, ...rest }
}

export function encodeVni({ vrf, sources, routerMac }: VniObject): Uint8Array {
  const view = new View(VNI).set('vrf', vrf).set('sources', sources)
  view.octets('router_mac').set(routerMac.toBytes())
  return view.bytes
}

export function decodeVni(vni: number, bytes: Uint8Array): VniObject {
  const view = new View(VNI, bytes)
  return { vni, vrf: view.get('vrf'), routerMac: macOf(view.octets('router_mac')), sources: view.get('sources') }
}

/** The MAC address in the first six octets. */
export function macOf(octets: Uint8Array): MacAddress {
  return MacAddress.fromBytes(octets.subarray(0, 6))
}
