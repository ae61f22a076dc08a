import { ATTRIBUTE, WELL_KNOWN_COMMUNITY } from '../iana.js'
import { attributeEnd, valueStart, wordAt } from './canonical.js'

/** Communities that rules look for, as bits. */
export const MARK = {
  noExport: 1,
  noAdvertise: 2,
  noExportSubconfed: 4,
  llgrStale: 8,
  gracefulShutdown: 16,
} as const

const MARKS: ReadonlyMap<number, number> = new Map([
  [WELL_KNOWN_COMMUNITY.noExport, MARK.noExport],
  [WELL_KNOWN_COMMUNITY.noAdvertise, MARK.noAdvertise],
  [WELL_KNOWN_COMMUNITY.noExportSubconfed, MARK.noExportSubconfed],
  [WELL_KNOWN_COMMUNITY.llgrStale, MARK.llgrStale],
  [WELL_KNOWN_COMMUNITY.gracefulShutdown, MARK.gracefulShutdown],
])

/** Well-known communities begin here (RFC 1997). */
const WELL_KNOWN_FROM = 0xffff_0000

/** The communities of `MARK` that are among canonical attributes, as bits. */
export function marksOf(canonical: Uint8Array, start = 0, to = canonical.length): number {
  let at = start
  while (at < to && canonical[at + 1] < ATTRIBUTE.communities) at = attributeEnd(canonical, at)
  if (at >= to || canonical[at + 1] !== ATTRIBUTE.communities) return 0
  let marks = 0
  for (let from = valueStart(canonical, at), end = attributeEnd(canonical, at); from < end; from += 4) {
    const community = wordAt(canonical, from)
    if (community >= WELL_KNOWN_FROM) marks |= MARKS.get(community) ?? 0
  }
  return marks
}
