import { ByteReader, ByteWriter, IpAddress, MacAddress, WireError } from '@heddle/wire'
import { AFI, TUNNEL_TYPE } from '../iana.js'
import { decodeText, encodeText } from '../message/text.js'
import { readAll } from './attribute-codec.js'
import { decodePrefixSidTlvs, encodePrefixSidTlvs, type PrefixSidTlv } from './prefix-sid.js'
import { decodeSegments, encodeSegments, type SegmentSubTlv } from './segment-list.js'

/** An entry of a label stack as it is to be pushed (RFC 9012 §3.6). */
export interface TunnelLabel {
  readonly label: number
  readonly trafficClass: number
  readonly bottom: boolean
  readonly ttl: number
}

/**
 * A sub-TLV of a tunnel (RFC 9012 §3, RFC 9830 §2.4). Each kind stands for exactly one string of octets a value. What is malformed counts as
 * unknown, and unknown ones are passed on as they are (RFC 9012 §13), which reserved bits are too.
 */
export type TunnelSubTlv =
  /** The encapsulation of VXLAN and NVGRE (§3.2.1, §3.2.2): 0x80 in `flags` says that `vni` is meant, 0x40 that `mac` is. */
  | { readonly kind: 'virtual-network'; readonly flags: number; readonly vni: number; readonly mac: MacAddress }
  /** The encapsulation of L2TPv3 (§3.2.3). */
  | { readonly kind: 'l2tpv3'; readonly sessionId: number; readonly cookie: Uint8Array }
  /** The encapsulation of GRE and of MPLS in GRE (§3.2.4, §3.2.5). */
  | { readonly kind: 'gre-key'; readonly key: number }
  /** EtherType of what is carried (§3.4.1). */
  | { readonly kind: 'protocol-type'; readonly protocol: number }
  /** Routes of this colour may use the tunnel (§3.4.2). */
  | { readonly kind: 'color'; readonly flags: number; readonly color: number }
  /** Where the tunnel ends; without `address`, at the next hop (§3.1). `reserved` only where it is not 0. */
  | { readonly kind: 'egress-endpoint'; readonly address?: IpAddress; readonly reserved?: number }
  /** Differentiated services field of the outer header (§3.3.1). */
  | { readonly kind: 'ds-field'; readonly value: number }
  /** §3.3.2. */
  | { readonly kind: 'udp-destination-port'; readonly port: number }
  /** 1: the label goes on top of the payload; 2: it is the virtual network identifier (§3.5). */
  | { readonly kind: 'embedded-label-handling'; readonly value: number }
  /** Labels to push below those of the tunnel, top first (§3.6). */
  | { readonly kind: 'label-stack'; readonly labels: readonly TunnelLabel[] }
  /** §3.7. */
  | { readonly kind: 'prefix-sid'; readonly tlvs: readonly PrefixSidTlv[] }
  /** Preference of a candidate path (RFC 9830 §2.4.1). */
  | { readonly kind: 'preference'; readonly flags: number; readonly preference: number }
  /** Label as a whole stack entry, or SRv6 SID; absent where the receiver chooses (RFC 9830 §2.4.2). */
  | { readonly kind: 'binding-sid'; readonly flags: number; readonly label?: number; readonly sid?: IpAddress }
  /** Explicit NULL label policy (RFC 9830 §2.4.5). */
  | { readonly kind: 'explicit-null'; readonly flags: number; readonly policy: number }
  /** RFC 9830 §2.4.6. */
  | { readonly kind: 'priority'; readonly priority: number }
  /** RFC 9830 §2.4.4. */
  | { readonly kind: 'segment-list'; readonly segments: readonly SegmentSubTlv[] }
  /** RFC 9830 §2.4.7, §2.4.8. */
  | { readonly kind: 'candidate-path-name' | 'policy-name'; readonly name: string }
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

/** Types (IANA bgp-tunnel-encapsulation sub-TLVs). */
const SUB_TLV = {
  encapsulation: 1,
  'protocol-type': 2,
  color: 4,
  'egress-endpoint': 6,
  'ds-field': 7,
  'udp-destination-port': 8,
  'embedded-label-handling': 9,
  'label-stack': 10,
  'prefix-sid': 11,
  preference: 12,
  'binding-sid': 13,
  'explicit-null': 14,
  priority: 15,
  'segment-list': 128,
  'candidate-path-name': 129,
  'policy-name': 130,
} as const

const COLOR_COMMUNITY = 0x030b
const RFC = 'RFC 9012 §13'

/** The sub-TLV of `type` within a tunnel of `tunnelType`; never fails. */
export function decodeTunnelSubTlv(tunnelType: number, type: number, value: Uint8Array): TunnelSubTlv {
  try {
    const input = new ByteReader(value, 'sub-tlv')
    const known = decodeKnown(tunnelType, type, input)
    if (known !== undefined && input.remaining === 0 && isSame(known, value)) return known
  } catch (error) {
    if (!(error instanceof WireError)) throw error
  }
  return { kind: 'unknown', type, value: value.slice() }
}

/** Whether writing the value gives the octets it was read from; not so where reserved bits are set. */
function isSame(known: TunnelSubTlv, value: Uint8Array): boolean {
  const out = new ByteWriter(value.length)
  encodeTunnelSubTlv(known, out)
  return out.length === value.length && out.view().every((octet, at) => octet === value[at])
}

function decodeKnown(tunnelType: number, type: number, input: ByteReader): TunnelSubTlv | undefined {
  switch (type) {
    case SUB_TLV.encapsulation:
      return decodeEncapsulation(tunnelType, input)
    case SUB_TLV['protocol-type']:
      return { kind: 'protocol-type', protocol: input.u16() }
    case SUB_TLV.color:
      return input.u16() === COLOR_COMMUNITY ? { kind: 'color', flags: input.u16(), color: input.u32() } : undefined
    case SUB_TLV['egress-endpoint']:
      return decodeEgressEndpoint(input)
    case SUB_TLV['ds-field']:
      return { kind: 'ds-field', value: input.u8() }
    case SUB_TLV['udp-destination-port']:
      return { kind: 'udp-destination-port', port: input.u16() }
    case SUB_TLV['embedded-label-handling']:
      return { kind: 'embedded-label-handling', value: input.u8() }
    case SUB_TLV['label-stack']:
      return { kind: 'label-stack', labels: readAll(input, () => labelOf(input.u32())) }
    case SUB_TLV['prefix-sid']:
      return { kind: 'prefix-sid', tlvs: decodePrefixSidTlvs(input, RFC) }
    default:
      return decodePolicy(type, input)
  }
}

function decodePolicy(type: number, input: ByteReader): TunnelSubTlv | undefined {
  switch (type) {
    case SUB_TLV.preference:
      return { kind: 'preference', flags: reservedAfter(input), preference: input.u32() }
    case SUB_TLV['binding-sid']: {
      const flags = reservedAfter(input)
      if (input.remaining === 0) return { kind: 'binding-sid', flags }
      if (input.remaining === 4) return { kind: 'binding-sid', flags, label: input.u32() }
      return { kind: 'binding-sid', flags, sid: IpAddress.fromBytes(input.octets(16)) }
    }
    case SUB_TLV['explicit-null']:
      return { kind: 'explicit-null', flags: reservedAfter(input), policy: input.u8() }
    case SUB_TLV.priority:
      return { kind: 'priority', priority: reservedAfter(input) }
    case SUB_TLV['segment-list']:
      input.skip(1)
      return { kind: 'segment-list', segments: decodeSegments(input) }
    case SUB_TLV['candidate-path-name']:
    case SUB_TLV['policy-name']: {
      input.skip(1)
      const name = decodeText(input.rest())
      return name === undefined ? undefined : { kind: type === SUB_TLV['policy-name'] ? 'policy-name' : 'candidate-path-name', name }
    }
    default:
      return undefined
  }
}

/** An octet that a reserved one follows. */
function reservedAfter(input: ByteReader): number {
  const value = input.u8()
  input.skip(1)
  return value
}

function decodeEncapsulation(tunnelType: number, input: ByteReader): TunnelSubTlv | undefined {
  switch (tunnelType) {
    case TUNNEL_TYPE.vxlan:
    case TUNNEL_TYPE.nvgre: {
      const [flags, vni] = [input.u8(), input.u24()]
      const mac = MacAddress.fromBytes(input.octets(6))
      input.skip(2)
      return { kind: 'virtual-network', flags, vni, mac }
    }
    case TUNNEL_TYPE.l2tpv3:
      return { kind: 'l2tpv3', sessionId: input.u32(), cookie: input.rest().slice() }
    case TUNNEL_TYPE.gre:
    case TUNNEL_TYPE.mplsInGre:
      return { kind: 'gre-key', key: input.u32() }
    default:
      return undefined
  }
}

function decodeEgressEndpoint(input: ByteReader): TunnelSubTlv | undefined {
  const word = input.u32()
  const reserved = word === 0 ? {} : { reserved: word }
  switch (input.u16()) {
    case 0:
      return { kind: 'egress-endpoint', ...reserved }
    case AFI.ipv4:
      return { kind: 'egress-endpoint', address: IpAddress.fromBytes(input.octets(4)), ...reserved }
    case AFI.ipv6:
      return { kind: 'egress-endpoint', address: IpAddress.fromBytes(input.octets(16)), ...reserved }
    default:
      return undefined
  }
}

function labelOf(word: number): TunnelLabel {
  return { label: word >>> 12, trafficClass: (word >>> 9) & 7, bottom: (word & 0x100) !== 0, ttl: word & 0xff }
}

/** The type of a sub-TLV. */
export function tunnelSubTlvType(subTlv: TunnelSubTlv): number {
  switch (subTlv.kind) {
    case 'unknown':
      return subTlv.type
    case 'virtual-network':
    case 'l2tpv3':
    case 'gre-key':
      return SUB_TLV.encapsulation
    default:
      return SUB_TLV[subTlv.kind]
  }
}

/** Writes the value, without type and length. */
export function encodeTunnelSubTlv(subTlv: TunnelSubTlv, out: ByteWriter): void {
  switch (subTlv.kind) {
    case 'virtual-network':
      return void out.u8(subTlv.flags).u24(subTlv.vni).octets(subTlv.mac.toBytes()).u16(0)
    case 'l2tpv3':
      return void out.u32(subTlv.sessionId).octets(subTlv.cookie)
    case 'gre-key':
      return void out.u32(subTlv.key)
    case 'protocol-type':
      return void out.u16(subTlv.protocol)
    case 'color':
      return void out.u16(COLOR_COMMUNITY).u16(subTlv.flags).u32(subTlv.color)
    case 'egress-endpoint': {
      const { address, reserved = 0 } = subTlv
      out.u32(reserved).u16(address === undefined ? 0 : address.family === 4 ? AFI.ipv4 : AFI.ipv6)
      if (address !== undefined) out.octets(address.toBytes())
      return undefined
    }
    case 'ds-field':
    case 'embedded-label-handling':
      return void out.u8(subTlv.value)
    case 'udp-destination-port':
      return void out.u16(subTlv.port)
    case 'label-stack':
      for (const { label, trafficClass, bottom, ttl } of subTlv.labels)
        out.u32(((label << 12) | (trafficClass << 9) | (bottom ? 0x100 : 0) | ttl) >>> 0)
      return undefined
    case 'prefix-sid':
      return encodePrefixSidTlvs(subTlv.tlvs, out)
    case 'unknown':
      return void out.octets(subTlv.value)
    default:
      return encodePolicy(subTlv, out)
  }
}

function encodePolicy(subTlv: TunnelSubTlv, out: ByteWriter): void {
  switch (subTlv.kind) {
    case 'preference':
      return void out.u8(subTlv.flags).u8(0).u32(subTlv.preference)
    case 'binding-sid':
      out.u8(subTlv.flags).u8(0)
      if (subTlv.sid !== undefined) out.octets(subTlv.sid.toBytes())
      else if (subTlv.label !== undefined) out.u32(subTlv.label)
      return undefined
    case 'explicit-null':
      return void out.u8(subTlv.flags).u8(0).u8(subTlv.policy)
    case 'priority':
      return void out.u8(subTlv.priority).u8(0)
    case 'segment-list':
      return encodeSegments(subTlv.segments, out.u8(0))
    case 'candidate-path-name':
    case 'policy-name':
      return void out.u8(0).octets(encodeText(subTlv.name))
    default:
      return undefined
  }
}
