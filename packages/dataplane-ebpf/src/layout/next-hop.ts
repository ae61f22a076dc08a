import { DROP_REASONS, dropReasonIndex, ENCAPSULATIONS, type NextHopAction, type NextHopObject } from '@heddle/core'
import { LABEL_STACK_ENTRY_SIZE, mplsOverGre, mplsOverUdp, vxlan, type TunnelTemplate } from '@heddle/mpls'
import { MacAddress } from '@heddle/wire'
import { macOf } from './objects.js'
import { addressOf, wordsOf } from './prefix.js'
import { View } from './struct.js'
import { NONE } from './structs/address.js'
import { NEXT_HOP } from './structs/next-hop.js'

const ACTIONS = ['port', 'tunnel', 'lookup', 'local', 'discard'] as const

type Tunnel = Extract<NextHopAction, { readonly type: 'tunnel' }>

/**
 * A next hop as its value in the map.
 *
 * @param ownMac this router's address in the virtual network, for VXLAN
 * @param pathMtu largest packet that the path takes, outer headers included; 0 as long as nobody has told
 */
export function encodeNextHop({ action, liveness = NONE }: NextHopObject, ownMac: MacAddress | undefined, pathMtu: number): Uint8Array {
  const view = new View(NEXT_HOP).set('action', ACTIONS.indexOf(action.type)).set('vni', NONE).set('liveness', liveness)
  view.set('path_mtu', pathMtu)
  switch (action.type) {
    case 'port':
      return view.set('target', action.port).bytes
    case 'lookup':
      return view.set('target', action.vrf).bytes
    case 'local':
      return view.bytes
    case 'discard':
      return view.set('target', dropReasonIndex(action.reason ?? 'discard')).set('has_reason', action.reason === undefined ? 0 : 1).bytes
    case 'tunnel':
      return encodeTunnel(view, action, ownMac)
  }
}

function encodeTunnel(view: View<NextHopField>, tunnel: Tunnel, ownMac: MacAddress | undefined): Uint8Array {
  const { encapsulation, local, remote, labels, vni = NONE, routerMac, ttlModel, trafficClassModel, ecn } = tunnel
  view
    .set('encapsulation', ENCAPSULATIONS.indexOf(encapsulation))
    .set('family', local.family)
    .set('uniform_ttl', ttlModel === 'uniform' ? 1 : 0)
    .set('uniform_class', trafficClassModel === 'uniform' ? 1 : 0)
    .set('label_count', labels.length)
    .set('vni', vni)
    .set('normal_ecn', ecn === 'normal' ? 1 : 0)
    .set('says_default', ecn === undefined ? 0 : 1)
    .set('has_router_mac', routerMac === undefined ? 0 : 1)
    .setAddress('local', local)
    .setAddress('remote', remote)
  for (const [index, label] of labels.entries()) view.set('labels', label, index)
  if (routerMac !== undefined) view.octets('router_mac').set(routerMac.toBytes())
  const template = templateOf(tunnel, ownMac ?? madeUpMac(tunnel))
  if (template === undefined) return view.bytes
  // A next hop that only takes a label away has none of its own: laid out with one, which is cut off again.
  const size = template.octets.length - (template.labels - labels.length) * LABEL_STACK_ENTRY_SIZE
  view.set('size', size).set('stack', Math.max(template.stack, 0))
  view.octets('headers').set(template.octets.subarray(0, size))
  return view.bytes
}

type NextHopField = typeof NEXT_HOP extends { offsetOf(name: infer Name, index?: number): number } ? Name & string : never

function templateOf(tunnel: Tunnel, localMac: MacAddress): TunnelTemplate | undefined {
  const { encapsulation, local, remote, labels, vni = 0, routerMac = localMac } = tunnel
  const stack = labels.length === 0 ? [0] : labels
  if (encapsulation === 'vxlan') return vxlan({ local, remote, vni, routerMac, localMac, udpChecksum: false })
  if (encapsulation === 'mpls-udp' || encapsulation === 'mpls-udp-joint')
    return mplsOverUdp({ local, remote, labels: stack, joint: encapsulation === 'mpls-udp-joint', udpChecksum: false })
  return encapsulation === 'mpls-gre' ? mplsOverGre({ local, remote, labels: stack }) : undefined
}

/** A locally administered address made from the underlay address, where this router does not terminate the VNI. */
function madeUpMac({ local: { w0 } }: Tunnel): MacAddress {
  return MacAddress.of(0x020000 | (w0 >>> 24), w0 & 0xffffff)
}

/** The next hop that a value in the map stands for. */
export function decodeNextHop(id: number, bytes: Uint8Array): NextHopObject {
  const view = new View(NEXT_HOP, bytes)
  const liveness = view.get('liveness')
  return { id, action: decodeAction(view), ...(liveness === NONE ? {} : { liveness }) }
}

function decodeAction(view: View<NextHopField>): NextHopAction {
  const target = view.get('target')
  const type = ACTIONS[view.get('action')]
  switch (type) {
    case 'port':
      return { type, port: target }
    case 'lookup':
      return { type, vrf: target }
    case 'local':
      return { type }
    case 'discard':
      return view.get('has_reason') === 0 ? { type } : { type, reason: DROP_REASONS[target] }
    case 'tunnel':
      return decodeTunnel(view)
  }
}

function decodeTunnel(view: View<NextHopField>): Tunnel {
  const family = view.get('family')
  const vni = view.get('vni')
  return {
    type: 'tunnel',
    encapsulation: ENCAPSULATIONS[view.get('encapsulation')],
    local: addressOf(family, wordsOf(view, 'local')),
    remote: addressOf(family, wordsOf(view, 'remote')),
    labels: Array.from({ length: view.get('label_count') }, (_, index) => view.get('labels', index)),
    ...(vni === NONE ? {} : { vni }),
    ...(view.get('has_router_mac') === 0 ? {} : { routerMac: macOf(view.octets('router_mac')) }),
    ttlModel: view.get('uniform_ttl') === 1 ? 'uniform' : 'pipe',
    trafficClassModel: view.get('uniform_class') === 1 ? 'uniform' : 'pipe',
    ...(view.get('says_default') === 0 ? {} : { ecn: view.get('normal_ecn') === 1 ? 'normal' : 'compatibility' }),
  }
}
