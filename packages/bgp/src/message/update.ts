import { ByteReader, ByteWriter, ValueError, WireError } from '@heddle/wire'
import { encodeAttributes } from '../attribute/encode.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { MAX_MESSAGE_SIZE, MESSAGE_TYPE, NOTIFICATION, UPDATE_ERROR } from '../iana.js'
import { decodeNextHop, nextHopForm } from '../next-hop/codec.js'
import type { NextHop } from '../next-hop/next-hop.js'
import { IPV4_UNICAST, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { decodeNlri, encodeNlri } from '../nlri/registry.js'
import { decodeAttributes } from '../validate/attributes.js'
import { bgpErrorFrom, strongestHandling, type BgpError } from '../validate/bgp-error.js'
import { judgeUpdate, nlriEntryError, nlriError, nlriPath } from '../validate/update.js'
import { frameMessage } from './header.js'
import type { Announcement, UpdateMessage, Withdrawal } from './message.js'
import { encodeMpReach, encodeMpUnreach } from './multiprotocol.js'
import { usesPathIds, type DecodeOptions, type EncodeOptions } from './options.js'
import type { DecodeResult } from './result.js'
import { walkUpdate, type NlriSpan, type ReachSpan, type UpdateView } from './update-view.js'

/**
 * Reads an UPDATE to values: `walkUpdate`, `decodeAttributes`, `judgeUpdate`, then the routes. Under `treat-as-withdraw` the routes are in the
 * message as they were announced; `withdrawMalformed` turns them.
 *
 * @param bytes a whole message of type UPDATE whose header has been checked
 */
export function decodeUpdate(bytes: Uint8Array, options: DecodeOptions = {}): DecodeResult<UpdateMessage> {
  const walked = walkUpdate(bytes, options)
  if (!walked.ok) return walked
  const { view } = walked
  const { attributes, errors: attributeErrors } = decodeAttributes(view, options)
  const errors = [...judgeUpdate(view, attributes, attributeErrors)]
  const reset = errors.find(({ handling }) => handling === 'session-reset')
  if (reset !== undefined) return { ok: false, error: reset }

  const withdrawn: Withdrawal[] = []
  for (const span of view.unreach) {
    const nlri = readNlri(view, span, true, errors)
    if (!Array.isArray(nlri)) return { ok: false, error: nlri }
    withdrawn.push({ family: span.family, nlri, multiprotocol: span.multiprotocol })
  }
  const announced: Announcement[] = []
  for (const span of view.reach) {
    const nlri = readNlri(view, span, false, errors)
    if (!Array.isArray(nlri)) return { ok: false, error: nlri }
    const nextHop = span.multiprotocol ? readNextHop(view, span) : nextHopOf(attributes)
    if ('code' in nextHop) return { ok: false, error: nextHop }
    announced.push({ family: span.family, ...nextHop, nlri, multiprotocol: span.multiprotocol })
  }
  const endOfRib = endOfRibOf(view)
  const message: UpdateMessage = { type: 'update', withdrawn, attributes, announced, ...(endOfRib === undefined ? {} : { endOfRib }) }
  return { ok: true, message, errors }
}

/** An empty UPDATE, or one with nothing but an empty MP_UNREACH_NLRI, ends the initial dump (RFC 4724 §2). */
export function endOfRibOf({ attributes, reach, unreach, errors }: UpdateView): Family | undefined {
  if (attributes.length > 0 || reach.length > 0 || errors.length > 0 || unreach.length > 1) return undefined
  const [only] = unreach
  if (only === undefined) return IPV4_UNICAST
  return only.multiprotocol && only.length === 0 ? only.family : undefined
}

/**
 * The message as it is to be acted on: where an error says `treat-as-withdraw`, what was announced is withdrawn and no attribute is left
 * (RFC 7606 §2).
 */
export function withdrawMalformed(message: UpdateMessage, errors: readonly BgpError[]): UpdateMessage {
  if (strongestHandling(errors) !== 'treat-as-withdraw') return message
  const turned = message.announced.map(({ family, nlri, multiprotocol }): Withdrawal => ({ family, nlri, multiprotocol }))
  return { type: 'update', withdrawn: [...message.withdrawn, ...turned], attributes: {}, announced: [] }
}

function nextHopOf({ nextHop }: PathAttributes): { nextHop?: NextHop } {
  return nextHop === undefined ? {} : { nextHop: { address: nextHop } }
}

/** Values of a field. Entries that are malformed but can be told from the others go to `errors`; any other fault ends the session. */
function readNlri({ bytes }: UpdateView, span: NlriSpan, withdraw: boolean, errors: BgpError[]): Nlri[] | BgpError {
  const { family, offset, length, addPath, multiprotocol } = span
  const input = new ByteReader(bytes.subarray(offset, offset + length), nlriPath(span, withdraw), offset)
  try {
    return decodeNlri(input, family, { addPath, withdraw, malformed: (error) => errors.push(nlriEntryError(error)) })
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const { code, offset: at, path, rfc } = bgpErrorFrom(error, { code: 'bgp.nlri.truncated', rfc: 'RFC 7606 §5.4' }, 'session-reset')
    return nlriError(code, at, path, rfc, multiprotocol)
  }
}

/** The next hop of MP_REACH_NLRI; a wrong length ends the session, since the NLRI may not be where it says (RFC 7606 §7.11). */
export function readNextHop(view: UpdateView, span: ReachSpan): Pick<Announcement, 'nextHop' | 'rawNextHop'> | BgpError {
  const { family, nextHopOffset, nextHopLength } = span
  const field = view.bytes.subarray(nextHopOffset, nextHopOffset + nextHopLength)
  if (nextHopForm(family) === 'raw') return { rawNextHop: field.slice() }
  try {
    const nextHop = decodeNextHop(new ByteReader(field, 'message/attributes/mp-reach/next-hop', nextHopOffset), family)
    return nextHop === undefined ? {} : { nextHop }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const notification = { code: NOTIFICATION.update, subcode: UPDATE_ERROR.optionalAttribute, data: new Uint8Array() }
    return bgpErrorFrom(error, { code: 'bgp.next-hop.length', rfc: 'RFC 7606 §7.11' }, 'session-reset', notification)
  }
}

/**
 * Writes an UPDATE: MP_REACH_NLRI and MP_UNREACH_NLRI first (RFC 7606 §5.1), then the attributes by type.
 *
 * @throws ValueError `bgp.update.too-large` beyond 4,096 or 65,535 octets; `bgp.update.form` for more than one group in a field; `bgp.nlri.*`
 */
export function encodeUpdate(message: UpdateMessage, options: EncodeOptions = {}): Uint8Array {
  const { attributes, announced, withdrawn } = message
  const out = new ByteWriter(512)
  const closeWithdrawn = out.reserveU16()
  for (const group of only(withdrawn, false)) writeNlri(out, group.family, group.nlri, options, true)
  closeWithdrawn()
  const closeAttributes = out.reserveU16()
  for (const group of only(announced, true)) encodeMpReach(group, out, options)
  for (const group of only(withdrawn, true)) encodeMpUnreach(group, out, options)
  const [base] = only(announced, false)
  const nextHop = base?.nextHop?.address ?? attributes.nextHop
  encodeAttributes(nextHop === undefined ? attributes : { ...attributes, nextHop }, out, options)
  closeAttributes()
  if (base !== undefined) writeNlri(out, base.family, base.nlri, options, false)
  const limit = options.extended === true ? MAX_MESSAGE_SIZE.extended : MAX_MESSAGE_SIZE.standard
  const framed = frameMessage(MESSAGE_TYPE.update, out.view())
  if (framed.length > limit) throw new ValueError('bgp.update.too-large', `${framed.length} octets`, `at most ${limit}`)
  return framed
}

/** The group of one of the two fields. */
function only<T extends Announcement | Withdrawal>(groups: readonly T[], multiprotocol: boolean): readonly T[] {
  const found = groups.filter((group) => group.multiprotocol === multiprotocol)
  const foreign = !multiprotocol && found.some(({ family }) => family.key !== IPV4_UNICAST.key)
  if (found.length > 1 || foreign) {
    throw new ValueError(
      'bgp.update.form',
      found.map(({ family }) => family.name).join(', '),
      'one group a field, IPv4 unicast in the base fields',
    )
  }
  return found
}

function writeNlri(out: ByteWriter, family: Family, nlri: readonly Nlri[], options: EncodeOptions, withdraw: boolean): void {
  const mode = { addPath: usesPathIds(options, family.key), withdraw }
  for (const entry of nlri) encodeNlri(entry, out, family, mode)
}
