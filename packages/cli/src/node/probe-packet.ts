import { ByteWriter, type IpAddress } from '@heddle/wire'

/** What `heddle explain` asks about: an IP packet as an endpoint would send it. */
export interface Probe {
  readonly source: IpAddress
  /** Of the same family as `source`. */
  readonly destination: IpAddress
  readonly protocol: 'icmp' | 'tcp' | 'udp'
  readonly sourcePort: number
  readonly destinationPort: number
  /** 0–255. */
  readonly ttl: number
}

const NEXT_HEADER = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const

/** The octets of a probe; its transport checksum is left zero, since nothing that is asked looks at it. */
export function probePacket(probe: Probe): Uint8Array {
  const transport = transportHeader(probe)
  const { source, destination, protocol, ttl } = probe
  const out = new ByteWriter(64)
  if (source.family === 4) {
    out
      .u8(0x45)
      .u8(0)
      .u16(20 + transport.length)
      .u16(0)
      .u16(0)
      .u8(ttl)
      .u8(NEXT_HEADER[protocol])
      .u16(0)
    out.octets(source.toBytes()).octets(destination.toBytes())
    out.patchU16(10, internetChecksum(out.view()))
  } else {
    out
      .u32(0x6000_0000)
      .u16(transport.length)
      .u8(protocol === 'icmp' ? NEXT_HEADER.icmpv6 : NEXT_HEADER[protocol])
      .u8(ttl)
    out.octets(source.toBytes()).octets(destination.toBytes())
  }
  return out.octets(transport).finish()
}

function transportHeader({ source, protocol, sourcePort, destinationPort }: Probe): Uint8Array {
  const out = new ByteWriter(32)
  switch (protocol) {
    case 'icmp':
      return out
        .u8(source.family === 4 ? 8 : 128)
        .u8(0)
        .u16(0)
        .u32(0x0001_0001)
        .finish()
    case 'udp':
      return out.u16(sourcePort).u16(destinationPort).u16(8).u16(0).finish()
    default: // a SYN
      return out.u16(sourcePort).u16(destinationPort).u32(0).u32(0).u16(0x5002).u16(65_535).u16(0).u16(0).finish()
  }
}

/** Of an even number of octets (RFC 1071). */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] << 8) | bytes[at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
