import { labelOf, labelStackDepth, labelStackWordAt, VXLAN_HEADER_SIZE, vxlanVni } from '@heddle/mpls'
import {
  ETHERNET_HEADER_SIZE,
  ETHER_TYPE_MPLS,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IpAddress,
  greHeaderLength,
  greProtocol,
  ipv4HeaderLength,
} from '@heddle/wire'

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6', 132: 'SCTP' }
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132])

/**
 * A packet in a line: its labels or VNI, its ends and its protocol, as far as they are there.
 *
 * @param encapsulation of a packet from the underlay; null for one from an endpoint
 */
export function summaryOf(bytes: Uint8Array, encapsulation: string | null): string {
  if (encapsulation === null) return ipSummary(bytes)
  if (encapsulation === 'vxlan') {
    if (bytes.length < VXLAN_HEADER_SIZE) return 'no VXLAN header'
    return `VNI ${vxlanVni(bytes, 0)}, ${ipSummary(bytes.subarray(VXLAN_HEADER_SIZE + ETHERNET_HEADER_SIZE))}`
  }
  const hasGre = encapsulation === 'mpls-gre' && bytes.length >= 4 && greProtocol(bytes, 0) === ETHER_TYPE_MPLS
  const stack = bytes.subarray(hasGre ? greHeaderLength(bytes, 0) : 0)
  const depth = labelStackDepth(stack, 0, stack.length)
  if (depth < 1) return 'no label stack'
  const labels = Array.from({ length: depth }, (_, index) => labelOf(labelStackWordAt(stack, index * 4)))
  const joint = encapsulation === 'mpls-udp-joint' ? 'joint label, ' : ''
  return `${joint}labels ${labels.join('/')}, ${ipSummary(stack.subarray(depth * 4))}`
}

/** The packet may be cut: only what is asked of a header has to be there. */
function ipSummary(bytes: Uint8Array): string {
  const version = (bytes[0] ?? 0) >>> 4
  const isV4 = version === 4
  const isHeader = isV4 ? bytes.length >= IPV4_HEADER_SIZE : version === 6 && bytes.length >= IPV6_HEADER_SIZE
  if (!isHeader) return 'no IP packet'
  const at = (offset: number): IpAddress => IpAddress.fromBytes(bytes.subarray(offset, offset + (isV4 ? 4 : 16)))
  const [source, destination] = isV4 ? [at(12), at(16)] : [at(8), at(24)]
  const protocol = isV4 ? bytes[9] : bytes[6]
  const name = PROTOCOLS[protocol] ?? `protocol ${protocol}`
  const transport = isV4 ? ipv4HeaderLength(bytes, 0) : IPV6_HEADER_SIZE
  const isFirst = !isV4 || ((bytes[6] & 0x1f) === 0 && bytes[7] === 0)
  if (!WITH_PORTS.has(protocol) || !isFirst || bytes.length < transport + 4) return `${name} ${source} → ${destination}`
  const port = (offset: number): number => bytes[transport + offset] * 256 + bytes[transport + offset + 1]
  return `${name} ${source} port ${port(0)} → ${destination} port ${port(2)}`
}
