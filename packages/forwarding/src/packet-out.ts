import type { Encapsulation } from '@heddle/core'

/** The packet goes nowhere; `PacketOut.reason` says why, and it was counted. */
export const DROP = 0
/** The packet at `offset` goes to the device of `PacketOut.port`. */
export const DELIVER = 1
/** The packet at `offset`, headers written, goes out on the underlay. */
export const SEND = 2

/** The packet is too large for its way and is cut: its parts are had from `ForwardingEngine.nextFragment`. `PacketOut.mtu` is the largest of them. */
export const FRAGMENT = 3

/** What to do with a packet. */
export type Verdict = typeof DROP | typeof DELIVER | typeof SEND | typeof FRAGMENT

/** An address as words; every `IpAddress` is one. */
export interface AddressWords {
  readonly family: 4 | 6
  /** Unsigned 32-bit words, most significant first; an IPv4 address is in the first. */
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/**
 * Where the engine writes what became of a packet. One object serves any number of packets: it is overwritten by each. Fields that a verdict
 * does not name keep what they had.
 */
export class PacketOut {
  verdict: Verdict = DROP

  /** DELIVER, SEND: start of the packet in the buffer that was handed in; before the inner packet when headers were written. */
  offset = 0
  /** DELIVER, SEND: octets from `offset` on. */
  length = 0
  /** Octets of the largest packet, headers included, after the kernel has cut a segmentation-offload packet; `length` for any other. */
  segment = 0

  /** DELIVER: id of the port. DROP: id of the port that the packet came from, or -1. */
  port = -1

  /** SEND: id of the next hop, so that an adapter can keep a socket for it. */
  nextHop = -1
  /** SEND: what the headers are; with `outer: 'socket'` the packet starts behind the outer IP and UDP header. */
  encapsulation: Encapsulation = 'mpls-udp'
  /** SEND: underlay source. */
  local: AddressWords = UNSPECIFIED
  /** SEND: underlay destination. */
  remote: AddressWords = UNSPECIFIED
  /** SEND: UDP source port that carries the flow's entropy, 49,152–65,535 (RFC 7510 §3). */
  sourcePort = 0
  /** SEND: traffic class octet of the outer header. */
  trafficClass = 0

  /** DROP, and DELIVER of an ICMP error about a dropped packet: slot in `DROP_REASONS`; -1 otherwise. */
  reason = -1
  /** DROP as `mtu-exceeded`: the largest IP packet that would have passed. FRAGMENT: octets of the largest part, tunnel headers not counted. */
  mtu = 0
}

const UNSPECIFIED: AddressWords = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 }
