import { RouteDistinguisher, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { SAFI } from '../iana.js'
import type { Family } from './family.js'
import { decodeFramed } from './framed-entries.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'
import type { RawNlri } from './raw.js'

/** A TLV of BGP-LS (RFC 9552 §5.1); those of node descriptors hold further ones. */
export type LinkStateTlv =
  | { readonly type: number; readonly value: Uint8Array }
  | { readonly type: number; readonly tlvs: readonly LinkStateTlv[] }

/** An object of a link-state topology (RFC 9552 §5.2, RFC 9514 §6). */
export interface LinkStateObject {
  readonly kind: 'bgp-ls'
  readonly object: 'node' | 'link' | 'ipv4-prefix' | 'ipv6-prefix' | 'srv6-sid'
  /** Only in the VPN family (RFC 9552 §5.2). */
  readonly rd?: RouteDistinguisher
  /** Where the object comes from: 1–2 IS-IS, 3 OSPFv2, 4 direct, 5 static, 6 OSPFv3. */
  readonly protocol: number
  /** The instance of the protocol. */
  readonly identifier: bigint
  /** Descriptors in their order, unknown ones too. */
  readonly tlvs: readonly LinkStateTlv[]
  readonly pathId?: number
}

/** An NLRI type that is not taken apart. */
export interface LinkStateOther {
  readonly kind: 'bgp-ls'
  readonly object: 'other'
  /** 0–65,535. */
  readonly nlriType: number
  readonly value: Uint8Array
  readonly pathId?: number
}

/** NLRI of BGP-LS. */
export type LinkStateNlri = LinkStateObject | LinkStateOther

const OBJECTS: ReadonlyMap<number, LinkStateObject['object']> = new Map<number, LinkStateObject['object']>([
  [1, 'node'],
  [2, 'link'],
  [3, 'ipv4-prefix'],
  [4, 'ipv6-prefix'],
  [6, 'srv6-sid'],
])
const TYPE_OF = new Map([...OBJECTS].map(([type, object]) => [object, type]))

/** Local and remote node descriptors hold TLVs (RFC 9552 §5.2.1). */
const NODE_DESCRIPTORS: ReadonlySet<number> = new Set([256, 257])

/**
 * Type, length, and for a known type (RFC 9552 §5.2):
 *
 *     +--------+----------------------+--------------+----------------+-------------+
 *     | RD (8) | protocol (1 octet)   | identifier (8)                | descriptors |
 *     +--------+----------------------+--------------+----------------+-------------+
 *       VPN
 */
export const linkStateCodec: NlriCodec<LinkStateNlri | RawNlri> = Object.freeze<NlriCodec<LinkStateNlri | RawNlri>>({
  kind: 'bgp-ls',
  decode: (input, family, mode) =>
    decodeFramed(input, family, mode, (entry): LinkStateNlri => {
      const nlriType = entry.u16()
      entry.skip(2)
      const object = OBJECTS.get(nlriType)
      if (object === undefined) return { kind: 'bgp-ls', object: 'other', nlriType, value: entry.rest().slice() }
      const rd = isVpn(family) ? { rd: RouteDistinguisher.fromWords(entry.u32(), entry.u32()) } : {}
      return { kind: 'bgp-ls', object, ...rd, protocol: entry.u8(), identifier: entry.u64(), tlvs: decodeLinkStateTlvs(entry, 0) }
    }),
  encode(nlri, out, family, mode) {
    if (nlri.kind === 'raw') return
    writePathId(out, nlri, mode)
    out.u16(nlri.object === 'other' ? nlri.nlriType : (TYPE_OF.get(nlri.object) ?? 0))
    const close = out.reserveU16()
    if (nlri.object === 'other') out.octets(nlri.value)
    else {
      if (isVpn(family)) out.u32(nlri.rd?.high ?? 0).u32(nlri.rd?.low ?? 0)
      out.u8(nlri.protocol).u64(nlri.identifier)
      encodeLinkStateTlvs(nlri.tlvs, out)
    }
    close()
  },
})

function isVpn({ safi }: Family): boolean {
  return safi === SAFI.bgpLsVpn
}

/** TLVs to the end of the container. @throws WireError `wire.truncated` */
export function decodeLinkStateTlvs(input: ByteReader, depth = 1): LinkStateTlv[] {
  const out: LinkStateTlv[] = []
  while (input.remaining > 0) {
    const type = input.u16()
    const value = input.sub(input.u16(), `tlv-${type}`)
    out.push(depth === 0 && NODE_DESCRIPTORS.has(type) ? { type, tlvs: decodeLinkStateTlvs(value) } : { type, value: value.rest().slice() })
  }
  return out
}

/** Writes TLVs. @throws ValueError `bgp.tlv.length` for a value of more than 65,535 octets */
export function encodeLinkStateTlvs(tlvs: readonly LinkStateTlv[], out: ByteWriter): void {
  for (const tlv of tlvs) {
    out.u16(tlv.type)
    const close = out.reserveU16()
    const start = out.length
    if ('tlvs' in tlv) encodeLinkStateTlvs(tlv.tlvs, out)
    else out.octets(tlv.value)
    if (out.length - start > 0xffff) throw new ValueError('bgp.tlv.length', `${out.length - start} octets`, 'at most 65,535')
    close()
  }
}
