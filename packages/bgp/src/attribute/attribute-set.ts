import { ByteReader, ByteWriter, IpAddress, RouteDistinguisher } from '@heddle/wire'
import { ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import type { Announcement } from '../message/message.js'
import type { NextHop } from '../next-hop/next-hop.js'
import { decodeAttributes } from '../validate/attributes.js'
import type { AttributeSpan } from '../message/update-view.js'
import { HOP } from './canonical.js'
import { encodeAttributes, writeAttribute } from './encode.js'
import type { PathAttributes } from './path-attributes.js'

/** What all routes of one announcement share: the key under which a RIB interns. */
export interface AttributeSet {
  /** Without `nextHop`: that is beside, whatever attribute it came in. */
  readonly attributes: PathAttributes
  readonly nextHop?: NextHop
  readonly rawNextHop?: Uint8Array
}

/**
 * One byte string for one attribute set, whatever order, flags and lengths it came in: attributes by type with four-octet AS numbers, then the
 * next hop in the place of MP_REACH_NLRI, without family, so that equal sets of two families are one. Equal bytes mean equal sets.
 *
 * @throws ValueError `bgp.attribute.too-large`
 */
export function canonicalAttributes(attributes: PathAttributes, hop: Pick<Announcement, 'nextHop' | 'rawNextHop'> = {}): Uint8Array {
  const out = new ByteWriter()
  const { nextHop: own, ...rest } = attributes
  encodeAttributes(rest, out)
  const nextHop = hop.nextHop ?? (own === undefined ? undefined : { address: own })
  const value = new ByteWriter(48)
  if (nextHop !== undefined) {
    const { address, linkLocal, rd } = nextHop
    value.u8((rd === undefined ? 0 : HOP.rd) | (linkLocal === undefined ? 0 : HOP.linkLocal))
    if (rd !== undefined) value.u32(rd.high).u32(rd.low)
    if (linkLocal !== undefined) value.octets(linkLocal.toBytes())
    value.octets(address.toBytes())
  } else if (hop.rawNextHop !== undefined) value.u8(HOP.raw).octets(hop.rawNextHop)
  if (value.length > 0) writeAttribute(out, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpReachNlri, value.view())
  return out.finish()
}

/** The set that `canonicalAttributes` made `bytes` from. @param bytes nothing else may be given */
export function decodeAttributeSet(bytes: Uint8Array): AttributeSet {
  const spans: AttributeSpan[] = []
  let hop: ReturnType<typeof decodeHop> = {}
  const input = new ByteReader(bytes, 'attribute-set')
  while (input.remaining > 0) {
    const start = input.offset
    const flags = input.u8()
    const type = input.u8()
    const length = (flags & ATTRIBUTE_FLAG.extendedLength) === 0 ? input.u8() : input.u16()
    const span: AttributeSpan = { type, flags, start, offset: input.offset, length }
    const value = input.sub(length, String(type))
    if (type === ATTRIBUTE.mpReachNlri) hop = decodeHop(value)
    else spans.push(span)
  }
  const { attributes } = decodeAttributes({ bytes, attributes: spans, reach: [], unreach: [], errors: [] }, { peerType: 'ibgp' })
  return { attributes, ...hop }
}

function decodeHop(value: ByteReader): Pick<AttributeSet, 'nextHop' | 'rawNextHop'> {
  const form = value.u8()
  if (form === HOP.raw) return { rawNextHop: value.rest().slice() }
  const rd = (form & HOP.rd) === 0 ? {} : { rd: RouteDistinguisher.fromWords(value.u32(), value.u32()) }
  const linkLocal = (form & HOP.linkLocal) === 0 ? {} : { linkLocal: IpAddress.fromBytes(value.octets(16)) }
  return { nextHop: { address: IpAddress.fromBytes(value.rest()), ...linkLocal, ...rd } }
}
