import { ByteReader, WireError } from '@heddle/wire'
import { readNextHop } from '../../message/update.js'
import type { NlriSpan, UpdateView } from '../../message/update-view.js'
import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { decodeNlri } from '../../nlri/registry.js'
import { isVisitable } from '../../nlri/visit.js'
import type { BgpError } from '../../validate/bgp-error.js'
import { checkNlriFields, nlriEntryError, nlriError, nlriPath } from '../../validate/update.js'

/** Checks every NLRI field and next hop; values of the fields that no visitor walks. Single entries that are malformed go to `errors`. */
export function fieldsOf(view: UpdateView, errors: BgpError[]): Map<NlriSpan, readonly Nlri[]> | BgpError {
  const error = checkNlriFields(view)
  if (error !== undefined) return error
  const values = new Map<NlriSpan, readonly Nlri[]>()
  for (const span of view.reach) {
    if (!span.multiprotocol) continue
    const hop = readNextHop(view, span)
    if ('code' in hop) return hop
  }
  for (const [spans, withdraw] of [
    [view.unreach, true],
    [view.reach, false],
  ] as const) {
    for (const span of spans) {
      if (isVisitable(span.family)) continue
      const nlri = valuesOf(view, span, withdraw, errors)
      if ('handling' in nlri) return nlri
      values.set(span, nlri)
    }
  }
  return values
}

function valuesOf(view: UpdateView, span: NlriSpan, withdraw: boolean, errors: BgpError[]): readonly Nlri[] | BgpError {
  const path = nlriPath(span, withdraw)
  try {
    const malformed = (error: WireError): void => void errors.push(nlriEntryError(error))
    return decodeNlri(new ByteReader(fieldBytes(view, span), path, span.offset), span.family, {
      addPath: span.addPath,
      withdraw,
      malformed,
    })
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return nlriError(error.code, error.offset, error.path, error.rfc, span.multiprotocol)
  }
}

/** The octets of one field. */
export function fieldBytes({ bytes }: UpdateView, { offset, length }: NlriSpan): Uint8Array {
  return bytes.subarray(offset, offset + length)
}

/** Families that an UPDATE says something of, each once. */
export function familiesOf({ reach, unreach }: UpdateView): Family[] {
  if (reach.length + unreach.length === 1) return [(reach[0] ?? unreach[0]).family]
  return [...new Set([...reach, ...unreach].map(({ family }) => family))]
}

/** Whether two messages have the same attributes, octet for octet, and fields in the same places of meaning (the verdict depends on both). */
export function sameAttributes(a: UpdateView, b: UpdateView): boolean {
  if (a.attributes.length !== b.attributes.length || a.reach.length !== b.reach.length) return false
  for (let at = 0; at < a.reach.length; at++) if (a.reach[at].multiprotocol !== b.reach[at].multiprotocol) return false
  for (let at = 0; at < a.attributes.length; at++) {
    const one = a.attributes[at]
    const other = b.attributes[at]
    if (one.type !== other.type || one.flags !== other.flags || one.length !== other.length) return false
    for (let octet = 0; octet < one.length; octet++) {
      if (a.bytes[one.offset + octet] !== b.bytes[other.offset + octet]) return false
    }
  }
  return true
}
