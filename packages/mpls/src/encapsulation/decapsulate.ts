import {
  ETHER_TYPE_MPLS,
  ethernetEtherType,
  ethernetHeaderLength,
  greHeaderLength,
  greProtocol,
  greVerdict,
  IP_PROTOCOL_GRE,
  IP_PROTOCOL_UDP,
  IPV6_HEADER_SIZE,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
  ipv4Verdict,
  Ipv6Chain,
  ipv6PayloadLength,
  ipv6Verdict,
  pseudoHeaderSumAtIpv4,
  pseudoHeaderSumAtIpv6,
  UDP_HEADER_SIZE,
  udpChecksum,
  udpChecksumHolds,
  udpDestinationPort,
  udpLength,
  udpSourcePort,
  walkIpv6Extensions,
  type IpFamily,
} from '@heddle/wire'
import { beginsWithJointLabel } from '../joint-label.js'
import { LABEL_STACK_ENTRY_SIZE, labelStackDepth } from '../label-stack.js'
import { isMplsUdpPort } from './mpls-over-udp.js'
import type { TunnelEncapsulation } from './overhead.js'
import { VXLAN_HEADER_SIZE, VXLAN_PORT, vxlanIsValid, vxlanVni } from './vxlan-header.js'

/** What a decapsulation found: offsets into the buffer. One object a receiver, overwritten by each packet. */
export class Decapsulation {
  encapsulation: TunnelEncapsulation = 'mpls-udp'
  /** Of the outer IP header, which starts at `outer`; 0: there was none. */
  family: IpFamily | 0 = 0
  /** Offset of the outermost header. */
  outer = 0
  /** UDP source port of the outer header, 0 without UDP. */
  sourcePort = 0
  /** Offset of the label stack's top entry, behind a joint label; -1 for VXLAN. */
  stack = -1
  /** Entries of the label stack, a joint label left out; 0 for VXLAN. */
  labels = 0
  /** VNI, -1 for MPLS. */
  vni = -1
  /** Offset of what was carried: an IP packet behind labels, an Ethernet frame behind a VNI. */
  payload = 0
  /** Offset behind it; padding of the underlay is left out. */
  end = 0
}

/** Why a packet from the underlay cannot be taken, or `ok`. */
export type DecapsulationVerdict =
  | 'ok'
  /** The outer IP header is truncated, of another version, or its lengths lie. */
  | 'outer-malformed'
  /** The outer IPv4 header sums up wrongly. */
  | 'outer-checksum'
  /** The outer packet is a fragment. */
  | 'outer-fragment'
  /** Neither UDP nor GRE, or a port or EtherType that carries no tunnel. */
  | 'not-a-tunnel'
  /** The UDP header is truncated or its length lies. */
  | 'udp-malformed'
  | 'udp-checksum'
  /** No UDP checksum over IPv6, and the receiver insists (RFC 6936 §4). */
  | 'udp-checksum-missing'
  /** The GRE header is truncated, of another version, with RFC 1701 routing or reserved bits. */
  | 'gre-malformed'
  | 'gre-checksum'
  /** GRE, but not of MPLS. */
  | 'gre-protocol'
  /** The label stack has no bottom, or nothing follows it. */
  | 'label-stack'
  /** The VXLAN header is truncated, has no valid VNI, or nothing follows it. */
  | 'vxlan-malformed'

/** Choices of a receiver. */
export interface DecapsulationOptions {
  /** Whether UDP over IPv6 without checksum is taken, as between tunnel ends that agreed on it (RFC 6935 §5); true by default. */
  readonly zeroChecksumIpv6?: boolean
}

const chain = new Ipv6Chain()
const NO_OPTIONS: DecapsulationOptions = {}

/**
 * Opens a packet of the underlay that starts with its IP header: MPLS over UDP, over GRE, or VXLAN. Nothing is allocated.
 *
 * @param end offset behind what was received
 */
export function decapsulateIp(
  bytes: Uint8Array,
  at: number,
  end: number,
  out: Decapsulation,
  options: DecapsulationOptions = NO_OPTIONS,
): DecapsulationVerdict {
  out.outer = at
  if (at >= end) return 'outer-malformed'
  let transport: number
  let protocol: number
  if (bytes[at] >>> 4 === 6) {
    if (ipv6Verdict(bytes, at, end) !== 'ok') return 'outer-malformed'
    out.family = 6
    out.end = at + IPV6_HEADER_SIZE + ipv6PayloadLength(bytes, at)
    if (walkIpv6Extensions(bytes, at, out.end, chain) !== 'ok') return 'outer-malformed'
    if (chain.fragmentOffset > 0 || chain.moreFragments) return 'outer-fragment'
    transport = chain.offset
    protocol = chain.protocol
  } else {
    const verdict = ipv4Verdict(bytes, at, end)
    if (verdict !== 'ok') return verdict === 'checksum' ? 'outer-checksum' : 'outer-malformed'
    if (ipv4IsFragment(bytes, at)) return 'outer-fragment'
    out.family = 4
    out.end = at + ipv4TotalLength(bytes, at)
    transport = at + ipv4HeaderLength(bytes, at)
    protocol = ipv4Protocol(bytes, at)
  }
  if (protocol === IP_PROTOCOL_UDP) return openUdp(bytes, transport, out, options)
  return protocol === IP_PROTOCOL_GRE ? openGre(bytes, transport, out.end, out) : 'not-a-tunnel'
}

/** Opens the payload of a datagram that a UDP socket received: the kernel has seen to the headers before, and nothing is known of them. */
export function decapsulateUdp(
  bytes: Uint8Array,
  at: number,
  end: number,
  destinationPort: number,
  out: Decapsulation,
): DecapsulationVerdict {
  out.outer = at
  out.family = 0
  out.sourcePort = 0
  return openDatagram(bytes, at, end, destinationPort, out)
}

function openDatagram(bytes: Uint8Array, at: number, end: number, destinationPort: number, out: Decapsulation): DecapsulationVerdict {
  out.end = end
  if (isMplsUdpPort(destinationPort)) {
    if (beginsWithJointLabel(bytes, at, end)) return openStack(bytes, at + LABEL_STACK_ENTRY_SIZE, 'mpls-udp-joint', out)
    return openStack(bytes, at, 'mpls-udp', out)
  }
  return destinationPort === VXLAN_PORT ? openVxlan(bytes, at, out) : 'not-a-tunnel'
}

/** Opens a GRE packet that starts with its GRE header; nothing is known of what was before it. */
export function decapsulateGre(bytes: Uint8Array, at: number, end: number, out: Decapsulation): DecapsulationVerdict {
  out.outer = at
  out.family = 0
  return openGre(bytes, at, end, out)
}

function openGre(bytes: Uint8Array, at: number, end: number, out: Decapsulation): DecapsulationVerdict {
  const verdict = greVerdict(bytes, at, end)
  if (verdict !== 'ok') return verdict === 'checksum' ? 'gre-checksum' : 'gre-malformed'
  if (greProtocol(bytes, at) !== ETHER_TYPE_MPLS) return 'gre-protocol'
  out.end = end
  out.sourcePort = 0
  return openStack(bytes, at + greHeaderLength(bytes, at), 'mpls-gre', out)
}

/** Opens an Ethernet frame that carries MPLS, tagged or not. */
export function decapsulateEthernet(bytes: Uint8Array, at: number, end: number, out: Decapsulation): DecapsulationVerdict {
  out.outer = at
  out.family = 0
  out.sourcePort = 0
  out.end = end
  const header = ethernetHeaderLength(bytes, at, end)
  if (header < 0) return 'outer-malformed'
  if (ethernetEtherType(bytes, at, header) !== ETHER_TYPE_MPLS) return 'not-a-tunnel'
  return openStack(bytes, at + header, 'mpls', out)
}

function openUdp(bytes: Uint8Array, at: number, out: Decapsulation, options: DecapsulationOptions): DecapsulationVerdict {
  if (at + UDP_HEADER_SIZE > out.end) return 'udp-malformed'
  const length = udpLength(bytes, at)
  if (length < UDP_HEADER_SIZE || at + length > out.end) return 'udp-malformed'
  const port = udpDestinationPort(bytes, at)
  if (!isMplsUdpPort(port) && port !== VXLAN_PORT) return 'not-a-tunnel'
  if (udpChecksum(bytes, at) !== 0) {
    const pseudoSum =
      out.family === 4
        ? pseudoHeaderSumAtIpv4(bytes, out.outer, IP_PROTOCOL_UDP, length)
        : pseudoHeaderSumAtIpv6(bytes, out.outer, IP_PROTOCOL_UDP, length)
    if (!udpChecksumHolds(bytes, at, length, pseudoSum)) return 'udp-checksum'
  } else if (out.family === 6 && options.zeroChecksumIpv6 === false) return 'udp-checksum-missing'
  out.sourcePort = udpSourcePort(bytes, at)
  return openDatagram(bytes, at + UDP_HEADER_SIZE, at + length, port, out)
}

function openStack(bytes: Uint8Array, at: number, encapsulation: TunnelEncapsulation, out: Decapsulation): DecapsulationVerdict {
  const labels = labelStackDepth(bytes, at, out.end)
  out.encapsulation = encapsulation
  out.vni = -1
  out.stack = at
  out.labels = labels
  out.payload = at + labels * LABEL_STACK_ENTRY_SIZE
  return labels < 0 || out.payload >= out.end ? 'label-stack' : 'ok'
}

function openVxlan(bytes: Uint8Array, at: number, out: Decapsulation): DecapsulationVerdict {
  if (at + VXLAN_HEADER_SIZE >= out.end || !vxlanIsValid(bytes, at)) return 'vxlan-malformed'
  out.encapsulation = 'vxlan'
  out.vni = vxlanVni(bytes, at)
  out.stack = -1
  out.labels = 0
  out.payload = at + VXLAN_HEADER_SIZE
  return 'ok'
}
