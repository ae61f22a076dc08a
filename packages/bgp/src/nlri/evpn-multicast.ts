import { RouteDistinguisher, type ByteReader, type ByteWriter, type IpAddress } from '@heddle/wire'
import { readBitAddress, writeBitAddress } from './bit-address.js'

/** What all EVPN routes have (RFC 7432 §7). */
export interface EvpnCommon {
  readonly kind: 'evpn'
  readonly rd: RouteDistinguisher
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** A multicast flow; an absent source or group is a wildcard. */
export interface MulticastFlow {
  readonly source?: IpAddress
  readonly group?: IpAddress
}

/** Selective multicast Ethernet tag (type 6, RFC 9251 §9.1). */
export interface EvpnSelectiveMulticast extends EvpnCommon, MulticastFlow {
  readonly route: 'selective-multicast'
  readonly ethernetTag: number
  readonly originator: IpAddress
  /** Bits: 1 IGMPv1/MLDv1, 2 IGMPv2/MLDv2, 4 IGMPv3, 8 include or exclude. */
  readonly flags: number
}

/** Multicast membership report synch (type 7, RFC 9251 §9.2). */
export interface EvpnMembershipReport extends EvpnCommon, MulticastFlow {
  readonly route: 'membership-report-synch'
  readonly esi: Uint8Array
  readonly ethernetTag: number
  readonly originator: IpAddress
  readonly flags: number
}

/** Multicast leave synch (type 8, RFC 9251 §9.3). */
export interface EvpnLeave extends EvpnCommon, MulticastFlow {
  readonly route: 'leave-synch'
  readonly esi: Uint8Array
  readonly ethernetTag: number
  readonly originator: IpAddress
  /** Tenths of a second, as in an IGMP query. */
  readonly maximumResponseTime: number
  readonly flags: number
}

/** Per-region I-PMSI auto-discovery (type 9, RFC 9572 §3.1). */
export interface EvpnPerRegion extends EvpnCommon {
  readonly route: 'per-region-i-pmsi'
  readonly ethernetTag: number
  /** Eight octets, an extended community in form. */
  readonly regionId: Uint8Array
}

/** S-PMSI auto-discovery (type 10, RFC 9572 §3.2). */
export interface EvpnSelectivePmsi extends EvpnCommon, MulticastFlow {
  readonly route: 's-pmsi'
  readonly ethernetTag: number
  readonly originator: IpAddress
}

/** Leaf auto-discovery (type 11, RFC 9572 §3.3). */
export interface EvpnLeaf {
  readonly kind: 'evpn'
  readonly route: 'leaf'
  /** The NLRI that is answered, its type and length included. */
  readonly routeKey: Uint8Array
  readonly originator: IpAddress
  readonly pathId?: number
}

/** EVPN routes of multicast. */
export type EvpnMulticastNlri = EvpnSelectiveMulticast | EvpnMembershipReport | EvpnLeave | EvpnPerRegion | EvpnSelectivePmsi | EvpnLeaf

/** Route types (IANA evpn-route-types) by name. */
export const MULTICAST_ROUTE_TYPE: Readonly<Record<EvpnMulticastNlri['route'], number>> = {
  'selective-multicast': 6,
  'membership-report-synch': 7,
  'leave-synch': 8,
  'per-region-i-pmsi': 9,
  's-pmsi': 10,
  leaf: 11,
}

const ESI_SIZE = 10
const REGION_ID_SIZE = 8
const LEAVE_GROUP_RESERVED = 4

/**
 * Types 6, 7, 8 and 10, in which only 7 and 8 have a segment, and only 6 to 8 flags:
 *
 *     +--------+----------+------------------+------------------------------+--------------------------+-------+
 *     | RD (8) | ESI (10) | Ethernet tag (4) | source, group, originator:   | 8: reserved (4),         | flags |
 *     |        |          |                  | length in bits, address each | maximum response time    |       |
 *     +--------+----------+------------------+------------------------------+--------------------------+-------+
 *
 * @returns `undefined` for a type that is none of multicast
 * @throws WireError `bgp.nlri.length`, `wire.truncated`
 */
export function decodeMulticastRoute(routeType: number, input: ByteReader): EvpnMulticastNlri | undefined {
  const kind = 'evpn'
  switch (routeType) {
    case 6: {
      const [rd, ethernetTag] = [decodeRd(input), input.u32()]
      const flow = decodeFlow(input, 'RFC 9251 §9.1')
      return whole(input, 'RFC 9251 §9.1', { kind, route: 'selective-multicast', rd, ethernetTag, ...flow, flags: input.u8() })
    }
    case 7: {
      const head = decodeSegmentHead(input)
      const flow = decodeFlow(input, 'RFC 9251 §9.2')
      return whole(input, 'RFC 9251 §9.2', { kind, route: 'membership-report-synch', ...head, ...flow, flags: input.u8() })
    }
    case 8: {
      const head = decodeSegmentHead(input)
      const flow = decodeFlow(input, 'RFC 9251 §9.3')
      input.skip(LEAVE_GROUP_RESERVED)
      const maximumResponseTime = input.u8()
      return whole(input, 'RFC 9251 §9.3', { kind, route: 'leave-synch', ...head, ...flow, maximumResponseTime, flags: input.u8() })
    }
    case 9: {
      const [rd, ethernetTag] = [decodeRd(input), input.u32()]
      const regionId = input.octets(REGION_ID_SIZE).slice()
      return whole(input, 'RFC 9572 §3.1', { kind, route: 'per-region-i-pmsi', rd, ethernetTag, regionId })
    }
    case 10: {
      const [rd, ethernetTag] = [decodeRd(input), input.u32()]
      return whole(input, 'RFC 9572 §3.2', { kind, route: 's-pmsi', rd, ethernetTag, ...decodeFlow(input, 'RFC 9572 §3.2') })
    }
    case 11:
      return whole(input, 'RFC 9572 §3.3', decodeLeaf(input))
    default:
      return undefined
  }
}

/** Writes what stands behind the route type and length. */
export function encodeMulticastRoute(nlri: EvpnMulticastNlri, out: ByteWriter): void {
  if (nlri.route === 'leaf') {
    out.octets(nlri.routeKey)
    return writeBitAddress(nlri.originator, out)
  }
  out.u32(nlri.rd.high).u32(nlri.rd.low)
  if ('esi' in nlri) out.octets(nlri.esi)
  out.u32(nlri.ethernetTag)
  if (nlri.route === 'per-region-i-pmsi') return void out.octets(nlri.regionId)
  writeBitAddress(nlri.source, out)
  writeBitAddress(nlri.group, out)
  writeBitAddress(nlri.originator, out)
  if (nlri.route === 'leave-synch') out.u32(0).u8(nlri.maximumResponseTime)
  if ('flags' in nlri) out.u8(nlri.flags)
}

function decodeRd(input: ByteReader): RouteDistinguisher {
  return RouteDistinguisher.fromWords(input.u32(), input.u32())
}

function decodeSegmentHead(input: ByteReader): { rd: RouteDistinguisher; esi: Uint8Array; ethernetTag: number } {
  return { rd: decodeRd(input), esi: input.octets(ESI_SIZE).slice(), ethernetTag: input.u32() }
}

function decodeFlow(input: ByteReader, rfc: string): MulticastFlow & { originator: IpAddress } {
  const source = readBitAddress(input, rfc)
  const group = readBitAddress(input, rfc)
  const originator = readBitAddress(input, rfc) ?? input.fail('bgp.nlri.length', rfc)
  return { ...(source === undefined ? {} : { source }), ...(group === undefined ? {} : { group }), originator }
}

/** The key is an NLRI with its own length, so what is behind it is the originator. */
function decodeLeaf(input: ByteReader): EvpnLeaf {
  const key = input.bytes.subarray(input.position)
  const size = key.length < 2 ? input.fail('bgp.nlri.length', 'RFC 9572 §3.3') : 2 + key[1]
  const routeKey = input.octets(size).slice()
  const originator = readBitAddress(input, 'RFC 9572 §3.3') ?? input.fail('bgp.nlri.length', 'RFC 9572 §3.3')
  return { kind: 'evpn', route: 'leaf', routeKey, originator }
}

/** The value, unless octets are left over. */
function whole<T>(input: ByteReader, rfc: string, value: T): T {
  return input.remaining > 0 ? input.fail('bgp.nlri.length', rfc) : value
}
