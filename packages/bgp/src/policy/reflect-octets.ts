import type { ByteWriter } from '@heddle/wire'
import { attributeEnd, hopStart } from '../attribute/canonical.js'
import { MARK, marksOf } from '../attribute/marks.js'
import { writeReflection } from '../attribute/reflection.js'
import { attributeCodecOf } from '../attribute/registry.js'
import { AFI, SAFI } from '../iana.js'
import type { Family } from '../nlri/family.js'
import type { ExportSignature, RouteSource } from './export-rules.js'

const IS_CODED: readonly boolean[] = Array.from({ length: 256 }, (_, type) => attributeCodecOf(type) !== undefined)

/** Octets of a canonical next hop that is an IPv4 address and nothing else, head included. */
const V4_HOP_SIZE = 8

/** Whether paths from `source` to peers of `to` are reflected within the AS, and nothing else is made of them (RFC 4456). */
export function isReflection(source: RouteSource, to: ExportSignature, { safi }: Family): boolean {
  const plain = to.policy === undefined && to.role === undefined && to.gracefulShutdown !== true && to.nextHop !== 'self'
  return plain && source.kind === 'ibgp' && to.peerType === 'ibgp' && safi !== SAFI.rtc
}

/**
 * What `exportSet` makes of attributes in a reflection, octets from octets (`writeReflection`).
 *
 * @param out gets what goes out, in canonical form
 * @returns as `judgeReflection`
 */
export function reflectOctets(
  canonical: Uint8Array,
  family: Family,
  source: RouteSource,
  to: ExportSignature,
  out: ByteWriter,
): 'done' | 'refused' | 'values' {
  const verdict = judgeReflection(canonical, family, source, to)
  if (verdict === 'done') writeReflection(canonical, { originator: source.routerId.w0, cluster: to.clusterId.w0 }, out)
  return verdict
}

/** @param start where the canonical attributes begin in `canonical`, up to `stop` @returns `refused` when a reflection goes to nobody, `values` when what it is takes a look at values */
export function judgeReflection(
  canonical: Uint8Array,
  family: Family,
  source: RouteSource,
  to: ExportSignature,
  start = 0,
  stop = canonical.length,
): 'done' | 'refused' | 'values' {
  if (!source.client && !to.client) return 'refused' // RFC 4456 §6
  const marks = marksOf(canonical, start, stop)
  if ((marks & MARK.noAdvertise) !== 0 || ((marks & MARK.llgrStale) !== 0 && to.llgr !== true)) return 'refused'
  const end = hopStart(canonical, start, stop)
  if (family.afi === AFI.ipv4 && stop - end !== V4_HOP_SIZE) return 'values' // RFC 8950 may be asked for
  // only some of those that nobody here knows are passed on
  for (let at = start; at < end; at = attributeEnd(canonical, at)) if (!IS_CODED[canonical[at + 1]]) return 'values'
  return 'done'
}
