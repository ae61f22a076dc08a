import { describe, it } from 'vitest'
import { checkCodec } from '../testing/index.js'
import {
  arpPacket,
  ethernetHeader,
  greHeader,
  icmpv4Message,
  icmpv6Message,
  ipv4Header,
  ipv6Extensions,
  ipv6Header,
  tcpHeader,
  udpHeader,
} from '../testing/index.js'
import { IpAddress } from '../value/ip-address.js'
import { ARP_PACKET_SIZE, decodeArpPacket, encodeArpPacket } from './arp.js'
import { decodeEthernetHeader, encodeEthernetHeader, ethernetHeaderSize } from './ethernet.js'
import { decodeGreHeader, encodeGreHeader, greHeaderSize } from './gre.js'
import { decodeIcmpv4, encodeIcmpv4, icmpv4Size } from './icmpv4.js'
import { decodeIcmpv6, encodeIcmpv6, icmpv6Size } from './icmpv6.js'
import { decodeIpv4Header, encodeIpv4Header, ipv4HeaderSize } from './ipv4.js'
import { decodeIpv6Extensions, encodeIpv6Extensions, firstNextHeader, ipv6ExtensionsSize } from './ipv6-extension.js'
import { decodeIpv6Header, encodeIpv6Header, IPV6_HEADER_SIZE } from './ipv6.js'
import { decodeTcpHeader, encodeTcpHeader, tcpHeaderSize } from './tcp.js'
import { decodeUdpHeader, encodeUdpHeader, UDP_HEADER_SIZE } from './udp.js'

const source = IpAddress.parse('2001:db8::1')
const destination = IpAddress.parse('2001:db8::2')

describe('every header survives the wire, stays in its octets, and is refused when cut', () => {
  it('Ethernet', () =>
    checkCodec({ arbitrary: ethernetHeader(), size: ethernetHeaderSize, encode: encodeEthernetHeader, decode: decodeEthernetHeader }))
  it('ARP', () => checkCodec({ arbitrary: arpPacket(), size: () => ARP_PACKET_SIZE, encode: encodeArpPacket, decode: decodeArpPacket }))
  it('IPv4', () => checkCodec({ arbitrary: ipv4Header(), size: ipv4HeaderSize, encode: encodeIpv4Header, decode: decodeIpv4Header }))
  it('IPv6', () =>
    checkCodec({ arbitrary: ipv6Header(), size: () => IPV6_HEADER_SIZE, encode: encodeIpv6Header, decode: decodeIpv6Header }))
  it('UDP', () => checkCodec({ arbitrary: udpHeader(), size: () => UDP_HEADER_SIZE, encode: encodeUdpHeader, decode: decodeUdpHeader }))
  it('TCP', () => checkCodec({ arbitrary: tcpHeader(), size: tcpHeaderSize, encode: encodeTcpHeader, decode: decodeTcpHeader }))
  it('GRE', () =>
    checkCodec({
      arbitrary: greHeader(),
      size: greHeaderSize,
      encode: (header, out, offset) => encodeGreHeader(header, out, offset),
      decode: decodeGreHeader,
    }))
  it('ICMP', () =>
    checkCodec({ arbitrary: icmpv4Message(), size: icmpv4Size, encode: encodeIcmpv4, decode: decodeIcmpv4, delimited: false }))
  it('ICMPv6', () =>
    checkCodec({
      arbitrary: icmpv6Message(),
      size: icmpv6Size,
      encode: (message, out, offset) => encodeIcmpv6(message, source, destination, out, offset),
      decode: (input) => decodeIcmpv6(input, source, destination),
      delimited: false,
    }))
  it('IPv6 extension headers', () =>
    checkCodec({
      arbitrary: ipv6Extensions(),
      // The first octet stands for the next-header field of the IPv6 header.
      size: (extensions) => 1 + ipv6ExtensionsSize(extensions),
      encode: (extensions, out, offset) => {
        out.setUint8(offset, firstNextHeader(extensions, 17))
        return encodeIpv6Extensions(extensions, 17, out, offset + 1)
      },
      decode: (input) => [...decodeIpv6Extensions(input, input.u8()).extensions],
    }))
})
