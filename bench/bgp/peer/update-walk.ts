import { HEADER, TYPE } from '../workload/octets.ts'

/** Where an UPDATE has its entries: offsets into the octets that were walked; an empty range where there are none. */
export class UpdateParts {
  announcedFrom = 0
  announcedTo = 0
  withdrawnFrom = 0
  withdrawnTo = 0
  attributesFrom = 0
  attributesTo = 0
  /** Octets of the next hop in MP_REACH_NLRI. */
  nextHopFrom = 0
  nextHopTo = 0
}

/** Finds the parts of the UPDATE at `at`. */
export function walkUpdate(octets: Uint8Array, at: number, parts: UpdateParts): void {
  const end = at + u16(octets, at + 16)
  parts.withdrawnFrom = at + HEADER + 2
  parts.withdrawnTo = parts.withdrawnFrom + u16(octets, at + HEADER)
  parts.attributesFrom = parts.withdrawnTo + 2
  parts.attributesTo = parts.attributesFrom + u16(octets, parts.withdrawnTo)
  parts.announcedFrom = parts.attributesTo
  parts.announcedTo = end
  parts.nextHopFrom = parts.nextHopTo = 0
  for (let next = parts.attributesFrom; next < parts.attributesTo;) {
    const value = next + (octets[next] & 0x10 ? 4 : 3)
    const valueEnd = value + (octets[next] & 0x10 ? u16(octets, next + 2) : octets[next + 2])
    if (octets[next + 1] === TYPE.mpReach) {
      parts.nextHopFrom = value + 4
      parts.nextHopTo = value + 4 + octets[value + 3]
      parts.announcedFrom = parts.nextHopTo + 1
      parts.announcedTo = valueEnd
    } else if (octets[next + 1] === TYPE.mpUnreach) {
      parts.withdrawnFrom = value + 3
      parts.withdrawnTo = valueEnd
    }
    next = valueEnd
  }
}

/** Entries between two offsets. */
export function countEntries(octets: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at = entryEnd(octets, at)) count++
  return count
}

export function entryEnd(octets: Uint8Array, at: number): number {
  return at + 1 + ((octets[at] + 7) >>> 3)
}

export function u16(octets: Uint8Array, at: number): number {
  return (octets[at] << 8) | octets[at + 1]
}
