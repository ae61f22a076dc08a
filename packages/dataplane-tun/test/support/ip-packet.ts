import type { SentPacket } from '@heddle/dataplane-conformance'
import { IpAddress } from '@heddle/wire'

/* Outer headers, written and read independently of the packages under test. */

const UDP = 17

/** What an outer packet is made of. */
export interface OuterPacket {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly protocol: number
  readonly ttl: number
  readonly trafficClass: number
  /** For UDP. */
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** Behind the IP header, and the UDP header if there is one. */
  readonly payload: Uint8Array
}

/** Writes an IP packet; a UDP checksum is zero. */
export function writeOuter(packet: OuterPacket): Uint8Array {
  const { source, destination, protocol, ttl, trafficClass, payload } = packet
  const udp =
    protocol === UDP ? [...word16(packet.sourcePort ?? 0), ...word16(packet.destinationPort ?? 0), ...word16(payload.length + 8), 0, 0] : []
  const body = [...udp, ...payload]
  const addresses = [...source.toBytes(), ...destination.toBytes()]
  if (source.family === 6)
    return Uint8Array.from([
      0x60 | (trafficClass >> 4),
      (trafficClass & 15) << 4,
      0,
      0,
      ...word16(body.length),
      protocol,
      ttl,
      ...addresses,
      ...body,
    ])
  const header = [0x45, trafficClass, ...word16(20 + body.length), 0, 0, 0x40, 0, ttl, protocol, 0, 0, ...addresses]
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += header[at] * 256 + header[at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  header.splice(10, 2, ...word16(0xffff - sum))
  return Uint8Array.from([...header, ...body])
}

/** Reads an IP packet without options or extension headers. */
export function readOuter(bytes: Uint8Array): OuterPacket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const v4 = bytes[0] >> 4 === 4
  const [header, protocolAt, ttlAt, addressAt, size] = v4 ? [20, 9, 8, 12, 4] : [40, 6, 7, 8, 16]
  const end = v4 ? view.getUint16(2) : 40 + view.getUint16(4)
  const common = {
    source: IpAddress.fromBytes(bytes.subarray(addressAt, addressAt + size)),
    destination: IpAddress.fromBytes(bytes.subarray(addressAt + size, addressAt + 2 * size)),
    protocol: bytes[protocolAt],
    ttl: bytes[ttlAt],
    trafficClass: v4 ? bytes[1] : (view.getUint16(0) >> 4) & 0xff,
  }
  if (common.protocol !== UDP) return { ...common, payload: bytes.slice(header, end) }
  return {
    ...common,
    sourcePort: view.getUint16(header),
    destinationPort: view.getUint16(header + 2),
    payload: bytes.slice(header + 8, end),
  }
}

function word16(value: number): [number, number] {
  return [value >> 8, value & 0xff]
}

/** Whether it is a copy for a mirror's collector (ERSPAN over GRE), which comes besides what became of the packet. */
export function isErspan({ encapsulation, packet }: SentPacket): boolean {
  return encapsulation === 'mpls-gre' && packet[2] === 0x88 && packet[3] === 0xbe
}
