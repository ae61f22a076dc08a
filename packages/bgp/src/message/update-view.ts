import { WireError, ByteReader } from '@heddle/wire'
import { ATTRIBUTE, ATTRIBUTE_FLAG, HEADER_SIZE, NOTIFICATION, UPDATE_ERROR } from '../iana.js'
import { IPV4_UNICAST, familyOf, type Family } from '../nlri/family.js'
import { bgpErrorFrom, type BgpError } from '../validate/bgp-error.js'
import { usesPathIds, type DecodeOptions } from './options.js'

/** One attribute by its place in the message; nothing of its value has been read. */
export interface AttributeSpan {
  readonly type: number
  /** As on the wire. */
  readonly flags: number
  /** Octets from the start of the message to the flags octet. */
  readonly start: number
  /** Octets from the start of the message to the value. */
  readonly offset: number
  /** Octets of the value. */
  readonly length: number
}

/** One field of NLRI by its place in the message. */
export interface NlriSpan {
  readonly family: Family
  /** Octets from the start of the message. */
  readonly offset: number
  readonly length: number
  readonly addPath: boolean
  /** In MP_REACH_NLRI or MP_UNREACH_NLRI rather than in a field of RFC 4271. */
  readonly multiprotocol: boolean
}

/** NLRI of MP_REACH_NLRI with its next hop field. */
export interface ReachSpan extends NlriSpan {
  /** Octets from the start of the message to the next hop field; 0 for the NLRI field, whose next hop is an attribute. */
  readonly nextHopOffset: number
  readonly nextHopLength: number
}

/** The boundaries of everything in an UPDATE: offsets into `bytes` only, each length checked against its container. */
export interface UpdateView {
  /** The whole message, header included. */
  readonly bytes: Uint8Array
  /** In order of appearance, without repeated ones, MP_REACH_NLRI and MP_UNREACH_NLRI. */
  readonly attributes: readonly AttributeSpan[]
  /** MP_REACH_NLRI, then the NLRI field where it is not empty. */
  readonly reach: readonly ReachSpan[]
  /** The withdrawn routes field where it is not empty, then MP_UNREACH_NLRI. */
  readonly unreach: readonly NlriSpan[]
  /** What was wrong with the attribute list itself. */
  readonly errors: readonly BgpError[]
}

/** The parts of an UPDATE, or why they cannot be told from each other. */
export type WalkResult = { readonly ok: true; readonly view: UpdateView } | { readonly ok: false; readonly error: BgpError }

/**
 * The first step of reading an UPDATE (RFC 4271 §4.3): finds its parts without reading values.
 *
 *     +-------------------+------------------+---------------------+-----------------+------+
 *     | withdrawn length  | withdrawn routes | attributes' length  | path attributes | NLRI |
 *     +-------------------+------------------+---------------------+-----------------+------+
 *
 * @param bytes a whole message of type UPDATE whose header has been checked
 */
export function walkUpdate(bytes: Uint8Array, options: DecodeOptions = {}): WalkResult {
  try {
    return { ok: true, view: walk(bytes, options) }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const notification = { code: NOTIFICATION.update, subcode: UPDATE_ERROR.malformedAttributeList, data: new Uint8Array() }
    return { ok: false, error: bgpErrorFrom(error, { code: 'bgp.update.length', rfc: 'RFC 7606 §3 (j)' }, 'session-reset', notification) }
  }
}

function walk(bytes: Uint8Array, options: DecodeOptions): UpdateView {
  const message = new ByteReader(bytes, 'message')
  message.skip(HEADER_SIZE)
  const basePathIds = usesPathIds(options, IPV4_UNICAST.key)
  const base = (offset: number, length: number): NlriSpan => ({
    family: IPV4_UNICAST,
    offset,
    length,
    addPath: basePathIds,
    multiprotocol: false,
  })

  const withdrawn = message.sub(message.u16(), 'withdrawn')
  const list = message.sub(message.u16(), 'attributes')
  const spans: AttributeSpan[] = []
  const reach: ReachSpan[] = []
  const unreach: NlriSpan[] = withdrawn.remaining === 0 ? [] : [base(withdrawn.offset, withdrawn.remaining)]
  const errors: BgpError[] = []
  const mark = nextMark()

  while (list.remaining > 0) {
    const span = nextAttribute(list)
    if (span === undefined) {
      errors.push(overrun(list))
      break
    }
    const repeated = SEEN[span.type] === mark
    SEEN[span.type] = mark
    if (span.type === ATTRIBUTE.mpReachNlri || span.type === ATTRIBUTE.mpUnreachNlri) {
      const value = valueReader(bytes, span, list.path)
      if (repeated) value.fail('bgp.attribute.repeated', 'RFC 7606 §3 (g)')
      if (span.type === ATTRIBUTE.mpReachNlri) {
        const announced = reachSpan(value, options)
        reach.push(announced)
        if (announced.length === 0) errors.push(emptyReach(value))
      } else unreach.push(unreachSpan(value, options))
      const conflict = flagsConflictOfMp(span, list.path)
      if (conflict !== undefined) errors.push(conflict)
    } else if (repeated) errors.push(repetition(span, list.path))
    else spans.push(span)
  }
  if (message.remaining > 0) reach.push({ ...base(message.offset, message.remaining), nextHopOffset: 0, nextHopLength: 0 })
  return { bytes, attributes: spans, reach, unreach, errors }
}

/** By attribute type: the mark of the last message in which it was seen. */
const SEEN = new Uint32Array(256)
let lastMark = 0

function nextMark(): number {
  if (lastMark === 0xffff_ffff) {
    SEEN.fill(0)
    lastMark = 0
  }
  return ++lastMark
}

/** The next attribute, or `undefined` when the list ends within it (RFC 7606 §4); then the reader stands at its start. */
export function nextAttribute(list: ByteReader): AttributeSpan | undefined {
  const start = list.offset
  const { bytes, position, remaining } = list
  const flags = bytes[position]
  const head = (flags & ATTRIBUTE_FLAG.extendedLength) === 0 ? 3 : 4
  if (remaining < head) return undefined
  const type = bytes[position + 1]
  const length = head === 3 ? bytes[position + 2] : (bytes[position + 2] << 8) | bytes[position + 3]
  if (remaining < head + length) return undefined
  list.skip(head + length)
  return { type, flags, start, offset: start + head, length }
}

/** A reader of the attribute's value alone. */
export function valueReader(bytes: Uint8Array, { type, offset, length }: AttributeSpan, path: string, name = String(type)): ByteReader {
  return new ByteReader(bytes.subarray(offset, offset + length), `${path}/${name}`, offset)
}

/** AFI, SAFI, next hop length, next hop, a reserved octet, NLRI (RFC 4760 §3). */
function reachSpan(value: ByteReader, options: DecodeOptions): ReachSpan {
  const family = familyOf(value.u16(), value.u8())
  const nextHop = value.sub(value.u8(), 'next-hop')
  value.skip(1)
  return {
    family,
    offset: value.offset,
    length: value.remaining,
    addPath: usesPathIds(options, family.key),
    multiprotocol: true,
    nextHopOffset: nextHop.offset,
    nextHopLength: nextHop.remaining,
  }
}

/** AFI, SAFI, withdrawn routes (RFC 4760 §4). */
function unreachSpan(value: ByteReader, options: DecodeOptions): NlriSpan {
  const family = familyOf(value.u16(), value.u8())
  return { family, offset: value.offset, length: value.remaining, addPath: usesPathIds(options, family.key), multiprotocol: true }
}

function overrun(list: ByteReader): BgpError {
  return {
    code: 'bgp.attribute.overrun',
    offset: list.offset,
    path: list.path,
    rfc: 'RFC 7606 §4',
    handling: 'treat-as-withdraw',
    notification: { code: NOTIFICATION.update, subcode: UPDATE_ERROR.attributeLength, data: list.rest().slice() },
  }
}

function repetition({ type, start }: AttributeSpan, path: string): BgpError {
  return { code: 'bgp.attribute.repeated', offset: start, path: `${path}/${type}`, rfc: 'RFC 7606 §3 (g)', handling: 'attribute-discard' }
}

/** It announces nothing, which is odd but harms no one (RFC 4760 §3 has "one or more"). */
function emptyReach({ offset, path }: ByteReader): BgpError {
  return { code: 'bgp.mp-reach.empty', offset, path, rfc: 'RFC 4760 §3', handling: 'ignore' }
}

/** Both are optional and non-transitive (RFC 4760 §3, §4). */
function flagsConflictOfMp({ type, flags, start }: AttributeSpan, path: string): BgpError | undefined {
  if ((flags & (ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive)) === ATTRIBUTE_FLAG.optional) return undefined
  return {
    code: 'bgp.attribute.flags',
    offset: start,
    path: `${path}/${type}`,
    rfc: 'RFC 7606 §3 (c)',
    handling: 'treat-as-withdraw',
    notification: { code: NOTIFICATION.update, subcode: UPDATE_ERROR.attributeFlags, data: new Uint8Array() },
  }
}
