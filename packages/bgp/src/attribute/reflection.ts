import type { ByteWriter } from '@heddle/wire'
import { ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import { attributeEnd, hopStart, valueStart } from './canonical.js'
import { DEFAULT_LOCAL_PREF } from './decision-facts.js'

/** What a reflection adds to attributes, as words. */
export interface Reflection {
  /** ORIGINATOR_ID, for those that have none (RFC 4456 §8). */
  readonly originator: number
  /** Goes in front of CLUSTER_LIST. */
  readonly cluster: number
}

/** Octets by which `writeReflection` makes attributes longer, at most: three attributes of four octets. */
export const REFLECTION_SIZE = 3 * 7

/**
 * What is sent of attributes in a reflection, octets from octets: ORIGINATOR_ID where there is none, our cluster in front of CLUSTER_LIST
 * (RFC 4456 §8), LOCAL_PREF where there is none.
 *
 * @param out gets what goes out, in canonical form
 */
export function writeReflection(canonical: Uint8Array, reflection: Reflection, out: ByteWriter, from = 0, to = canonical.length): void {
  const end = hopStart(canonical, from, to)
  let next = 0
  for (let at = from; at < end;) {
    const type = canonical[at + 1]
    next = addBelow(type, next, reflection, out)
    const behind = attributeEnd(canonical, at)
    if (type === ATTRIBUTE.clusterList) {
      writeClusterList(canonical, valueStart(canonical, at), behind, reflection, out)
      next = 3
    } else out.copy(canonical, at, behind)
    if (type === ATTRIBUTE.localPref) next = 1
    if (type === ATTRIBUTE.originatorId) next = 2
    at = behind
  }
  addBelow(Infinity, next, reflection, out)
  out.copy(canonical, end, to)
}

/** What a reflected path has in any case, in the order of types. */
const ADDED = [ATTRIBUTE.localPref, ATTRIBUTE.originatorId, ATTRIBUTE.clusterList] as const

/** Writes what is still lacking and stands before `type`. @param next the first of `ADDED` that is not there yet @returns the next one then */
function addBelow(type: number, next: number, { originator, cluster }: Reflection, out: ByteWriter): number {
  let at = next
  for (; at < ADDED.length && ADDED[at] < type; at++) {
    switch (ADDED[at]) {
      case ATTRIBUTE.localPref:
        out.u8(ATTRIBUTE_FLAG.transitive).u8(ATTRIBUTE.localPref).u8(4).u32(DEFAULT_LOCAL_PREF)
        break
      case ATTRIBUTE.originatorId:
        out.u8(ATTRIBUTE_FLAG.optional).u8(ATTRIBUTE.originatorId).u8(4).u32(originator)
        break
      default:
        out.u8(ATTRIBUTE_FLAG.optional).u8(ATTRIBUTE.clusterList).u8(4).u32(cluster)
    }
  }
  return at
}

function writeClusterList(canonical: Uint8Array, from: number, end: number, { cluster }: Reflection, out: ByteWriter): void {
  const length = end - from + 4
  const { optional, extendedLength } = ATTRIBUTE_FLAG
  if (length > 0xff)
    out
      .u8(optional | extendedLength)
      .u8(ATTRIBUTE.clusterList)
      .u16(length)
  else out.u8(optional).u8(ATTRIBUTE.clusterList).u8(length)
  out.u32(cluster).copy(canonical, from, end)
}
