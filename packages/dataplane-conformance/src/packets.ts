import { IpAddress, type MacAddress } from '@heddle/wire'
import { onesComplementSum } from './oracle/ip.js'

/** A UDP datagram in an IP packet, as the suite sends it; everything but the addresses has a default. */
export interface TestPacket {
  readonly source: string | IpAddress
  readonly destination: string | IpAddress
  readonly ttl?: number
  readonly trafficClass?: number
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** Octets of UDP payload. */
  readonly size?: number
  /** IPv4 only; set by default. */
  readonly dontFragment?: boolean
}

/** Octets of a `TestPacket` without payload. */
export const TEST_PACKET_OVERHEAD = { 4: 28, 6: 48 } as const

/** Makes the packet. */
export function testPacket(packet: TestPacket): Uint8Array {
  const { ttl = 64, trafficClass = 0, sourcePort = 40_000, destinationPort = 9, size = 16, dontFragment = true } = packet
  const source = addressOf(packet.source)
  const destination = addressOf(packet.destination)
  const udp = [sourcePort >> 8, sourcePort & 255, destinationPort >> 8, destinationPort & 255, (8 + size) >> 8, (8 + size) & 255, 0, 0]
  const payload = Array.from({ length: size }, (_, index) => index & 255)
  return ipPacket({ source, destination, ttl, trafficClass, dontFragment, protocol: 17 }, Uint8Array.from([...udp, ...payload]), 6)
}

/** A TCP segment in an IP packet. */
export interface TestSegment {
  readonly source: string | IpAddress
  readonly destination: string | IpAddress
  readonly sourcePort?: number
  readonly destinationPort?: number
  /** Flags octet; SYN (2) by default. */
  readonly flags?: number
  /** Octets of options, a multiple of four; an MSS of 1,460 by default. */
  readonly options?: readonly number[]
  readonly ttl?: number
  readonly trafficClass?: number
  /** Octets of payload. */
  readonly size?: number
  /** IPv4 only; set by default. */
  readonly dontFragment?: boolean
}

/** The MSS option. */
export function mssOption(mss: number): number[] {
  return [2, 4, mss >> 8, mss & 255]
}

/** Makes the segment. */
export function testSegment(segment: TestSegment): Uint8Array {
  const { sourcePort = 40_000, destinationPort = 80, flags = 2, options = mssOption(1460), size = 0, ttl = 64, trafficClass = 0 } = segment
  const ports = [sourcePort >> 8, sourcePort & 255, destinationPort >> 8, destinationPort & 255]
  const fixed = [...ports, 0, 0, 0, 1, 0, 0, 0, 0, (5 + options.length / 4) * 16, flags, 0xff, 0xff, 0, 0, 0, 0]
  const tcp = Uint8Array.from([...fixed, ...options, ...Array.from({ length: size }, (_, index) => index & 255)])
  const header = { source: addressOf(segment.source), destination: addressOf(segment.destination), ttl, trafficClass, protocol: 6 }
  return ipPacket({ ...header, dontFragment: segment.dontFragment ?? true }, tcp, 16)
}

/** Makes an ICMP echo request. */
export function echoRequest(source: IpAddress, destination: IpAddress): Uint8Array {
  const [protocol, type] = source.family === 4 ? [1, 8] : [58, 128]
  const icmp = Uint8Array.from([type, 0, 0, 0, 0x12, 0x34, 0, 1, ...Array.from({ length: 16 }, (_, index) => index)])
  return ipPacket({ source, destination, ttl: 64, trafficClass: 0, dontFragment: true, protocol }, icmp, 2)
}

/** An entry of a label stack; TTL 64, traffic class 0 by default. */
export interface TestLabel {
  readonly label: number
  readonly ttl?: number
  readonly trafficClass?: number
}

/** Puts a label stack before a payload, top first; the last entry is the bottom. */
export function labelled(stack: readonly TestLabel[], payload: Uint8Array): Uint8Array {
  const words = stack.flatMap(({ label, ttl = 64, trafficClass = 0 }, index) => {
    const bottom = index === stack.length - 1 ? 1 : 0
    return [label >> 12, (label >> 4) & 255, (label & 15) * 16 + trafficClass * 2 + bottom, ttl]
  })
  return Uint8Array.from([...words, ...payload])
}

/** Label of a joint entry. */
export const JOINT_LABEL = 49_152

/** Puts a joint label before a label stack. @param ttl 1 or 2 for IPv4 or IPv6 behind one label, 0 for anything else */
export function jointBefore(ttl: number, stack: Uint8Array): Uint8Array {
  return Uint8Array.from([12, 0, 0, ttl, ...stack])
}

/** Fields that GRE may carry on receive (RFC 2784, RFC 2890). */
export interface TestGre {
  readonly checksum?: boolean
  readonly key?: number
  readonly sequence?: number
}

/** Puts a GRE header before a label stack. */
export function greBefore(payload: Uint8Array, { checksum = false, key, sequence }: TestGre = {}): Uint8Array {
  const flags = (checksum ? 0x80 : 0) + (key === undefined ? 0 : 0x20) + (sequence === undefined ? 0 : 0x10)
  const words = [...(checksum ? [0] : []), ...(key === undefined ? [] : [key]), ...(sequence === undefined ? [] : [sequence])]
  const bytes = Uint8Array.from([flags, 0, 0x88, 0x47, ...words.flatMap(octetsOf), ...payload])
  if (checksum) bytes.set(octetsOf((0xffff - onesComplementSum(bytes)) * 65_536), 4)
  return bytes
}

/** Puts a VXLAN header and an Ethernet header before an IP packet. */
export function vxlanBefore(vni: number, destination: MacAddress, source: MacAddress, packet: Uint8Array): Uint8Array {
  const etherType = packet[0] >> 4 === 4 ? [0x08, 0x00] : [0x86, 0xdd]
  const header = [8, 0, 0, 0, ...octetsOf(vni * 256), ...destination.toBytes(), ...source.toBytes(), ...etherType]
  return Uint8Array.from([...header, ...packet])
}

export interface Header {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly ttl: number
  readonly trafficClass: number
  readonly dontFragment: boolean
  readonly protocol: number
}

/** An IP packet around a payload whose checksum stands at `checksumAt`. */
export function ipPacket(header: Header, payload: Uint8Array, checksumAt: number): Uint8Array {
  const { source, destination, ttl, trafficClass, dontFragment, protocol } = header
  const addresses = [...source.toBytes(), ...destination.toBytes()]
  const pseudo = [...addresses, payload.length >> 8, payload.length & 255, 0, protocol]
  const sum = 0xffff - onesComplementSum(Uint8Array.from(protocol === 1 ? payload : [...pseudo, ...payload]))
  const checked = payload.slice()
  checked.set(octetsOf((sum === 0 && protocol === 17 ? 0xffff : sum) * 65_536).slice(0, 2), checksumAt)
  if (source.family === 6) {
    const words = [0x6000_0000 + trafficClass * 0x10_0000, payload.length * 65_536 + protocol * 256 + ttl]
    return Uint8Array.from([...words.flatMap(octetsOf), ...addresses, ...checked])
  }
  const words = [0x4500_0000 + trafficClass * 65_536 + 20 + payload.length, dontFragment ? 0x4000 : 0, (ttl * 256 + protocol) * 65_536]
  const bytes = Uint8Array.from([...words.flatMap(octetsOf), ...addresses, ...checked])
  bytes.set(octetsOf((0xffff - onesComplementSum(bytes.subarray(0, 20))) * 65_536).slice(0, 2), 10)
  return bytes
}

function octetsOf(word: number): number[] {
  return [Math.floor(word / 0x100_0000) & 255, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]
}

function addressOf(address: string | IpAddress): IpAddress {
  return typeof address === 'string' ? IpAddress.parse(address) : address
}
