import type { ByteReader } from '../byte-reader.js'
import { IpAddress } from '../value/ip-address.js'
import { MacAddress } from '../value/mac-address.js'
import { ETHER_TYPE_IPV4 } from './iana.js'

/**
 * ARP for IPv4 over Ethernet (RFC 826).
 *
 *     +---------------+---------------+-------+-------+---------------+
 *     | hardware = 1  | prot. = 0x800 | 6     | 4     | operation     |
 *     +---------------+---------------+-------+-------+---------------+
 *     | sender MAC, 6 | sender IP, 4  | target MAC, 6 | target IP, 4  |
 *     +---------------+---------------+---------------+---------------+
 */
export interface ArpPacket {
  /** 1 request, 2 reply (IANA "Operation Codes"). */
  readonly operation: number
  readonly senderMac: MacAddress
  /** IPv4. */
  readonly senderAddress: IpAddress
  /** Zero in a request. */
  readonly targetMac: MacAddress
  /** IPv4. */
  readonly targetAddress: IpAddress
}

/** Octets of a packet for IPv4 over Ethernet (RFC 826). */
export const ARP_PACKET_SIZE = 28
/** Operation: who has this address (RFC 826). */
export const ARP_REQUEST = 1
/** Operation: I have it (RFC 826). */
export const ARP_REPLY = 2

const HARDWARE_ETHERNET = 1
const MAC_SIZE = 6
const IPV4_SIZE = 4

/** Writes `packet` at `offset`; returns the offset behind it. */
export function encodeArpPacket(packet: ArpPacket, out: DataView, offset: number): number {
  out.setUint16(offset, HARDWARE_ETHERNET)
  out.setUint16(offset + 2, ETHER_TYPE_IPV4)
  out.setUint8(offset + 4, MAC_SIZE)
  out.setUint8(offset + 5, IPV4_SIZE)
  out.setUint16(offset + 6, packet.operation)
  packet.senderMac.writeTo(out, offset + 8)
  packet.senderAddress.writeTo(out, offset + 14)
  packet.targetMac.writeTo(out, offset + 18)
  packet.targetAddress.writeTo(out, offset + 24)
  return offset + ARP_PACKET_SIZE
}

/** Reads a packet. @throws WireError `wire.truncated`; `wire.arp.hardware`, `wire.arp.protocol` for anything but IPv4 over Ethernet */
export function decodeArpPacket(input: ByteReader): ArpPacket {
  if (input.u16() !== HARDWARE_ETHERNET) input.fail('wire.arp.hardware', 'RFC 826, ar$hrd')
  if (input.u16() !== ETHER_TYPE_IPV4) input.fail('wire.arp.protocol', 'RFC 826, ar$pro')
  if (input.u8() !== MAC_SIZE) input.fail('wire.arp.hardware', 'RFC 826, ar$hln')
  if (input.u8() !== IPV4_SIZE) input.fail('wire.arp.protocol', 'RFC 826, ar$pln')
  return {
    operation: input.u16(),
    senderMac: MacAddress.fromBytes(input.octets(MAC_SIZE)),
    senderAddress: IpAddress.v4(input.u32()),
    targetMac: MacAddress.fromBytes(input.octets(MAC_SIZE)),
    targetAddress: IpAddress.v4(input.u32()),
  }
}
