import type { ByteWriter } from '@heddle/wire'
import { attributeEnd, hopStart, valueStart } from '../attribute/canonical.js'
import { DEFAULT_LOCAL_PREF } from '../attribute/decision-facts.js'
import { MARK, marksOf } from '../attribute/marks.js'
import { attributeCodecOf } from '../attribute/registry.js'
import { AFI, ATTRIBUTE, ATTRIBUTE_FLAG, SAFI } from '../iana.js'
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
 * What `exportSet` makes of attributes in a reflection, octets from octets: ORIGINATOR_ID where there is none, our cluster in front of
 * CLUSTER_LIST (RFC 4456 §8), LOCAL_PREF where there is none.
 *
 * @param out gets what goes out, in canonical form
 * @returns `refused` when it goes to nobody, `values` when that takes a look at values
 */
export function reflectOctets(
  canonical: Uint8Array,
  family: Family,
  source: RouteSource,
  to: ExportSignature,
  out: ByteWriter,
): 'done' | 'refused' | 'values' {
  if (!source.client && !to.client) return 'refused' // RFC 4456 §6
  const marks = marksOf(canonical)
  if ((marks & MARK.noAdvertise) !== 0 || ((marks & MARK.llgrStale) !== 0 && to.llgr !== true)) return 'refused'
  const end = hopStart(canonical)
  if (family.afi === AFI.ipv4 && canonical.length - end !== V4_HOP_SIZE) return 'values' // RFC 8950 may be asked for
  let next = 0
  for (let at = 0; at < end;) {
    const type = canonical[at + 1]
    if (!IS_CODED[type]) return 'values' // only some of those that nobody here knows are passed on
    next = addBelow(type, next, source, to, out)
    const behind = attributeEnd(canonical, at)
    if (type === ATTRIBUTE.clusterList) {
      writeClusterList(canonical, valueStart(canonical, at), behind, to, out)
      next = 3
    } else out.copy(canonical, at, behind)
    if (type === ATTRIBUTE.localPref) next = 1
    if (type === ATTRIBUTE.originatorId) next = 2
    at = behind
  }
  addBelow(Infinity, next, source, to, out)
  out.copy(canonical, end, canonical.length)
  return 'done'
}

/** What a reflected path has in any case, in the order of types. */
const ADDED = [ATTRIBUTE.localPref, ATTRIBUTE.originatorId, ATTRIBUTE.clusterList] as const

/** Writes what is still lacking and stands before `type`. @param next the first of `ADDED` that is not there yet @returns the next one then */
function addBelow(type: number, next: number, source: RouteSource, to: ExportSignature, out: ByteWriter): number {
  let at = next
  for (; at < ADDED.length && ADDED[at] < type; at++) {
    switch (ADDED[at]) {
      case ATTRIBUTE.localPref:
        out.u8(ATTRIBUTE_FLAG.transitive).u8(ATTRIBUTE.localPref).u8(4).u32(DEFAULT_LOCAL_PREF)
        break
      case ATTRIBUTE.originatorId:
        out.u8(ATTRIBUTE_FLAG.optional).u8(ATTRIBUTE.originatorId).u8(4).u32(source.routerId.w0)
        break
      default:
        out.u8(ATTRIBUTE_FLAG.optional).u8(ATTRIBUTE.clusterList).u8(4).u32(to.clusterId.w0)
    }
  }
  return at
}

function writeClusterList(canonical: Uint8Array, from: number, end: number, { clusterId }: ExportSignature, out: ByteWriter): void {
  const length = end - from + 4
  const { optional, extendedLength } = ATTRIBUTE_FLAG
  if (length > 0xff)
    out
      .u8(optional | extendedLength)
      .u8(ATTRIBUTE.clusterList)
      .u16(length)
  else out.u8(optional).u8(ATTRIBUTE.clusterList).u8(length)
  out.u32(clusterId.w0).copy(canonical, from, end)
}
