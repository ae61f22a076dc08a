import { WireError } from '@heddle/wire'
import { mergeAs4 } from '../attribute/as4.js'
import type { AttributeContext, AttributeDraft, AttributeRule } from '../attribute/attribute-codec.js'
import type { PathAttributes, UnknownAttribute } from '../attribute/path-attributes.js'
import { attributeCodecOf, attributeShapeOf } from '../attribute/registry.js'
import { ATTRIBUTE, ATTRIBUTE_FLAG, NOTIFICATION, UPDATE_ERROR } from '../iana.js'
import type { DecodeOptions } from '../message/options.js'
import { nextAttribute, valueReader, type AttributeSpan, type UpdateView } from '../message/update-view.js'
import { bgpErrorFrom, type BgpError, type ErrorHandling, type NotificationCode } from './bgp-error.js'

const PATH = 'message/attributes'

/** Attributes with the verdict on each that has one. */
export interface AttributesResult {
  readonly attributes: PathAttributes
  readonly errors: readonly BgpError[]
}

/**
 * The second step of reading an UPDATE: values of the attributes, judged by RFC 7606 §3 and §7. A malformed attribute is left out, and its
 * error says what that means for the routes. Depends on nothing but the attributes' octets and the options, so the result may be kept by
 * them.
 */
export function decodeAttributes(view: UpdateView, options: DecodeOptions = {}): AttributesResult {
  const { asn4 = true, peerType = 'ebgp', table = false } = options
  return decodeList(view, { asn4, peerType, table, nested: nestedAttributes(NESTED_SETS) })
}

/** Sets of attributes that may be in each other: carriers that carry carriers. */
const NESTED_SETS = 3

function decodeList(view: UpdateView, context: AttributeContext): AttributesResult {
  const draft: AttributeDraft = {}
  const unknown: UnknownAttribute[] = []
  const partial: number[] = []
  const errors: BgpError[] = []
  for (const span of view.attributes) {
    const error = decodeOne(view, span, context, draft, unknown)
    if (error !== undefined) errors.push(error)
    else if ((span.flags & ATTRIBUTE_FLAG.partial) !== 0 && attributeCodecOf(span.type) !== undefined) partial.push(span.type)
  }
  mergeAs4(draft, context.asn4)
  if (unknown.length > 0) draft.unknown = unknown.sort((a, b) => a.type - b.type)
  const kept = partial.filter((type) => type !== ATTRIBUTE.as4Path && type !== ATTRIBUTE.as4Aggregator)
  if (kept.length > 0) draft.partial = kept.sort((a, b) => a - b)
  return { attributes: draft, errors }
}

/**
 * Attributes in the value of an attribute. They are those of a message but for the routes and where they go (RFC 6368 §5), and were judged by those who put
 * them there, so that anything wrong is wrong with the whole.
 *
 * @param depth how many more may be in each other
 */
export function nestedAttributes(depth: number): NonNullable<AttributeContext['nested']> {
  return {
    decode(input) {
      const spans: AttributeSpan[] = []
      const base = input.offset - input.position
      while (input.remaining > 0) {
        const span = nextAttribute(input) ?? input.fail('bgp.attribute.overrun', 'RFC 7606 §4')
        const { type } = span
        if (type === ATTRIBUTE.mpReachNlri || type === ATTRIBUTE.mpUnreachNlri) input.fail('bgp.attribute.attr-set.nlri', 'RFC 6368 §5')
        if (spans.some((other) => other.type === type)) input.fail('bgp.attribute.repeated', 'RFC 7606 §3 (g)')
        spans.push({ ...span, start: span.start - base, offset: span.offset - base })
      }
      const view = { bytes: input.bytes, attributes: spans, reach: [], unreach: [], errors: [] }
      const inner = depth > 1 ? { nested: nestedAttributes(depth - 1) } : {}
      const { attributes, errors } = decodeList(view, { asn4: true, peerType: 'ibgp', ...inner })
      const [first] = errors
      return first === undefined ? attributes : input.fail(first.code, first.rfc)
    },
    encode: () => undefined,
  }
}

/** Puts one attribute into the draft; returns what is wrong with it. */
function decodeOne(
  view: UpdateView,
  span: AttributeSpan,
  context: AttributeContext,
  draft: AttributeDraft,
  unknown: UnknownAttribute[],
): BgpError | undefined {
  const codec = attributeCodecOf(span.type)
  const rule: AttributeRule | undefined = codec ?? attributeShapeOf(span.type)
  if (rule === undefined) return keepUnknown(view, span, unknown)
  if (flagsConflict(rule, span.flags)) {
    const handling = rule.flagsConflict ?? 'treat-as-withdraw'
    return attributeError(view, span, rule, 'bgp.attribute.flags', 'RFC 7606 §3 (c)', handling, UPDATE_ERROR.attributeFlags)
  }
  if (rule.internalOnly === true && context.peerType === 'ebgp') {
    return attributeError(view, span, rule, 'bgp.attribute.internal-only', rule.rfc, 'attribute-discard', UPDATE_ERROR.attributeFlags)
  }
  const input = valueReader(view.bytes, span, PATH, rule.name)
  try {
    if (codec === undefined) {
      attributeShapeOf(span.type)?.check(input)
      unknown.push(octetsOf(view, span))
    } else {
      const value = codec.decode(input, context)
      if (input.remaining > 0 && codec.type !== ATTRIBUTE.origin) input.fail('bgp.attribute.length', rule.rfc)
      const fields: Partial<Record<keyof AttributeDraft, unknown>> = draft
      fields[codec.property] = value
    }
    return undefined
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return bgpErrorFrom(
      error,
      { code: 'bgp.attribute.length', rfc: rule.rfc },
      handlingOf(error, rule, view),
      notificationOf(view, span, subcodeOf(error.code, span.type)),
    )
  }
}

/** NEXT_HOP beside nothing but MP_REACH_NLRI means nothing, whatever it says (RFC 4760 §3). */
function handlingOf(error: WireError, rule: AttributeRule, view: UpdateView): ErrorHandling {
  const idle = error.code === 'bgp.attribute.next-hop' && view.reach.length > 0 && view.reach.every(({ multiprotocol }) => multiprotocol)
  return idle ? 'attribute-discard' : rule.malformed
}

/** Unknown ones are kept octet for octet, but a well-known attribute must be known (RFC 4271 §6.3). */
function keepUnknown(view: UpdateView, span: AttributeSpan, unknown: UnknownAttribute[]): BgpError | undefined {
  if ((span.flags & ATTRIBUTE_FLAG.optional) === 0) {
    const rule = { name: String(span.type) }
    return attributeError(
      view,
      span,
      rule,
      'bgp.attribute.unrecognized',
      'RFC 4271 §6.3',
      'session-reset',
      UPDATE_ERROR.unrecognizedWellKnown,
    )
  }
  unknown.push(octetsOf(view, span))
  return undefined
}

function octetsOf({ bytes }: UpdateView, { type, flags, offset, length }: AttributeSpan): UnknownAttribute {
  const kept = ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive | ATTRIBUTE_FLAG.partial
  return { type, flags: flags & kept, value: bytes.slice(offset, offset + length) }
}

/** Partial may be set on optional transitive attributes only (RFC 4271 §4.3). */
function flagsConflict({ category }: AttributeRule, flags: number): boolean {
  const { optional, transitive, partial } = ATTRIBUTE_FLAG
  switch (category) {
    case 'well-known':
      return (flags & (optional | transitive | partial)) !== transitive
    case 'optional-transitive':
      return (flags & (optional | transitive)) !== (optional | transitive)
    default:
      return (flags & (optional | transitive | partial)) !== optional
  }
}

function attributeError(
  view: UpdateView,
  span: AttributeSpan,
  rule: Pick<AttributeRule, 'name'>,
  code: string,
  rfc: string,
  handling: ErrorHandling,
  subcode: number,
): BgpError {
  return { code, offset: span.start, path: `${PATH}/${rule.name}`, rfc, handling, notification: notificationOf(view, span, subcode) }
}

function subcodeOf(code: string, type: number): number {
  if (code === 'wire.truncated' || code === 'bgp.attribute.length') return UPDATE_ERROR.attributeLength
  if (type === ATTRIBUTE.origin) return UPDATE_ERROR.invalidOrigin
  if (type === ATTRIBUTE.asPath) return UPDATE_ERROR.malformedAsPath
  if (type === ATTRIBUTE.nextHop) return UPDATE_ERROR.invalidNextHop
  return UPDATE_ERROR.optionalAttribute
}

/** The attribute with its head is the data of the NOTIFICATION (RFC 4271 §6.3). */
function notificationOf({ bytes }: UpdateView, { start, offset, length }: AttributeSpan, subcode: number): NotificationCode {
  return { code: NOTIFICATION.update, subcode, data: bytes.slice(start, offset + length) }
}
