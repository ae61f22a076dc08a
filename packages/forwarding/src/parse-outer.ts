import type { Encapsulation } from '@heddle/core'
import {
  LABEL_STACK_ENTRY_SIZE,
  VXLAN_HEADER_SIZE,
  beginsWithJointLabel,
  decapsulateGre,
  decapsulateIp,
  type Decapsulation,
  type DecapsulationVerdict,
} from '@heddle/mpls'
import { ipv4Source, ipv4TrafficClass, ipv6SourceWord, ipv6TrafficClass } from '@heddle/wire'
import type { Context } from './context.js'
import type { AddressWords } from './packet-out.js'
import type { Packet } from './packet.js'

/** Outer source address of a packet; one object an engine, overwritten by each packet. */
export class OuterSource implements AddressWords {
  family: 4 | 6 = 4
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  /** Traffic class octet of the same header. */
  trafficClass = 0

  read(bytes: Uint8Array, at: number, family: 4 | 6): void {
    this.family = family
    this.trafficClass = family === 4 ? ipv4TrafficClass(bytes, at) : ipv6TrafficClass(bytes, at)
    this.w0 = family === 4 ? ipv4Source(bytes, at) : ipv6SourceWord(bytes, at, 0)
    this.w1 = family === 4 ? 0 : ipv6SourceWord(bytes, at, 1)
    this.w2 = family === 4 ? 0 : ipv6SourceWord(bytes, at, 2)
    this.w3 = family === 4 ? 0 : ipv6SourceWord(bytes, at, 3)
  }
}

/** Passes over what stands between the outer IP or UDP header and the label stack or VXLAN header. Returns false when that is malformed. */
export function parseShim(packet: Packet, encapsulation: Encapsulation, found: Decapsulation): boolean {
  if (encapsulation !== 'mpls-gre') return true
  const { bytes, offset, length } = packet
  if (!isOpened(decapsulateGre(bytes, offset, offset + length, found))) return false
  packet.advance(found.stack - offset)
  return true
}

/** Passes over a joint label, which shows in the octets alone. Returns what the packet has come by. */
export function passJointLabel(packet: Packet, encapsulation: Encapsulation): Encapsulation {
  const { bytes, offset, length } = packet
  if (encapsulation !== 'mpls-udp' || !beginsWithJointLabel(bytes, offset, offset + length)) return encapsulation
  packet.advance(LABEL_STACK_ENTRY_SIZE)
  return 'mpls-udp-joint'
}

/** Whether packets that came by `encapsulation` are taken: who carries MPLS over UDP reads joint labels. */
export function isTaken({ encapsulations }: Context, encapsulation: Encapsulation): boolean {
  return encapsulations.has(encapsulation === 'mpls-udp-joint' ? 'mpls-udp' : encapsulation)
}

/** Passes over the outer headers of a whole packet, from its IP header to the label stack or VXLAN header. Returns false when they are malformed. */
export function parseWire(packet: Packet, found: Decapsulation, source: OuterSource): boolean {
  const { bytes, offset, length } = packet
  if (!isOpened(decapsulateIp(bytes, offset, offset + length, found)) || found.family === 0) return false
  source.read(bytes, offset, found.family)
  packet.cut(found.end - offset)
  packet.advance((found.encapsulation === 'vxlan' ? found.payload - VXLAN_HEADER_SIZE : found.stack) - offset)
  return true
}

/** A stack without a bottom is left to who walks it: the labels above may be reason enough to drop the packet. */
function isOpened(verdict: DecapsulationVerdict): boolean {
  return verdict === 'ok' || verdict === 'label-stack'
}
