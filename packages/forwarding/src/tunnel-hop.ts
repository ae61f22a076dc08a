import type { NextHopAction, NextHopObject } from '@heddle/core'
import {
  LABEL_STACK_ENTRY_SIZE,
  mplsOverEthernet,
  mplsOverGre,
  mplsOverUdp,
  tunnelOverhead,
  vxlan,
  type TunnelTemplate,
} from '@heddle/mpls'
import { ETHERNET_HEADER_SIZE, IPV4_HEADER_SIZE, IPV6_HEADER_SIZE, MacAddress, UDP_HEADER_SIZE } from '@heddle/wire'

/** A next hop through a tunnel. */
export type Tunnel = Extract<NextHopAction, { readonly type: 'tunnel' }>

/** How the engine leaves packets for the underlay: with an outer IP header, or for a socket that writes IP and UDP headers itself. */
export type OuterHeaders = 'full' | 'socket'

/** A tunnel next hop, its headers laid out when it was programmed. */
export interface TunnelHop {
  readonly id: number
  readonly tunnel: Tunnel
  /** What is written before a packet; with `socket` what the socket does not write. */
  readonly template: TunnelTemplate
  /** Octets that the tunnel adds, outer IP header included. */
  readonly overhead: number
  /** Largest packet that the path to its remote end takes, outer headers included; infinite as long as nobody has told. */
  readonly pathMtu: number
}

/** What a tunnel is laid out by, beside itself. */
export interface TunnelSurroundings {
  readonly outer: OuterHeaders
  /** This router's address in the virtual network, for VXLAN. */
  readonly ownMac: MacAddress | undefined
  /** See `TunnelHop`. */
  readonly pathMtu: number
}

/** Lays a tunnel out, or returns undefined for any other next hop. */
export function tunnelHop({ id, action }: NextHopObject, { outer, ownMac, pathMtu }: TunnelSurroundings): TunnelHop | undefined {
  if (action.type !== 'tunnel') return undefined
  const { encapsulation, remote, labels } = action
  const full = templateOf(action, ownMac ?? madeUpMac(action))
  const template = outer === 'socket' || encapsulation === 'mpls' ? behind(full, linkSize(action)) : full
  return { id, tunnel: action, template, overhead: tunnelOverhead(encapsulation, remote.family, labels.length), pathMtu }
}

function templateOf(tunnel: Tunnel, localMac: MacAddress): TunnelTemplate {
  const { encapsulation, local, remote, labels, vni = 0, routerMac = localMac } = tunnel
  if (encapsulation === 'vxlan') return vxlan({ local, remote, vni, routerMac, localMac })
  // A next hop that only takes a label away has none of its own: laid out with one, which is cut off again.
  const stack = labels.length === 0 ? [0] : labels
  const template = stackTemplate(tunnel, stack)
  return labels.length === 0 ? { ...template, octets: template.octets.subarray(0, -LABEL_STACK_ENTRY_SIZE), labels: 0 } : template
}

function stackTemplate({ encapsulation, local, remote }: Tunnel, labels: readonly number[]): TunnelTemplate {
  if (encapsulation === 'mpls-udp') return mplsOverUdp({ local, remote, labels })
  if (encapsulation === 'mpls-udp-joint') return mplsOverUdp({ local, remote, labels, joint: true })
  if (encapsulation === 'mpls-gre') return mplsOverGre({ local, remote, labels })
  // The adapter knows the wire and its addresses: only the labels stay.
  return mplsOverEthernet({ destination: MacAddress.of(0, 0), source: MacAddress.of(0, 0), labels })
}

/** Octets of a full template that a socket, or the link, writes. */
function linkSize({ encapsulation, local }: Tunnel): number {
  if (encapsulation === 'mpls') return ETHERNET_HEADER_SIZE
  const ip = local.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
  return encapsulation === 'mpls-gre' ? ip : ip + UDP_HEADER_SIZE
}

/** The template without its first `octets`. */
function behind(template: TunnelTemplate, octets: number): TunnelTemplate {
  const { joint, stack, innerEtherType } = template
  return {
    ...template,
    octets: template.octets.subarray(octets),
    family: 0,
    udp: -1,
    udpChecksum: false,
    joint: joint < 0 ? joint : joint - octets,
    stack: stack < 0 ? stack : stack - octets,
    innerEtherType: innerEtherType < 0 ? innerEtherType : innerEtherType - octets,
  }
}

/** A locally administered address made from the underlay address, where this router does not terminate the VNI. */
function madeUpMac({ local: { w0 } }: Tunnel): MacAddress {
  return MacAddress.of(0x020000 | (w0 >>> 24), w0 & 0xffffff)
}
