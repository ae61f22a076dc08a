import { ByteReader, WireError } from '@heddle/wire'
import { decodeMessage } from '../decode.js'
import { CATEGORY_FLAGS } from '../attribute/encode.js'
import { attributeCodecOf } from '../attribute/registry.js'
import { ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import type { DecodeResult } from '../message/result.js'
import { nextAttribute, valueReader, type AttributeSpan } from '../message/update-view.js'
import { decodeNextHop } from '../next-hop/codec.js'
import type { NextHop } from '../next-hop/next-hop.js'
import { familyOf, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { decodeNlri } from '../nlri/registry.js'
import { decodeAttributes, type AttributesResult } from '../validate/attributes.js'
import { bgpErrorFrom, type BgpError } from '../validate/bgp-error.js'
import type { MrtLegacyMessage, MrtMessage, MrtRib, MrtTableDump } from './record.js'

/** Reads the BGP message of a record. */
export function mrtMessage(record: MrtMessage | MrtLegacyMessage): DecodeResult {
  if (record.kind === 'legacy-message') return decodeMessage(record.pdu, { asn4: false, peerType: 'ibgp' })
  const { pdu, as4, addPath } = record
  return decodeMessage(pdu, { asn4: as4, addPath: addPath ? 'all' : new Set(), peerType: 'ibgp' })
}

/** The destination of a record, or why it cannot be read. */
export function mrtNlri({ family, nlri }: Pick<MrtRib, 'family' | 'nlri'>): Nlri | BgpError {
  try {
    return decodeNlri(new ByteReader(nlri, 'mrt/nlri'), family, { addPath: false, withdraw: false })[0] ?? { kind: 'raw', bytes: nlri }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return bgpErrorFrom(error, { code: 'bgp.nlri.truncated', rfc: 'RFC 6396 §4.3.3' }, 'ignore')
  }
}

/** Attributes of a path with the next hop that stands in MP_REACH_NLRI. */
export interface MrtAttributes extends AttributesResult {
  readonly nextHop?: NextHop
}

/**
 * Reads the attributes of a path. MP_REACH_NLRI has but the length and the next hop there (RFC 6396 §4.3.4); some write it whole, which is read
 * too.
 *
 * @param family of the destination
 * @param asn4 AS numbers have four octets: in TABLE_DUMP_V2, not in TABLE_DUMP
 */
export function mrtAttributes(bytes: Uint8Array, family: Family, asn4: boolean): MrtAttributes {
  const list = new ByteReader(bytes, 'mrt/attributes')
  const spans: AttributeSpan[] = []
  const errors: BgpError[] = []
  const seen = new Set<number>()
  let nextHop: NextHop | undefined
  while (list.remaining > 0) {
    const span = nextAttribute(list)
    if (span === undefined) {
      const { offset, path } = list
      errors.push({ code: 'bgp.attribute.overrun', offset, path, rfc: 'RFC 7606 §4', handling: 'treat-as-withdraw' })
      break
    }
    if (seen.has(span.type)) continue // RFC 7606 §3 (g): the first counts
    seen.add(span.type)
    if (span.type === ATTRIBUTE.mpUnreachNlri) continue
    if (span.type === ATTRIBUTE.mpReachNlri) {
      const hop = readNextHop(valueReader(bytes, span, list.path), family)
      if (hop !== undefined && 'code' in hop) errors.push(hop)
      else nextHop = hop
    } else spans.push(withFlags(span, list.path, errors))
  }
  const decoded = decodeAttributes(
    { bytes, attributes: spans, reach: [], unreach: [], errors: [] },
    { asn4, peerType: 'ibgp', table: true },
  )
  return { attributes: decoded.attributes, errors: [...errors, ...decoded.errors], ...(nextHop === undefined ? {} : { nextHop }) }
}

/** Some collectors write no flags at all, which says nothing about the value: it is read as if they were right, and the fault told. */
function withFlags(span: AttributeSpan, path: string, errors: BgpError[]): AttributeSpan {
  const codec = attributeCodecOf(span.type)
  const mask = ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive
  if (codec === undefined || (span.flags & mask) === CATEGORY_FLAGS[codec.category]) return span
  const { start, flags } = span
  errors.push({ code: 'bgp.attribute.flags', offset: start, path: `${path}/${codec.name}`, rfc: 'RFC 4271 §4.3', handling: 'ignore' })
  return { ...span, flags: (flags & ATTRIBUTE_FLAG.extendedLength) | CATEGORY_FLAGS[codec.category] }
}

/** Attributes of a route in the old form of tables. */
export function mrtTableDumpAttributes({ attributes, prefix }: MrtTableDump): MrtAttributes {
  return mrtAttributes(attributes, familyOf(prefix.family === 4 ? 1 : 2, 1), false)
}

/** A first octet of 0 is the AFI of the whole form: no next hop has no octets in the short one. */
function readNextHop(value: ByteReader, family: Family): NextHop | BgpError | undefined {
  try {
    if (value.remaining > 0 && value.peekU8() === 0) {
      const own = familyOf(value.u16(), value.u8())
      return decodeNextHop(value.sub(value.u8(), 'next-hop'), own)
    }
    return decodeNextHop(value.sub(value.u8(), 'next-hop'), family)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return bgpErrorFrom(error, { code: 'bgp.next-hop.length', rfc: 'RFC 6396 §4.3.4' }, 'treat-as-withdraw')
  }
}
