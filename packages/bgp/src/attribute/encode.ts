import { ByteWriter, ValueError } from '@heddle/wire'
import { ATTRIBUTE_FLAG } from '../iana.js'
import type { EncodeOptions } from '../message/options.js'
import { as4Companions } from './as4.js'
import type { AttributeCategory, AttributeContext, AttributeDraft } from './attribute-codec.js'
import type { PathAttributes } from './path-attributes.js'
import { ATTRIBUTE_CODECS } from './registry.js'

/** The Optional and Transitive bits of each category (RFC 4271 §5). */
export const CATEGORY_FLAGS: Readonly<Record<AttributeCategory, number>> = {
  'well-known': ATTRIBUTE_FLAG.transitive,
  'optional-transitive': ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive,
  'optional-non-transitive': ATTRIBUTE_FLAG.optional,
}

/** Writes flags, type, length (two octets only where one is not enough) and value. @throws ValueError `bgp.attribute.too-large` */
export function writeAttribute(out: ByteWriter, flags: number, type: number, value: Uint8Array): void {
  if (value.length > 0xffff) throw new ValueError('bgp.attribute.too-large', `${value.length} octets`, 'at most 65,535')
  if (value.length > 0xff)
    out
      .u8(flags | ATTRIBUTE_FLAG.extendedLength)
      .u8(type)
      .u16(value.length)
  else out.u8(flags).u8(type).u8(value.length)
  out.octets(value)
}

const NESTED: NonNullable<AttributeContext['nested']> = {
  decode: (input) => input.fail('bgp.attribute.attr-set.depth', 'RFC 6368 §5'),
  encode: (attributes, out) => encodeAttributes(attributes, out),
}

/**
 * Writes attributes ordered by type. Empty lists are left out, since none may be empty on the wire, except AS_PATH, where empty has a meaning.
 *
 * @throws ValueError `bgp.attribute.too-large`, `bgp.as-path.segment`
 */
export function encodeAttributes(attributes: PathAttributes, out: ByteWriter, options: Pick<EncodeOptions, 'asn4'> = {}): void {
  const asn4 = options.asn4 ?? true
  const context: AttributeContext = { asn4, peerType: 'ibgp', nested: NESTED }
  const draft: AttributeDraft = asn4 ? attributes : { ...attributes, ...as4Companions(attributes) }
  const unknown = [...(attributes.unknown ?? [])].sort((a, b) => a.type - b.type)
  let next = 0
  const writeUnknownBelow = (type: number): void => {
    for (; next < unknown.length && unknown[next].type < type; next++) {
      const { flags, type, value } = unknown[next]
      writeAttribute(out, flags, type, value)
    }
  }
  const value = new ByteWriter()
  for (const codec of ATTRIBUTE_CODECS) {
    const content = draft[codec.property]
    if (content === undefined || (Array.isArray(content) && content.length === 0 && codec.property !== 'asPath')) continue
    writeUnknownBelow(codec.type)
    value.truncate(0)
    codec.encode(content, value, context)
    const partial = attributes.partial?.includes(codec.type) === true ? ATTRIBUTE_FLAG.partial : 0
    writeAttribute(out, CATEGORY_FLAGS[codec.category] | partial, codec.type, value.view())
  }
  writeUnknownBelow(256)
}
