import {
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_UDP,
  UDP_HEADER_SIZE,
  encodeIpv4Header,
  encodeIpv6Header,
  encodeUdpHeader,
  pseudoHeaderSum,
  setUdpChecksum,
  type IpAddress,
} from '@heddle/wire'

/** A packet as a person describes it; both addresses of one family. */
export interface ProbeDescription {
  readonly source: IpAddress
  readonly destination: IpAddress
  /** UDP ports, 0–65,535; 33,434 (as traceroute) by default. */
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** 64 by default. */
  readonly ttl?: number
  /** Octets of the whole packet; the smallest by default. */
  readonly length?: number
  /** What the datagram carries; zeros up to `length` when left out. */
  readonly payload?: Uint8Array
}

/** Makes a UDP packet of the description, to be explained or sent. */
export function probePacket(description: ProbeDescription): Uint8Array {
  const { source, destination, sourcePort = 33_434, destinationPort = 33_434, ttl = 64 } = description
  const headerSize = source.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
  const payload = description.payload ?? new Uint8Array(0)
  const length = Math.max(description.length ?? 0, headerSize + UDP_HEADER_SIZE + payload.length)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  const udpLength = length - headerSize
  const common = { dscp: 0, ecn: 0, source, destination }
  if (source.family === 6) {
    encodeIpv6Header({ ...common, flowLabel: 0, payloadLength: udpLength, nextHeader: IP_PROTOCOL_UDP, hopLimit: ttl }, view, 0)
  } else {
    const unfragmented = { identification: 0, dontFragment: true, moreFragments: false, fragmentOffset: 0, options: new Uint8Array(0) }
    encodeIpv4Header({ ...common, ...unfragmented, totalLength: length, ttl, protocol: IP_PROTOCOL_UDP }, view, 0)
  }
  bytes.set(payload, headerSize + UDP_HEADER_SIZE)
  encodeUdpHeader({ sourcePort, destinationPort, length: udpLength, checksum: 0 }, view, headerSize)
  setUdpChecksum(bytes, headerSize, udpLength, pseudoHeaderSum(source, destination, IP_PROTOCOL_UDP, udpLength))
  return bytes
}
