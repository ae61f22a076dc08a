import type { MirrorDirection, MirrorSink } from '@heddle/core'
import {
  ERSPAN_HEADER_SIZE,
  ETHERNET_HEADER_SIZE,
  ETHER_TYPE_ERSPAN,
  ETHER_TYPE_IPV4,
  ETHER_TYPE_IPV6,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_GRE,
  encodeErspanHeader,
  encodeGreHeader,
  encodeIpv4Header,
  encodeIpv6Header,
} from '@heddle/wire'
import type { OuterHeaders } from '../tunnel-hop.js'

/** A collector that is reached by ERSPAN. */
export type ErspanSink = Extract<MirrorSink, { readonly type: 'erspan' }>

/** What a frame to a collector is made of. */
export interface ErspanFrame {
  readonly sink: ErspanSink
  readonly port: number
  readonly direction: MirrorDirection
  readonly sequence: number
  /** The IP packet. */
  readonly packet: Uint8Array
}

/** TTL of the outer header: that of tunnels. */
const OUTER_TTL = 64
const GRE_SIZE = 8
const PORT_MASK = 0x7ffff

/**
 * Writes a frame at `offset`, from its outer IP header or, where a socket writes that, its GRE header on.
 *
 * @param mtu largest packet that the underlay takes, outer headers included; a longer one is cut
 * @returns offset behind it
 */
export function writeErspan(frame: ErspanFrame, outer: OuterHeaders, mtu: number, bytes: Uint8Array, offset: number): number {
  const { sink, port, direction, sequence, packet } = frame
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const outerSize = sink.local.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
  const headers = GRE_SIZE + ERSPAN_HEADER_SIZE + ETHERNET_HEADER_SIZE
  const size = Math.max(0, Math.min(packet.length, mtu - outerSize - headers))
  let at = outer === 'full' ? writeOuter(sink, headers + size, view, offset) : offset
  at = encodeGreHeader({ protocol: ETHER_TYPE_ERSPAN, checksum: false, sequence }, view, at)
  const index = ((port & PORT_MASK) << 1) | (direction === 'ingress' ? 1 : 0)
  at = encodeErspanHeader({ session: sink.session, truncated: size < packet.length, index }, view, at)
  const [to, from] = direction === 'egress' ? [ROUTER_MAC, PORT_MAC] : [PORT_MAC, ROUTER_MAC]
  writeMac(to, port, view, at)
  writeMac(from, port, view, at + 6)
  view.setUint16(at + 12, packet[0] >>> 4 === 6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4)
  at += ETHERNET_HEADER_SIZE
  bytes.set(packet.subarray(0, size), at)
  return at + size
}

const ROUTER_MAC = 0x02ff
const PORT_MAC = 0x0200

/** A locally administered address that ends in the port's id. */
function writeMac(prefix: number, port: number, view: DataView, at: number): void {
  view.setUint16(at, prefix)
  view.setUint32(at + 2, port)
}

function writeOuter({ local, remote }: ErspanSink, length: number, view: DataView, at: number): number {
  const common = { dscp: 0, ecn: 0, source: local, destination: remote }
  if (local.family === 6) {
    return encodeIpv6Header({ ...common, flowLabel: 0, payloadLength: length, nextHeader: IP_PROTOCOL_GRE, hopLimit: OUTER_TTL }, view, at)
  }
  const whole = { identification: 0, dontFragment: true, moreFragments: false, fragmentOffset: 0, options: new Uint8Array(0) }
  const totalLength = IPV4_HEADER_SIZE + length
  return encodeIpv4Header({ ...common, ...whole, totalLength, ttl: OUTER_TTL, protocol: IP_PROTOCOL_GRE }, view, at)
}
