import type { LivenessObject } from '@heddle/core'
import { probePacket } from '@heddle/forwarding'
import { BFD_MULTIHOP_PORT, BFD_PORT, IP_PROTOCOL_UDP, IpAddress, UDP_HEADER_SIZE, udpDestinationPort } from '@heddle/wire'
import type { UnderlayFrame } from './memory-underlay.js'

/** Source port of sessions (RFC 5881 §4: 49,152–65,535). */
const SOURCE_PORT = 49_152
const OWN_TTL = 255

/** The frame that carries a packet of a session. */
export function bfdFrame({ local, remote, hops }: LivenessObject, payload: Uint8Array): UnderlayFrame {
  const destinationPort = hops === 'single' ? BFD_PORT : BFD_MULTIHOP_PORT
  const bytes = probePacket({ source: local, destination: remote, sourcePort: SOURCE_PORT, destinationPort, ttl: OWN_TTL, payload })
  return { payload: 'ip', source: local, destination: remote, bytes }
}

/** What a frame says to a session, or undefined when it says something else. */
export function readBfdFrame({ payload, bytes }: UnderlayFrame): Received | undefined {
  const isV4 = bytes[0] >>> 4 === 4
  const udp = isV4 ? 20 : 40
  if (payload !== 'ip' || bytes.length < udp + UDP_HEADER_SIZE || bytes[isV4 ? 9 : 6] !== IP_PROTOCOL_UDP) return undefined
  const port = udpDestinationPort(bytes, udp)
  if (port !== BFD_PORT && port !== BFD_MULTIHOP_PORT) return undefined
  const [first, middle, end] = isV4 ? [12, 16, 20] : [8, 24, 40]
  return {
    remote: IpAddress.fromBytes(bytes.subarray(first, middle)),
    local: IpAddress.fromBytes(bytes.subarray(middle, end)),
    hops: port === BFD_PORT ? 'single' : 'multiple',
    ttl: bytes[isV4 ? 8 : 7],
    packet: bytes.subarray(udp + UDP_HEADER_SIZE),
  }
}

interface Received {
  readonly local: IpAddress
  readonly remote: IpAddress
  readonly hops: LivenessObject['hops']
  readonly ttl: number
  readonly packet: Uint8Array
}
