import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, WireError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { readBitAddress, writeBitAddress } from './bit-address.js'
import {
  MULTICAST_ROUTE_TYPE,
  decodeMulticastRoute,
  encodeMulticastRoute,
  type EvpnCommon,
  type EvpnMulticastNlri,
} from './evpn-multicast.js'
import type { NlriCodec } from './nlri-codec.js'
import type { NlriMode } from './nlri-mode.js'
import { writePathId } from './prefix-field.js'

/** Ethernet auto-discovery (type 1, RFC 7432 §7.1). */
export interface EvpnEthernetAutoDiscovery extends EvpnCommon {
  readonly route: 'ethernet-auto-discovery'
  /** Ethernet segment identifier, ten octets. */
  readonly esi: Uint8Array
  /** 0xffffffff for the whole segment. */
  readonly ethernetTag: number
  /** The label field, 24 bits. */
  readonly label: number
}

/** MAC/IP advertisement (type 2, RFC 7432 §7.2). */
export interface EvpnMacIp extends EvpnCommon {
  readonly route: 'mac-ip'
  /** Ethernet segment identifier, ten octets. */
  readonly esi: Uint8Array
  readonly ethernetTag: number
  readonly mac: MacAddress
  readonly ip?: IpAddress
  /** The first label field, 24 bits: an MPLS label in the high 20, or a VNI (RFC 8365 §5.1.3). */
  readonly label1: number
  readonly label2?: number
}

/** Inclusive multicast Ethernet tag (type 3, RFC 7432 §7.3). */
export interface EvpnInclusiveMulticast extends EvpnCommon {
  readonly route: 'inclusive-multicast'
  readonly ethernetTag: number
  readonly originator: IpAddress
}

/** Ethernet segment (type 4, RFC 7432 §7.4). */
export interface EvpnEthernetSegment extends EvpnCommon {
  readonly route: 'ethernet-segment'
  readonly esi: Uint8Array
  readonly originator: IpAddress
}

/** IP prefix (type 5, RFC 9136 §3.1). */
export interface EvpnIpPrefix extends EvpnCommon {
  readonly route: 'ip-prefix'
  readonly esi: Uint8Array
  readonly ethernetTag: number
  readonly prefix: IpPrefix
  /** Overlay index; unspecified where another index resolves the route. */
  readonly gateway: IpAddress
  /** The label field, 24 bits: an MPLS label in the high 20, or a VNI. */
  readonly label: number
}

/** A route type that is not taken apart. */
export interface EvpnOther {
  readonly kind: 'evpn'
  readonly route: 'other'
  /** 0–255. */
  readonly routeType: number
  readonly value: Uint8Array
  readonly pathId?: number
}

/** An EVPN route (RFC 7432 §7, RFC 9136 §3, RFC 9251 §9, RFC 9572 §3). */
export type EvpnNlri =
  | EvpnEthernetAutoDiscovery
  | EvpnMacIp
  | EvpnInclusiveMulticast
  | EvpnEthernetSegment
  | EvpnIpPrefix
  | EvpnMulticastNlri
  | EvpnOther

/** Route types of unicast (IANA evpn-route-types). */
const ROUTE_TYPE = { ethernetAutoDiscovery: 1, macIp: 2, inclusiveMulticast: 3, ethernetSegment: 4, ipPrefix: 5 } as const

/** Route type, length, value (RFC 7432 §7); a field holds several. */
export const evpnCodec: NlriCodec<EvpnNlri> = Object.freeze<NlriCodec<EvpnNlri>>({
  kind: 'evpn',
  decode(input, _family, mode) {
    const out: EvpnNlri[] = []
    while (input.remaining > 0) {
      const path = mode.addPath ? { pathId: input.u32() } : {}
      const routeType = input.u8()
      const value = input.sub(input.u8(), `nlri[${out.length}]`)
      out.push({ ...decodeRoute(routeType, value, mode), ...path })
    }
    return out
  },
  encode(nlri, out, _family, mode) {
    writePathId(out, nlri, mode)
    out.u8(routeTypeOf(nlri))
    const close = out.reserveU8()
    encodeRoute(nlri, out)
    close()
  },
})

function routeTypeOf(nlri: EvpnNlri): number {
  switch (nlri.route) {
    case 'ethernet-auto-discovery':
      return ROUTE_TYPE.ethernetAutoDiscovery
    case 'mac-ip':
      return ROUTE_TYPE.macIp
    case 'inclusive-multicast':
      return ROUTE_TYPE.inclusiveMulticast
    case 'ethernet-segment':
      return ROUTE_TYPE.ethernetSegment
    case 'ip-prefix':
      return ROUTE_TYPE.ipPrefix
    case 'other':
      return nlri.routeType
    default:
      return MULTICAST_ROUTE_TYPE[nlri.route]
  }
}

function decodeRoute(routeType: number, input: ByteReader, mode: NlriMode): EvpnNlri {
  switch (routeType) {
    case ROUTE_TYPE.ethernetAutoDiscovery:
      return decodeEthernetAutoDiscovery(input)
    case ROUTE_TYPE.macIp:
      return decodeMacIp(input)
    case ROUTE_TYPE.inclusiveMulticast:
      return decodeInclusiveMulticast(input)
    case ROUTE_TYPE.ethernetSegment:
      return decodeEthernetSegment(input)
    case ROUTE_TYPE.ipPrefix:
      return decodeIpPrefix(input)
    default:
      return decodeMulticast(routeType, input, mode) ?? { kind: 'evpn', route: 'other', routeType, value: input.bytes.slice() }
  }
}

/** A route of multicast that is malformed is lost alone: nothing of unicast hangs on it (RFC 7606 §5.4). */
function decodeMulticast(routeType: number, input: ByteReader, mode: NlriMode): EvpnNlri | undefined {
  try {
    return decodeMulticastRoute(routeType, input)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    mode.malformed?.(error)
    return undefined
  }
}

function encodeRoute(nlri: EvpnNlri, out: ByteWriter): void {
  switch (nlri.route) {
    case 'ethernet-auto-discovery':
      return encodeEthernetAutoDiscovery(nlri, out)
    case 'mac-ip':
      return encodeMacIp(nlri, out)
    case 'inclusive-multicast':
      return encodeInclusiveMulticast(nlri, out)
    case 'ethernet-segment':
      return encodeEthernetSegment(nlri, out)
    case 'ip-prefix':
      return encodeIpPrefix(nlri, out)
    case 'other':
      return void out.octets(nlri.value)
    default:
      return encodeMulticastRoute(nlri, out)
  }
}

function decodeRd(input: ByteReader): RouteDistinguisher {
  return RouteDistinguisher.fromWords(input.u32(), input.u32())
}

function decodeEthernetAutoDiscovery(input: ByteReader): EvpnEthernetAutoDiscovery {
  if (input.remaining !== 25) input.fail('bgp.nlri.length', 'RFC 7432 §7.1')
  const rd = decodeRd(input)
  const esi = input.octets(10).slice()
  return { kind: 'evpn', route: 'ethernet-auto-discovery', rd, esi, ethernetTag: input.u32(), label: input.u24() }
}

function encodeEthernetAutoDiscovery(nlri: EvpnEthernetAutoDiscovery, out: ByteWriter): void {
  out.u32(nlri.rd.high).u32(nlri.rd.low).octets(nlri.esi).u32(nlri.ethernetTag).u24(nlri.label)
}

function decodeMacIp(input: ByteReader): EvpnMacIp {
  const rd = decodeRd(input)
  const esi = input.octets(10).slice()
  const ethernetTag = input.u32()
  if (input.u8() !== 48) input.fail('bgp.nlri.length', 'RFC 7432 §7.2')
  const mac = MacAddress.fromBytes(input.octets(6))
  const ip = readBitAddress(input, 'RFC 7432 §7.2')
  const label1 = input.u24()
  const label2 = input.remaining > 0 ? input.u24() : undefined
  if (input.remaining > 0) input.fail('bgp.nlri.length', 'RFC 7432 §7.2')
  return {
    kind: 'evpn',
    route: 'mac-ip',
    rd,
    esi,
    ethernetTag,
    mac,
    ...(ip === undefined ? {} : { ip }),
    label1,
    ...(label2 === undefined ? {} : { label2 }),
  }
}

function encodeMacIp(nlri: EvpnMacIp, out: ByteWriter): void {
  out.u32(nlri.rd.high).u32(nlri.rd.low).octets(nlri.esi).u32(nlri.ethernetTag).u8(48).octets(nlri.mac.toBytes())
  writeBitAddress(nlri.ip, out)
  out.u24(nlri.label1)
  if (nlri.label2 !== undefined) out.u24(nlri.label2)
}

function decodeInclusiveMulticast(input: ByteReader): EvpnInclusiveMulticast {
  const rd = decodeRd(input)
  const ethernetTag = input.u32()
  const originator = readBitAddress(input, 'RFC 7432 §7.3') ?? input.fail('bgp.nlri.length', 'RFC 7432 §7.3')
  if (input.remaining > 0) input.fail('bgp.nlri.length', 'RFC 7432 §7.3')
  return { kind: 'evpn', route: 'inclusive-multicast', rd, ethernetTag, originator }
}

function encodeInclusiveMulticast(nlri: EvpnInclusiveMulticast, out: ByteWriter): void {
  out.u32(nlri.rd.high).u32(nlri.rd.low).u32(nlri.ethernetTag)
  writeBitAddress(nlri.originator, out)
}

function decodeEthernetSegment(input: ByteReader): EvpnEthernetSegment {
  const rd = decodeRd(input)
  const esi = input.octets(10).slice()
  const originator = readBitAddress(input, 'RFC 7432 §7.4') ?? input.fail('bgp.nlri.length', 'RFC 7432 §7.4')
  if (input.remaining > 0) input.fail('bgp.nlri.length', 'RFC 7432 §7.4')
  return { kind: 'evpn', route: 'ethernet-segment', rd, esi, originator }
}

function encodeEthernetSegment(nlri: EvpnEthernetSegment, out: ByteWriter): void {
  out.u32(nlri.rd.high).u32(nlri.rd.low).octets(nlri.esi)
  writeBitAddress(nlri.originator, out)
}

/** The route has 34 or 58 octets, and that alone tells IPv4 from IPv6 (RFC 9136 §3.1). */
function decodeIpPrefix(input: ByteReader): EvpnIpPrefix {
  const octets = input.remaining === 34 ? 4 : input.remaining === 58 ? 16 : input.fail('bgp.nlri.length', 'RFC 9136 §3.1')
  const rd = decodeRd(input)
  const esi = input.octets(10).slice()
  const ethernetTag = input.u32()
  const length = input.u8()
  if (length > octets * 8) input.fail('bgp.nlri.length', 'RFC 9136 §3.1')
  const prefix = IpPrefix.of(IpAddress.fromBytes(input.octets(octets)), length)
  const gateway = IpAddress.fromBytes(input.octets(octets))
  return { kind: 'evpn', route: 'ip-prefix', rd, esi, ethernetTag, prefix, gateway, label: input.u24() }
}

function encodeIpPrefix(nlri: EvpnIpPrefix, out: ByteWriter): void {
  out.u32(nlri.rd.high).u32(nlri.rd.low).octets(nlri.esi).u32(nlri.ethernetTag).u8(nlri.prefix.length)
  out.octets(nlri.prefix.address.toBytes()).octets(nlri.gateway.toBytes()).u24(nlri.label)
}
