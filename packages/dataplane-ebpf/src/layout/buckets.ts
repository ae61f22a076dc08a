import type { GroupObject } from '@heddle/core'
import { BUCKETS } from './structs/next-hop.js'

/**
 * Member of each bucket that flows fall into. Weighted rendezvous hashing: in each bucket every member draws a score from the bucket and its own id
 * alone, and the highest wins, so that a member that comes or goes moves only its own share, whatever the order of the list. The logarithm that
 * weights need is nothing for a BPF program, hence the table.
 */
export function bucketsOf({ members, seed }: GroupObject): Uint8Array {
  const buckets = new Uint8Array(BUCKETS)
  if (members.length < 2) return buckets
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    let bestScore = Number.NEGATIVE_INFINITY
    for (const [index, { nextHop, weight }] of members.entries()) {
      const score = -weight / Math.log((draw(bucket ^ seed, nextHop) + 1) / 4294967297)
      if (score <= bestScore) continue
      bestScore = score
      buckets[bucket] = index
    }
  }
  return buckets
}

/** An unsigned word, drawn evenly. */
function draw(bucket: number, nextHop: number): number {
  let h = Math.imul(bucket ^ Math.imul(nextHop + 1, 0x9e3779b1), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
