import {
  IP_PROTOCOL_TCP,
  IP_PROTOCOL_UDP,
  Ipv6Chain,
  TCP_HEADER_SIZE,
  UDP_HEADER_SIZE,
  ipv4Protocol,
  tcpHeaderLength,
  walkIpv6Extensions,
} from '@heddle/wire'
import type { Packet } from '../packet.js'

const chain = new Ipv6Chain()

/** Octets of the packets that `packet` will be once segmentation offload has cut it, each with its headers; of one that is whole, its own. */
export function segmentedOctets(packet: Packet): number {
  const { length, segment } = packet
  if (segment >= length) return length
  const headers = headersOf(packet)
  const size = segment - headers
  if (headers === 0 || size <= 0) return length
  return length + (Math.ceil((length - headers) / size) - 1) * headers
}

/** Octets of what each segment has again: IP, extensions, TCP or UDP. 0 when it is neither. */
function headersOf({ bytes, offset, length, family, headerLength }: Packet): number {
  let protocol: number
  let headers = headerLength
  if (family === 4) protocol = ipv4Protocol(bytes, offset)
  else {
    if (walkIpv6Extensions(bytes, offset, offset + length, chain) !== 'ok') return 0
    protocol = chain.protocol
    headers = chain.offset - offset
  }
  if (protocol === IP_PROTOCOL_UDP) return headers + UDP_HEADER_SIZE
  if (protocol !== IP_PROTOCOL_TCP || headers + TCP_HEADER_SIZE > length) return 0
  return headers + tcpHeaderLength(bytes, offset + headers)
}
