import type { WireError } from '@heddle/wire'
import { ATTRIBUTE, NOTIFICATION, UPDATE_ERROR } from '../iana.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { checkNlri, isVisitable } from '../nlri/visit.js'
import type { NlriSpan, UpdateView } from '../message/update-view.js'
import { bgpErrorFrom, strongestHandling, type BgpError } from './bgp-error.js'

/**
 * What is wrong with an UPDATE as a whole, given what is wrong with its attributes: mandatory ones that are missing (RFC 7606 §3 (d)), and the
 * rule that errors in a message without reachable routes end the session, because the routes may be what the error hides (§5.2).
 *
 * @returns all errors, the attributes' own included; those that §5.2 hardens have `session-reset`
 */
export function judgeUpdate(view: UpdateView, attributes: PathAttributes, attributeErrors: readonly BgpError[]): readonly BgpError[] {
  const errors = [...view.errors, ...attributeErrors]
  const reachable = view.reach.filter(({ length }) => length > 0)
  if (reachable.length > 0) {
    const malformed = new Set(attributeErrors.map(({ path }) => path))
    if (attributes.origin === undefined && !malformed.has('message/attributes/origin'))
      errors.push(missing(view, 'origin', ATTRIBUTE.origin))
    if (attributes.asPath === undefined && !malformed.has('message/attributes/as-path'))
      errors.push(missing(view, 'as-path', ATTRIBUTE.asPath))
    const needsNextHop = reachable.some(({ multiprotocol }) => !multiprotocol)
    if (needsNextHop && attributes.nextHop === undefined && !malformed.has('message/attributes/next-hop')) {
      errors.push(missing(view, 'next-hop', ATTRIBUTE.nextHop))
    }
    return errors
  }
  const strongest = strongestHandling(errors)
  if (strongest !== 'treat-as-withdraw' && strongest !== 'afi-safi-disable') return errors
  return errors.map((error) =>
    error.handling === 'treat-as-withdraw' || error.handling === 'afi-safi-disable'
      ? { ...error, handling: 'session-reset' as const, rfc: 'RFC 7606 §5.2' }
      : error,
  )
}

/**
 * Whether each NLRI field of a family that is a prefix can be taken apart, without making values.
 *
 * @see RFC 7606 §3 (j), §5.3
 */
export function checkNlriFields(view: UpdateView): BgpError | undefined {
  for (const span of view.unreach) {
    const error = checkField(view, span, true)
    if (error !== undefined) return error
  }
  for (const span of view.reach) {
    const error = checkField(view, span, false)
    if (error !== undefined) return error
  }
  return undefined
}

function checkField({ bytes }: UpdateView, span: NlriSpan, withdraw: boolean): BgpError | undefined {
  const { family, offset, length, addPath, multiprotocol } = span
  if (!isVisitable(family)) return undefined
  const fault = checkNlri(family, bytes.subarray(offset, offset + length), { addPath, withdraw })
  if (fault === undefined) return undefined
  return nlriError(fault.code, offset + fault.offset, nlriPath(span, withdraw), fault.rfc, multiprotocol)
}

/** Where an NLRI field is, as in the path of an error. */
export function nlriPath({ multiprotocol }: NlriSpan, withdraw: boolean): string {
  if (multiprotocol) return withdraw ? 'message/attributes/mp-unreach/nlri' : 'message/attributes/mp-reach/nlri'
  return withdraw ? 'message/withdrawn' : 'message/nlri'
}

/** Routes that cannot be told from each other cannot be withdrawn: the session ends (RFC 7606 §5.3). */
export function nlriError(code: string, offset: number, path: string, rfc: string, multiprotocol: boolean): BgpError {
  const subcode = multiprotocol ? UPDATE_ERROR.optionalAttribute : UPDATE_ERROR.invalidNetworkField
  return {
    code,
    offset,
    path,
    rfc,
    handling: 'session-reset',
    notification: { code: NOTIFICATION.update, subcode, data: new Uint8Array() },
  }
}

/**
 * An entry that can be told from its neighbours but not understood costs its own route (RFC 8955 §10 for FlowSpec, RFC 9552 §8.2.2 for BGP-LS,
 * RFC 7606 §5.4 for the others).
 */
export function nlriEntryError(error: WireError): BgpError {
  return bgpErrorFrom(error, { code: 'bgp.nlri.truncated', rfc: 'RFC 7606 §5.4' }, 'treat-as-withdraw', {
    code: NOTIFICATION.update,
    subcode: UPDATE_ERROR.optionalAttribute,
    data: new Uint8Array(),
  })
}

function missing(view: UpdateView, name: string, type: number): BgpError {
  return {
    code: 'bgp.attribute.missing',
    offset: view.attributes[0]?.start ?? view.bytes.length,
    path: `message/attributes/${name}`,
    rfc: 'RFC 7606 §3 (d)',
    handling: 'treat-as-withdraw',
    notification: { code: NOTIFICATION.update, subcode: UPDATE_ERROR.missingWellKnown, data: Uint8Array.of(type) },
  }
}
