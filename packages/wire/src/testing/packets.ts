import fc from 'fast-check'
import { internetChecksum, pseudoHeaderSum } from '../header/checksum.js'
import { IP_PROTOCOL_ICMP, IP_PROTOCOL_ICMPV6, IP_PROTOCOL_TCP, IP_PROTOCOL_UDP } from '../header/iana.js'
import { encodeIcmpv4, icmpv4Size } from '../header/icmpv4.js'
import { encodeIcmpv6, icmpv6Size } from '../header/icmpv6.js'
import { encodeIpv4Header, IPV4_HEADER_SIZE } from '../header/ipv4.js'
import { encodeIpv6Header, IPV6_HEADER_SIZE } from '../header/ipv6.js'
import { octetsOf } from '../header/octets.js'
import { encodeTcpHeader, tcpHeaderSize } from '../header/tcp.js'
import { encodeUdpHeader, setUdpChecksum, UDP_HEADER_SIZE } from '../header/udp.js'
import type { IpAddress } from '../value/ip-address.js'
import { icmpv4Message, icmpv6Message, tcpHeader } from './headers.js'
import { ipv4Address, ipv6Address } from './values.js'

/** What an IP packet carries, and how to write it once the addresses are known. */
interface Transport {
  readonly protocol: number
  readonly size: number
  readonly write: (out: DataView, at: number, source: IpAddress, destination: IpAddress) => void
}

/** Whole IPv4 or IPv6 packets (of one family if it is given) with UDP, TCP or ICMP inside, no fragments, lengths and checksums right; TTL 2–255. */
export function ipPacket(family?: 4 | 6): fc.Arbitrary<Uint8Array> {
  if (family === undefined) return fc.oneof(ipPacket(4), ipPacket(6))
  const address = family === 4 ? ipv4Address() : ipv6Address()
  return fc
    .record({
      transport: fc.oneof(udp(), tcp(), family === 4 ? icmpv4() : icmpv6()),
      source: address,
      destination: address,
      ttl: fc.integer({ min: 2, max: 255 }),
      dscp: fc.nat(63),
      ecn: fc.nat(3),
      identification: fc.nat(0xffff),
      flowLabel: fc.nat(0xfffff),
    })
    .map(({ transport, source, destination, ttl, dscp, ecn, identification, flowLabel }) => {
      const header = family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
      const bytes = new Uint8Array(header + transport.size)
      const out = new DataView(bytes.buffer)
      const { protocol } = transport
      if (family === 4) {
        const flags = { dontFragment: true, moreFragments: false, fragmentOffset: 0, options: new Uint8Array(0) }
        encodeIpv4Header({ dscp, ecn, totalLength: bytes.length, identification, ttl, protocol, source, destination, ...flags }, out, 0)
      } else {
        const payloadLength = transport.size
        encodeIpv6Header({ dscp, ecn, flowLabel, payloadLength, nextHeader: protocol, hopLimit: ttl, source, destination }, out, 0)
      }
      transport.write(out, header, source, destination)
      return bytes
    })
}

function udp(): fc.Arbitrary<Transport> {
  return fc
    .record({ sourcePort: fc.nat(0xffff), destinationPort: fc.nat(0xffff), data: fc.uint8Array({ maxLength: 64 }) })
    .map(({ sourcePort, destinationPort, data }) => {
      const size = UDP_HEADER_SIZE + data.length
      return {
        protocol: IP_PROTOCOL_UDP,
        size,
        write: (out, at, source, destination) => {
          const bytes = octetsOf(out)
          bytes.set(data, encodeUdpHeader({ sourcePort, destinationPort, length: size, checksum: 0 }, out, at))
          setUdpChecksum(bytes, at, size, pseudoHeaderSum(source, destination, IP_PROTOCOL_UDP, size))
        },
      }
    })
}

function tcp(): fc.Arbitrary<Transport> {
  return fc.record({ header: tcpHeader(), data: fc.uint8Array({ maxLength: 64 }) }).map(({ header, data }) => {
    const size = tcpHeaderSize(header) + data.length
    return {
      protocol: IP_PROTOCOL_TCP,
      size,
      write: (out, at, source, destination) => {
        const bytes = octetsOf(out)
        bytes.set(data, encodeTcpHeader({ ...header, checksum: 0 }, out, at))
        const sum = pseudoHeaderSum(source, destination, IP_PROTOCOL_TCP, size)
        out.setUint16(at + 16, internetChecksum(bytes, at, size, sum))
      },
    }
  })
}

function icmpv4(): fc.Arbitrary<Transport> {
  return icmpv4Message().map((message) => ({
    protocol: IP_PROTOCOL_ICMP,
    size: icmpv4Size(message),
    write: (out, at) => {
      encodeIcmpv4(message, out, at)
    },
  }))
}

function icmpv6(): fc.Arbitrary<Transport> {
  return icmpv6Message().map((message) => ({
    protocol: IP_PROTOCOL_ICMPV6,
    size: icmpv6Size(message),
    write: (out, at, source, destination) => {
      encodeIcmpv6(message, source, destination, out, at)
    },
  }))
}
