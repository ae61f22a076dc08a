import type { GroupObject } from '@heddle/core'
import { flowHash as hashFlow } from '@heddle/mpls'
import type { Packet } from './packet.js'
import type { Tables } from './tables.js'

/** Hash of the packet's flow. */
export function flowHash({ bytes, offset, length }: Packet): number {
  return hashFlow(bytes, offset, offset + length, 0)
}

/**
 * Index of the member that a flow uses, or -1 when there is none. Weighted rendezvous hashing: each member draws a score from the flow and from its
 * own id alone, and the highest wins, so that a member that comes or goes moves only its own share, whatever the order of the list. A member whose
 * liveness is down has gone.
 */
export function chooseMember(group: GroupObject, hash: number, tables: Tables): number {
  const mayBeDown = tables.down.size > 0
  if (group.members.length === 1 && !mayBeDown) return 0
  let best = -1
  let bestScore = Number.NEGATIVE_INFINITY
  for (let index = 0; index < group.members.length; index++) {
    const { nextHop, weight } = group.members[index]
    if (mayBeDown && isDown(tables, nextHop)) continue
    let h = Math.imul(hash ^ group.seed ^ Math.imul(nextHop + 1, 0x9e3779b1), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35)
    const score = -weight / Math.log((((h ^ (h >>> 16)) >>> 0) + 1) / 4294967297)
    if (score > bestScore) {
      bestScore = score
      best = index
    }
  }
  return best
}

function isDown({ down, nextHops }: Tables, id: number): boolean {
  const liveness = nextHops.get(id)?.object.liveness
  return liveness !== undefined && down.has(liveness)
}
