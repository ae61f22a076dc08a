import { AS_TRANS, ATTRIBUTE } from '../iana.js'
import { aggregatorFields } from './aggregator.js'
import { asPathLength, decodeSegments, encodeSegments } from './as-path.js'
import { attributeCodec, type AttributeDraft } from './attribute-codec.js'
import type { AsPathSegment } from './path-attributes.js'

/** AS4_PATH (RFC 6793 §3): AS_PATH with four-octet AS numbers, carried through speakers that have two. */
export const as4PathCodec = attributeCodec({
  type: ATTRIBUTE.as4Path,
  name: 'as4-path',
  property: 'as4Path',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 6793 §6',
  decode(input) {
    return decodeSegments(input, true, this.rfc).filter(({ type }) => !type.startsWith('confed'))
  },
  encode(value, out) {
    encodeSegments(value, out, true)
  },
})

/** AS4_AGGREGATOR (RFC 6793 §3). */
export const as4AggregatorCodec = attributeCodec({
  type: ATTRIBUTE.as4Aggregator,
  name: 'as4-aggregator',
  property: 'as4Aggregator',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  rfc: 'RFC 6793 §6',
  ...aggregatorFields(() => true),
})

/**
 * Puts whole AS numbers where a two-octet peer had AS_TRANS, and drops the AS4 companions. A four-octet peer has no business sending them:
 * they are dropped unread (RFC 6793 §4.1).
 *
 * @see RFC 6793 §4.2.3
 */
export function mergeAs4(draft: AttributeDraft, asn4: boolean): void {
  const { as4Path, as4Aggregator, aggregator, asPath } = draft
  delete draft.as4Path
  delete draft.as4Aggregator
  if (asn4) return
  if (aggregator !== undefined && as4Aggregator !== undefined) {
    if (aggregator.as !== AS_TRANS) return // the pair is stale: someone aggregated behind it, so AS4_PATH is stale too
    draft.aggregator = as4Aggregator
  }
  if (asPath === undefined || as4Path === undefined) return
  const lead = asPathLength(asPath) - asPathLength(as4Path)
  if (lead >= 0) draft.asPath = joinSequences([...leading(asPath, lead), ...as4Path])
}

/** The first segments of `path`, to a length of `length`; confederation segments among them count nothing and stay. */
function leading(path: readonly AsPathSegment[], length: number): AsPathSegment[] {
  const out: AsPathSegment[] = []
  let left = length
  for (const segment of path) {
    const size = asPathLength([segment])
    if (size > 0 && left === 0) break
    out.push(size <= left ? segment : { type: segment.type, asns: segment.asns.slice(0, left) })
    left -= Math.min(size, left)
  }
  return out
}

/** Makes neighbouring sequences one, as far as a segment can hold them. */
function joinSequences(path: readonly AsPathSegment[]): AsPathSegment[] {
  const out: AsPathSegment[] = []
  for (const segment of path) {
    const last = out.at(-1)
    if (segment.type === 'sequence' && last?.type === 'sequence' && last.asns.length + segment.asns.length <= 255) {
      out[out.length - 1] = { type: 'sequence', asns: [...last.asns, ...segment.asns] }
    } else out.push(segment)
  }
  return out
}

/** The AS4 companions that a two-octet peer needs beside the attributes, if any AS number is too large for it (RFC 6793 §4.2.2). */
export function as4Companions({ asPath, aggregator }: AttributeDraft): Pick<AttributeDraft, 'as4Path' | 'as4Aggregator'> {
  const path = asPath?.some(({ asns }) => asns.some((as) => as > 0xffff))
    ? asPath.filter(({ type }) => !type.startsWith('confed'))
    : undefined
  return {
    ...(path === undefined || path.length === 0 ? {} : { as4Path: path }),
    ...(aggregator === undefined || aggregator.as <= 0xffff ? {} : { as4Aggregator: aggregator }),
  }
}
