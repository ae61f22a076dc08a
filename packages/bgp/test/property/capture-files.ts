import { IPV4_HEADER_SIZE, IP_PROTOCOL_TCP, IpAddress, TCP_HEADER_SIZE, encodeIpv4Header, encodeTcpHeader } from '@heddle/wire'
import { LINK_TYPE } from '../../src/index.js'

/** The ends of the connection that packets are of. */
export const ENDS = [
  { address: IpAddress.parse('192.0.2.1'), port: 50_000 },
  { address: IpAddress.parse('192.0.2.2'), port: 179 },
] as const

type Ends = readonly [{ readonly address: IpAddress; readonly port: number }, { readonly address: IpAddress; readonly port: number }]

/** A segment of either end. */
export interface Segment {
  readonly sender: 0 | 1
  readonly sequence: number
  readonly flags: number
  readonly payload: Uint8Array
}

/** An IPv4 packet with a segment. @param ends by sender */
export function packetOf({ sender, sequence, flags, payload }: Segment, ends: Ends = ENDS): Uint8Array {
  const [source, destination] = sender === 0 ? ends : [ends[1], ends[0]]
  const bytes = new Uint8Array(IPV4_HEADER_SIZE + TCP_HEADER_SIZE + payload.length)
  const view = new DataView(bytes.buffer)
  const ip = {
    dscp: 0,
    ecn: 0,
    identification: 0,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    ttl: 64,
    options: new Uint8Array(),
  }
  encodeIpv4Header(
    { ...ip, totalLength: bytes.length, protocol: IP_PROTOCOL_TCP, source: source.address, destination: destination.address },
    view,
    0,
  )
  const ports = { sourcePort: source.port, destinationPort: destination.port }
  const rest = { acknowledgment: 0, window: 1000, checksum: 0, urgentPointer: 0, options: new Uint8Array() }
  encodeTcpHeader({ ...ports, sequence, flags, ...rest }, view, IPV4_HEADER_SIZE)
  bytes.set(payload, IPV4_HEADER_SIZE + TCP_HEADER_SIZE)
  return bytes
}

/** What stands in front of an IPv4 packet on a link of each type. */
export const LINKS: readonly (readonly [type: number, header: readonly number[]])[] = [
  [LINK_TYPE.raw, []],
  [LINK_TYPE.ipv4, []],
  [LINK_TYPE.ethernet, [...Array.from({ length: 12 }, () => 2), 8, 0]],
  [LINK_TYPE.ethernet, [...Array.from({ length: 12 }, () => 2), 0x81, 0, 0, 7, 8, 0]],
  [LINK_TYPE.ethernet, [...Array.from({ length: 12 }, () => 2), 0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]],
  [LINK_TYPE.linuxSll, [...Array.from({ length: 14 }, () => 0), 8, 0]],
  [LINK_TYPE.linuxSll2, [8, 0, ...Array.from({ length: 18 }, () => 0)]],
  [LINK_TYPE.null, [2, 0, 0, 0]],
]

/** A classic capture of packets. */
export function pcapOf(packets: readonly Uint8Array[], [type, header]: (typeof LINKS)[number], little: boolean, nano: boolean): Uint8Array {
  const size = 24 + packets.reduce((sum, packet) => sum + 16 + header.length + packet.length, 0)
  const out = new Uint8Array(size)
  const view = new DataView(out.buffer)
  view.setUint32(0, nano ? 0xa1b23c4d : 0xa1b2c3d4, little)
  view.setUint16(4, 2, little)
  view.setUint16(6, 4, little)
  view.setUint32(16, 0x4_0000, little)
  view.setUint32(20, type, little)
  let at = 24
  packets.forEach((packet, index) => {
    const length = header.length + packet.length
    view.setUint32(at, 1_700_000_000 + index, little)
    view.setUint32(at + 8, length, little)
    view.setUint32(at + 12, length, little)
    out.set(header, at + 16)
    out.set(packet, at + 16 + header.length)
    at += 16 + length
  })
  return out
}
