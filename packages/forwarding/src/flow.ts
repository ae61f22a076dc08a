import type { GroupObject } from '@heddle/core'
import type { Packet } from './packet.js'

/** Hash of the packet's flow. */
export function flowHash(packet: Packet): number {
  const { view, offset, headerLength, length, source, destination, family } = packet
  const protocol = view.getUint8(offset + (family === 4 ? 9 : 6))
  let hash = protocol
  for (let word = 0; word < 4; word++) hash = Math.imul(hash ^ source[word] ^ Math.imul(destination[word], 0x85ebca6b), 0x9e3779b1)
  if ((protocol === 6 || protocol === 17) && length >= headerLength + 4) hash ^= view.getUint32(offset + headerLength)
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** Index of the member that the flow uses, or -1. */
export function chooseMember(group: GroupObject, hash: number): number {
  let best = -1
  let bestScore = Number.NEGATIVE_INFINITY
  for (let index = 0; index < group.members.length; index++) {
    const { nextHop, weight } = group.members[index]
    if (weight <= 0) continue
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

/** RFC 7510 §3: 49,152–65,535. */
export function sourcePortOf(hash: number): number {
  return 49_152 + (hash >>> 18)
}
