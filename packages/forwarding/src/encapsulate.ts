import {
  LABEL_STACK_ENTRY_SIZE,
  encapsulate,
  isBottom,
  jointLabelWordFor,
  labelOf,
  labelStackWord,
  labelStackWordAt,
  setLabelStackWordAt,
  trafficClassOf,
  entropyPort,
  type TunnelTemplate,
} from '@heddle/mpls'
import { setIpv4TrafficClass, setIpv6TrafficClass, updateChecksum32 } from '@heddle/wire'
import { REASON, drop, type Context } from './context.js'
import { SEND, type PacketOut, type Verdict } from './packet-out.js'
import type { Packet } from './packet.js'
import type { TunnelHop } from './tunnel-hop.js'

/**
 * Octets an adapter must leave free before a packet: the deepest stack (16 entries) behind a joint label and outer IPv6 and UDP headers, and before an ICMP error
 * about the packet (48 octets), rounded up. The same room serves VXLAN.
 */
export const HEADROOM = 192

/** Deepest label stack that fits in `HEADROOM`. */
export const MAX_LABEL_STACK_DEPTH = 16

/**
 * Step 8: writes a tunnel's headers before the packet in hand, and says in `out` where it starts now and where it goes.
 *
 * @param ttl of the labels
 * @param trafficClass of the labels, 0–7
 * @param outerTrafficClass octet of the outer header
 */
export function encap(
  { packet }: Context,
  hop: TunnelHop,
  ttl: number,
  trafficClass: number,
  outerTrafficClass: number,
  hash: number,
  out: PacketOut,
): Verdict {
  const { bytes, offset, length, segment } = packet
  const { template, tunnel } = hop
  const at = encapsulate(bytes, offset, length, template, ttl, trafficClass, hash)
  if (at < 0) return drop(out, REASON['mtu-exceeded'])
  if (outerTrafficClass !== 0) {
    if (template.family === 4) setIpv4TrafficClass(bytes, at, outerTrafficClass)
    else if (template.family === 6) setIpv6TrafficClass(bytes, at, outerTrafficClass)
  }
  out.offset = at
  out.length = offset + length - at
  out.segment = offset + segment - at
  out.nextHop = hop.id
  out.encapsulation = tunnel.encapsulation
  out.local = tunnel.local
  out.remote = tunnel.remote
  out.sourcePort = entropyPort(hash)
  out.trafficClass = outerTrafficClass
  out.reason = -1
  return (out.verdict = SEND)
}

/**
 * Makes the deepest label that `encap` has just written before the packet in hand the heir of a label that was swapped: with its TTL, and with S
 * only if it was the bottom. A joint label then says what is there now.
 */
export function inheritLabel({ packet }: Context, { template }: TunnelHop, wasBottom: boolean, ttl: number, out: PacketOut): void {
  const { bytes, offset, length } = packet
  const at = offset - LABEL_STACK_ENTRY_SIZE
  const before = labelStackWordAt(bytes, at)
  rewriteEntry(packet, template, out, at, labelStackWord(labelOf(before), trafficClassOf(before), isBottom(before) && wasBottom, ttl))
  if (template.joint < 0) return
  const word = jointLabelWordFor(bytes, out.offset + template.stack, offset + length)
  rewriteEntry(packet, template, out, out.offset + template.joint, word)
}

/** Puts another word in the place of an entry that a UDP checksum may cover. */
function rewriteEntry({ bytes, view }: Packet, { udp, udpChecksum }: TunnelTemplate, out: PacketOut, at: number, word: number): void {
  const before = labelStackWordAt(bytes, at)
  setLabelStackWordAt(bytes, at, word)
  if (udp < 0 || !udpChecksum) return
  const checksum = out.offset + udp + 6
  view.setUint16(checksum, updateChecksum32(view.getUint16(checksum), before, word) || 0xffff)
}
