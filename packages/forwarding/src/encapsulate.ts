import type { NextHopAction } from '@heddle/core'
import {
  ETHERNET_HEADER_SIZE,
  ETHER_TYPE_IPV4,
  ETHER_TYPE_IPV6,
  ETHER_TYPE_MPLS,
  GRE_HEADER_SIZE,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_GRE,
  IP_PROTOCOL_UDP,
  MacAddress,
  UDP_HEADER_SIZE,
  internetChecksum,
  pseudoHeaderSum,
  setUdpChecksum,
} from '@heddle/wire'
import { MPLS_UDP_PORT, VXLAN_PORT } from './outer.js'
import { SEND, type PacketOut } from './packet-out.js'

/** A next hop through a tunnel. */
export type Tunnel = Extract<NextHopAction, { readonly type: 'tunnel' }>

/**
 * Octets an adapter must leave free before a packet: the deepest stack (16 entries) behind outer IPv6 and UDP headers, rounded up. The same
 * room serves VXLAN and ICMP errors.
 */
export const HEADROOM = 128

/** Deepest label stack that fits in `HEADROOM`. */
export const MAX_LABEL_STACK_DEPTH = 16

const VXLAN_AND_ETHERNET = 8 + ETHERNET_HEADER_SIZE
const OUTER_TTL = 64

/** Octets that a tunnel puts before an IP packet, outer IP header included; a tunnel on Ethernet has none. */
export function tunnelOverhead(tunnel: Tunnel): number {
  const outer = tunnel.remote.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
  const labels = tunnel.labels.length * 4
  switch (tunnel.encapsulation) {
    case 'mpls-udp':
      return outer + UDP_HEADER_SIZE + labels
    case 'mpls-gre':
      return outer + GRE_HEADER_SIZE + labels
    case 'mpls':
      return labels
    default:
      return outer + UDP_HEADER_SIZE + VXLAN_AND_ETHERNET
  }
}

/** How the engine leaves packets for the underlay: with an outer IP header, or for a socket that writes IP and UDP headers itself. */
export type OuterHeaders = 'full' | 'socket'

/** What the headers of one packet carry; one object an engine, overwritten by each packet. */
export class HeaderValues {
  /** TTL of the deepest label of the tunnel. */
  bottomTtl = 0
  /** TTL of the labels above it. */
  ttl = 0
  /** Traffic class of the labels, 0–7. */
  trafficClass = 0
  /** Whether the deepest label is the bottom of the stack; not so when a label was swapped above others. */
  bottom = true
  /** UDP source port. */
  sourcePort = 0
  /** Traffic class octet of the outer IP header. */
  outerTrafficClass = 0
  /** VXLAN: the inner Ethernet source. */
  sourceMac = MacAddress.of(0x020000, 0)
}

/** Writes a tunnel's headers before the packet at `offset` and says in `out` where it starts now. */
export function encapsulate(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  length: number,
  segment: number,
  family: 4 | 6,
  tunnel: Tunnel,
  values: HeaderValues,
  outer: OuterHeaders,
  out: PacketOut,
): void {
  let at = offset
  if (tunnel.encapsulation === 'vxlan') at = pushVxlan(view, at, tunnel, values, family)
  else {
    at = pushLabels(view, at, tunnel.labels, values)
    if (tunnel.encapsulation === 'mpls-gre') at = pushGre(view, at)
  }
  if (outer === 'full' && tunnel.encapsulation !== 'mpls') {
    const end = offset + length
    if (tunnel.encapsulation !== 'mpls-gre') at = pushUdp(bytes, view, at, end, tunnel, values.sourcePort)
    at = pushIp(bytes, view, at, end, tunnel, values.outerTrafficClass)
  }
  out.verdict = SEND
  out.offset = at
  out.length = offset + length - at
  out.segment = offset + segment - at
  out.encapsulation = tunnel.encapsulation
  out.local = tunnel.local
  out.remote = tunnel.remote
  out.sourcePort = values.sourcePort
  out.trafficClass = values.outerTrafficClass
  out.reason = -1
}

function pushLabels(view: DataView, offset: number, labels: readonly number[], values: HeaderValues): number {
  let at = offset
  const deepest = labels.length - 1
  const trafficClass = values.trafficClass << 9
  for (let depth = deepest; depth >= 0; depth--) {
    const low = depth === deepest ? (values.bottom ? 0x100 : 0) | values.bottomTtl : values.ttl
    view.setUint32((at -= 4), (labels[depth] << 12) | trafficClass | low)
  }
  return at
}

/** GRE without options (RFC 4023 §3.2): flags 0, protocol MPLS unicast. */
function pushGre(view: DataView, offset: number): number {
  const at = offset - GRE_HEADER_SIZE
  view.setUint32(at, ETHER_TYPE_MPLS)
  return at
}

/** VXLAN (RFC 7348 §5) above an Ethernet header between the two routers (RFC 9135 §4.1). */
function pushVxlan(view: DataView, offset: number, tunnel: Tunnel, { sourceMac }: HeaderValues, family: 4 | 6): number {
  const at = offset - VXLAN_AND_ETHERNET
  const { high, low } = tunnel.routerMac ?? sourceMac
  view.setUint32(at, 0x08000000)
  view.setUint32(at + 4, (tunnel.vni ?? 0) << 8)
  view.setUint32(at + 8, (high << 8) | (low >>> 16))
  view.setUint16(at + 12, low & 0xffff)
  view.setUint32(at + 14, (sourceMac.high << 8) | (sourceMac.low >>> 16))
  view.setUint16(at + 18, sourceMac.low & 0xffff)
  view.setUint16(at + 20, family === 4 ? ETHER_TYPE_IPV4 : ETHER_TYPE_IPV6)
  return at
}

function pushUdp(bytes: Uint8Array, view: DataView, offset: number, end: number, tunnel: Tunnel, sourcePort: number): number {
  const at = offset - UDP_HEADER_SIZE
  const length = end - at
  view.setUint16(at, sourcePort)
  view.setUint16(at + 2, tunnel.encapsulation === 'vxlan' ? VXLAN_PORT : MPLS_UDP_PORT)
  view.setUint16(at + 4, length)
  view.setUint16(at + 6, 0)
  // IPv4: zero (RFC 7510 §3). IPv6: computed, since zero needs the operator's word that the path is fit for it (RFC 6936 §5).
  if (tunnel.remote.family === 6) setUdpChecksum(bytes, at, length, pseudoHeaderSum(tunnel.local, tunnel.remote, IP_PROTOCOL_UDP, length))
  return at
}

function pushIp(bytes: Uint8Array, view: DataView, offset: number, end: number, tunnel: Tunnel, trafficClass: number): number {
  const protocol = tunnel.encapsulation === 'mpls-gre' ? IP_PROTOCOL_GRE : IP_PROTOCOL_UDP
  if (tunnel.remote.family === 4) {
    const at = offset - IPV4_HEADER_SIZE
    view.setUint32(at, 0x45000000 | (trafficClass << 16) | (end - at))
    view.setUint32(at + 4, 0x4000) // identification 0 is fine for a packet that is never cut (RFC 6864 §4.1): DF is set
    view.setUint32(at + 8, (OUTER_TTL << 24) | (protocol << 16)) // the checksum counts as zero until it is there
    view.setUint32(at + 12, tunnel.local.w0)
    view.setUint32(at + 16, tunnel.remote.w0)
    view.setUint16(at + 10, internetChecksum(bytes, at, IPV4_HEADER_SIZE))
    return at
  }
  const at = offset - IPV6_HEADER_SIZE
  view.setUint32(at, 0x60000000 | (trafficClass << 20))
  view.setUint32(at + 4, ((end - offset) << 16) | (protocol << 8) | OUTER_TTL)
  tunnel.local.writeTo(view, at + 8)
  tunnel.remote.writeTo(view, at + 24)
  return at
}
