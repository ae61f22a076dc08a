import type { Encapsulation, LabelObject, NextHopAction, NextHopObject } from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import type { Lab } from './lab.js'
import type { Tables } from './tables.js'

/*
 * The overlay that most cases start from: two tenants with the same addresses.
 *
 *     port 1  red   10.0.0.1 fd00::1  ┐                     ┌  red   10.1.0.1 fd01::1   label 2001, VNI 5001
 *     port 2  red   10.0.0.2 fd00::2  ├── this router ──────┤
 *     port 3  blue  10.0.0.1 fd00::1  ┘      to peer 0      └  blue  10.1.0.1 fd01::1   label 2002, VNI 5002
 *
 * Labels 101–103 lead to the ports, 110 and 120 into the VRFs; all of them are accepted from peers 0 and 1.
 */
export const RED = 1
export const BLUE = 2
export const RED_MAC = MacAddress.parse('02:00:00:00:00:01')
export const PEER_MAC = MacAddress.parse('02:00:00:00:00:99')
export const RED_VNI = 5001

export const POD_ADDRESSES: Readonly<Record<number, readonly string[]>> = {
  1: ['10.0.0.1', 'fd00::1'],
  2: ['10.0.0.2', 'fd00::2'],
  3: ['10.0.0.1', 'fd00::1'],
}

export interface OverlayOptions {
  readonly encapsulation?: Encapsulation
  /** Underlay family; the lab's first by default. */
  readonly family?: 4 | 6
  readonly ttlModel?: 'uniform' | 'pipe'
  readonly trafficClassModel?: 'uniform' | 'pipe'
  /** Labels above the VPN label. */
  readonly transport?: readonly number[]
  readonly gateways?: readonly string[]
  readonly mtu?: number
}

/** The tables of the overlay. */
export function overlay(lab: Lab, options: OverlayOptions = {}): Tables {
  const { gateways = [], mtu = 1400 } = options
  const family = options.family ?? lab.family
  const peers = lab.harness.peers(family)
  const ports = [
    { id: 1, vrf: RED },
    { id: 2, vrf: RED },
    { id: 3, vrf: BLUE },
  ]
  return {
    vrfs: [
      { id: RED, name: 'red' },
      { id: BLUE, name: 'blue' },
    ],
    ports: ports.map(({ id, vrf }) => ({
      id,
      kind: 'endpoint',
      vrf,
      allowedSources: POD_ADDRESSES[id].map((address) => IpPrefix.parse(address)),
      gateways: gateways.map((gateway) => IpAddress.parse(gateway)),
      mtu,
    })),
    nextHops: [
      ...ports.map(({ id }): NextHopObject => ({ id, action: { type: 'port', port: id } })),
      { id: 11, action: tunnelTo(lab, 0, 2001, options) },
      { id: 12, action: tunnelTo(lab, 0, 2002, { ...options, vni: 5002 }) },
    ],
    groups: [1, 2, 3, 11, 12].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 7 })),
    tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(peers[0]), IpPrefix.of(peers[1])] }],
    labels: [
      ...ports.map(({ id }): LabelObject => ({ label: 100 + id, action: { type: 'pop-forward', port: id }, sources: 1 })),
      { label: 110, action: { type: 'pop-lookup', vrf: RED }, sources: 1 },
      { label: 120, action: { type: 'pop-lookup', vrf: BLUE }, sources: 1 },
    ],
    vnis: [{ vni: RED_VNI, vrf: RED, routerMac: RED_MAC, sources: 1 }],
    routes: [
      ...ports.flatMap(({ id, vrf }) => POD_ADDRESSES[id].map((prefix) => ({ vrf, prefix, group: id }))),
      ...['10.1.0.1', 'fd01::1'].flatMap((prefix) => [
        { vrf: RED, prefix, group: 11 },
        { vrf: BLUE, prefix, group: 12 },
      ]),
    ],
  }
}

/** Programs the overlay and attaches its ports. */
export async function startOverlay(lab: Lab, options: OverlayOptions = {}): Promise<Tables> {
  const tables = overlay(lab, options)
  await lab.program(tables)
  await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)), options.mtu ?? 1400)
  return tables
}

/** A tunnel to a peer. */
export function tunnelTo(lab: Lab, peer: number, label: number, options: OverlayOptions & { readonly vni?: number } = {}): NextHopAction {
  const { encapsulation = 'mpls-udp', ttlModel = 'pipe', trafficClassModel = 'pipe', transport = [], vni = RED_VNI } = options
  const family = options.family ?? lab.family
  const common = {
    type: 'tunnel',
    encapsulation,
    local: lab.harness.local(family),
    remote: lab.harness.peers(family)[peer],
    ttlModel,
    trafficClassModel,
  } as const
  return encapsulation === 'vxlan' ? { ...common, labels: [], vni, routerMac: PEER_MAC } : { ...common, labels: [...transport, label] }
}
