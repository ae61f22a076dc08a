import type { ByteReader } from '../byte-reader.js'
import { IpAddress } from '../value/ip-address.js'
import { MacAddress } from '../value/mac-address.js'
import { checksumHolds, internetChecksum, pseudoHeaderSum } from './checksum.js'
import { IP_PROTOCOL_ICMPV6 } from './iana.js'
import { ICMP_HEADER_SIZE } from './icmpv4.js'
import { octetsOf } from './octets.js'

/**
 * ICMPv6 (RFC 4443 §2.1) with router and neighbor discovery (RFC 4861 §4.1 to §4.4).
 *
 *     +------+------+---------------+-------------------------------+
 *     | type | code | checksum      | by type: identifier and sequence, MTU, or ND flags
 *     +------+------+---------------+-------------------------------+
 *     | data: what is echoed, the beginning of the packet in question, or ND target, 16, or times, 8, and options
 *     +--------------------------------------------------------------
 */
export type Icmpv6Message =
  | {
      readonly type: 'echo-request' | 'echo-reply'
      /** 0–65,535. */
      readonly identifier: number
      /** 0–65,535. */
      readonly sequence: number
      readonly data: Uint8Array
    }
  | { readonly type: 'destination-unreachable' | 'time-exceeded'; readonly code: number; readonly quote: Uint8Array }
  /** `mtu`: largest packet that the next hop takes, octets. */
  | { readonly type: 'packet-too-big'; readonly mtu: number; readonly quote: Uint8Array }
  | { readonly type: 'router-solicitation'; readonly sourceLinkLayer?: MacAddress }
  | {
      readonly type: 'router-advertisement'
      /** What hosts should send with, 1–255; 0: not said. */
      readonly hopLimit: number
      /** Octet of flags (IANA "IPv6 ND Router Advertisement flags"). */
      readonly flags: number
      /** Seconds as a default router, 0–65,535; 0: it is none. */
      readonly lifetime: number
      /** Milliseconds that a neighbor counts as reachable; 0: not said. */
      readonly reachableTime: number
      /** Milliseconds between solicitations; 0: not said. */
      readonly retransTimer: number
      readonly sourceLinkLayer?: MacAddress
    }
  | { readonly type: 'neighbor-solicitation'; readonly target: IpAddress; readonly sourceLinkLayer?: MacAddress }
  | {
      readonly type: 'neighbor-advertisement'
      readonly target: IpAddress
      /** The sender forwards packets. */
      readonly router: boolean
      /** Answers a solicitation. */
      readonly solicited: boolean
      /** Replaces what the receiver had cached. */
      readonly override: boolean
      readonly targetLinkLayer?: MacAddress
    }
  /** Any other type; `rest` is the second word. */
  | { readonly type: 'other'; readonly number: number; readonly code: number; readonly rest: number; readonly data: Uint8Array }

/** Message types (IANA "ICMPv6 'type' Numbers"). */
export const ICMPV6_DESTINATION_UNREACHABLE = 1
/** Type: larger than the next link takes (RFC 4443 §3.2). */
export const ICMPV6_PACKET_TOO_BIG = 2
/** Type: the hop limit ran out, or parts did not come together in time (RFC 4443 §3.3). */
export const ICMPV6_TIME_EXCEEDED = 3
/** Type: echo request (RFC 4443 §4.1). */
export const ICMPV6_ECHO_REQUEST = 128
/** Type: echo reply (RFC 4443 §4.2). */
export const ICMPV6_ECHO_REPLY = 129
/** Type: which routers are here (RFC 4861 §4.1). */
export const ICMPV6_ROUTER_SOLICITATION = 133
/** Type: here is one (RFC 4861 §4.2). */
export const ICMPV6_ROUTER_ADVERTISEMENT = 134
/** Type: who has this address (RFC 4861 §4.3). */
export const ICMPV6_NEIGHBOR_SOLICITATION = 135
/** Type: I have it (RFC 4861 §4.4). */
export const ICMPV6_NEIGHBOR_ADVERTISEMENT = 136

/** Codes of destination unreachable. */
export const ICMPV6_NO_ROUTE = 0
/** Code of an unreachable destination: a rule forbids it (RFC 4443 §3.1). */
export const ICMPV6_ADMINISTRATIVELY_PROHIBITED = 1
/** Code of an unreachable destination: no way to the address (RFC 4443 §3.1). */
export const ICMPV6_ADDRESS_UNREACHABLE = 3
/** Code of an unreachable destination: nobody listens on the port (RFC 4443 §3.1). */
export const ICMPV6_PORT_UNREACHABLE = 4

const OPTION_SOURCE_LINK_LAYER = 1
const OPTION_TARGET_LINK_LAYER = 2
const LINK_LAYER_OPTION_SIZE = 8
const ROUTER = 0x80000000
const SOLICITED = 0x40000000
const OVERRIDE = 0x20000000

/** Octets that `encodeIcmpv6` writes. */
export function icmpv6Size(message: Icmpv6Message): number {
  if (!isDiscovery(message)) return ICMP_HEADER_SIZE + ('quote' in message ? message.quote : message.data).length
  return ICMP_HEADER_SIZE + fixedSizeOf(message) + (linkLayerOf(message) === undefined ? 0 : LINK_LAYER_OPTION_SIZE)
}

/** Writes `message` with its checksum, which covers the addresses, at `offset`; returns the offset behind it. */
export function encodeIcmpv6(message: Icmpv6Message, source: IpAddress, destination: IpAddress, out: DataView, offset: number): number {
  const size = icmpv6Size(message)
  const bytes = octetsOf(out)
  out.setUint8(offset, numberOf(message))
  out.setUint8(offset + 1, 'code' in message ? message.code : 0)
  out.setUint16(offset + 2, 0)
  out.setUint32(offset + 4, secondWordOf(message))
  const body = offset + ICMP_HEADER_SIZE
  if (isDiscovery(message)) encodeDiscovery(message, out, body)
  else bytes.set('quote' in message ? message.quote : message.data, body)
  out.setUint16(offset + 2, internetChecksum(bytes, offset, size, pseudoHeaderSum(source, destination, IP_PROTOCOL_ICMPV6, size)))
  return offset + size
}

/**
 * Reads a message that fills its container.
 *
 * @throws WireError `wire.truncated`, `wire.icmp.checksum`; `wire.icmp.option-length` for an ND option of length 0
 */
export function decodeIcmpv6(input: ByteReader, source: IpAddress, destination: IpAddress): Icmpv6Message {
  const start = input.position
  const length = input.remaining
  const number = input.u8()
  const code = input.u8()
  input.skip(2)
  const rest = input.u32()
  if (!checksumHolds(input.bytes, start, length, pseudoHeaderSum(source, destination, IP_PROTOCOL_ICMPV6, length))) {
    input.fail('wire.icmp.checksum', 'RFC 4443 §2.3')
  }
  switch (number) {
    case ICMPV6_ECHO_REQUEST:
    case ICMPV6_ECHO_REPLY:
      if (code !== 0) break
      return {
        type: number === ICMPV6_ECHO_REQUEST ? 'echo-request' : 'echo-reply',
        identifier: rest >>> 16,
        sequence: rest & 0xffff,
        data: input.rest().slice(),
      }
    case ICMPV6_DESTINATION_UNREACHABLE:
      return { type: 'destination-unreachable', code, quote: input.rest().slice() }
    case ICMPV6_TIME_EXCEEDED:
      return { type: 'time-exceeded', code, quote: input.rest().slice() }
    case ICMPV6_PACKET_TOO_BIG:
      return { type: 'packet-too-big', mtu: rest, quote: input.rest().slice() }
    case ICMPV6_ROUTER_SOLICITATION:
    case ICMPV6_ROUTER_ADVERTISEMENT:
      if (code !== 0) break
      return decodeRouter(number, rest, input)
    case ICMPV6_NEIGHBOR_SOLICITATION: {
      const target = IpAddress.fromBytes(input.octets(16))
      const mac = decodeLinkLayer(input, OPTION_SOURCE_LINK_LAYER)
      return { type: 'neighbor-solicitation', target, ...(mac && { sourceLinkLayer: mac }) }
    }
    case ICMPV6_NEIGHBOR_ADVERTISEMENT: {
      const target = IpAddress.fromBytes(input.octets(16))
      const mac = decodeLinkLayer(input, OPTION_TARGET_LINK_LAYER)
      const flags = { router: (rest & ROUTER) !== 0, solicited: (rest & SOLICITED) !== 0, override: (rest & OVERRIDE) !== 0 }
      return { type: 'neighbor-advertisement', target, ...flags, ...(mac && { targetLinkLayer: mac }) }
    }
    default:
  }
  return { type: 'other', number, code, rest, data: input.rest().slice() }
}

function decodeRouter(number: number, rest: number, input: ByteReader): Icmpv6Message {
  if (number === ICMPV6_ROUTER_SOLICITATION) return { type: 'router-solicitation', ...sourceOf(input) }
  const hopLimit = rest >>> 24
  const [reachableTime, retransTimer] = [input.u32(), input.u32()]
  const times = { lifetime: rest & 0xffff, reachableTime, retransTimer }
  return { type: 'router-advertisement', hopLimit, flags: (rest >>> 16) & 0xff, ...times, ...sourceOf(input) }
}

function sourceOf(input: ByteReader): { readonly sourceLinkLayer?: MacAddress } {
  const mac = decodeLinkLayer(input, OPTION_SOURCE_LINK_LAYER)
  return mac === undefined ? {} : { sourceLinkLayer: mac }
}

/** Whether a message of this type tells of an error, to which no error may be sent in turn (RFC 4443 §2.4 e). */
export function icmpv6IsError(number: number): boolean {
  return number < 128
}

/** Walks the ND options (RFC 4861 §4.6) for an Ethernet address of the kind asked for. */
function decodeLinkLayer(input: ByteReader, wanted: number): MacAddress | undefined {
  let found: MacAddress | undefined
  while (input.remaining > 0) {
    const type = input.u8()
    const units = input.u8()
    if (units === 0) input.fail('wire.icmp.option-length', 'RFC 4861 §4.6')
    const body = input.octets(units * 8 - 2)
    if (type === wanted && units * 8 === LINK_LAYER_OPTION_SIZE) found = MacAddress.fromBytes(body)
  }
  return found
}

type DiscoveryMessage = Extract<
  Icmpv6Message,
  { readonly type: 'router-solicitation' | 'router-advertisement' | 'neighbor-solicitation' | 'neighbor-advertisement' }
>

const DISCOVERY: ReadonlySet<string> = new Set<DiscoveryMessage['type']>([
  'router-solicitation',
  'router-advertisement',
  'neighbor-solicitation',
  'neighbor-advertisement',
])

function isDiscovery(message: Icmpv6Message): message is DiscoveryMessage {
  return DISCOVERY.has(message.type)
}

/** Octets between the header and the options. */
function fixedSizeOf({ type }: DiscoveryMessage): number {
  if (type === 'router-solicitation') return 0
  return type === 'router-advertisement' ? 8 : 16
}

function encodeDiscovery(message: DiscoveryMessage, out: DataView, body: number): void {
  if (message.type === 'router-advertisement') {
    out.setUint32(body, message.reachableTime)
    out.setUint32(body + 4, message.retransTimer)
  } else if (message.type !== 'router-solicitation') message.target.writeTo(out, body)
  const mac = linkLayerOf(message)
  if (mac === undefined) return
  const option = body + fixedSizeOf(message)
  out.setUint8(option, message.type === 'neighbor-advertisement' ? OPTION_TARGET_LINK_LAYER : OPTION_SOURCE_LINK_LAYER)
  out.setUint8(option + 1, LINK_LAYER_OPTION_SIZE / 8)
  mac.writeTo(out, option + 2)
}

function linkLayerOf(message: DiscoveryMessage): MacAddress | undefined {
  return message.type === 'neighbor-advertisement' ? message.targetLinkLayer : message.sourceLinkLayer
}

function secondWordOf(message: Icmpv6Message): number {
  switch (message.type) {
    case 'echo-request':
    case 'echo-reply':
      return (message.identifier << 16) | message.sequence
    case 'packet-too-big':
      return message.mtu
    case 'router-advertisement':
      return (message.hopLimit << 24) | (message.flags << 16) | message.lifetime
    case 'neighbor-advertisement':
      return (message.router ? ROUTER : 0) | (message.solicited ? SOLICITED : 0) | (message.override ? OVERRIDE : 0)
    case 'other':
      return message.rest
    default:
      return 0
  }
}

function numberOf(message: Icmpv6Message): number {
  switch (message.type) {
    case 'echo-request':
      return ICMPV6_ECHO_REQUEST
    case 'echo-reply':
      return ICMPV6_ECHO_REPLY
    case 'destination-unreachable':
      return ICMPV6_DESTINATION_UNREACHABLE
    case 'time-exceeded':
      return ICMPV6_TIME_EXCEEDED
    case 'packet-too-big':
      return ICMPV6_PACKET_TOO_BIG
    case 'router-solicitation':
      return ICMPV6_ROUTER_SOLICITATION
    case 'router-advertisement':
      return ICMPV6_ROUTER_ADVERTISEMENT
    case 'neighbor-solicitation':
      return ICMPV6_NEIGHBOR_SOLICITATION
    case 'neighbor-advertisement':
      return ICMPV6_NEIGHBOR_ADVERTISEMENT
    default:
      return message.number
  }
}
