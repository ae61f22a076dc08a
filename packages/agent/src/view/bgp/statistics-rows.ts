import { LOCAL_PEER, type FamilyName, type Speaker } from '@heddle/bgp'
import { spokenFamilies } from './route-rows.js'

/** What became of the routes of one neighbor and family. */
export interface BgpStatisticsRow {
  /** The neighbor's address, or `local`. */
  readonly neighbor: string
  readonly family: string
  readonly received: number
  /** Of these, those that take part in the decision. */
  readonly used: number
  /** Of these, those that are chosen. */
  readonly best: number
  readonly stale: number
  /** Routes that are not used, by reason. */
  readonly rejected: Readonly<Record<string, number>>
  /** Destinations that the neighbor was told. */
  readonly sent: number
}

/** Counted by a walk over all routes: a row per neighbor and family, with `undefined` after every thousand routes so that others can work. */
export function* bgpStatisticsRows(speaker: Speaker): Generator<BgpStatisticsRow | undefined> {
  for (const family of spokenFamilies(speaker)) {
    const counts = newCounts(speaker, family)
    let seen = 0
    for (const { peer, best, stale, invalid } of speaker.routes({ family })) {
      const row = counts.get(peer) ?? emptyRow(peer, family)
      counts.set(peer, row)
      row.received++
      if (invalid === undefined) row.used++
      else row.rejected[invalid] = (row.rejected[invalid] ?? 0) + 1
      if (best) row.best++
      if (stale) row.stale++
      if (++seen % 1000 === 0) yield undefined
    }
    yield* counts.values()
  }
}

type Mutable = { -readonly [Key in keyof BgpStatisticsRow]: BgpStatisticsRow[Key] } & { rejected: Record<string, number> }

function newCounts(speaker: Speaker, family: FamilyName): Map<string, Mutable> {
  const out = new Map<string, Mutable>()
  for (const { address, families } of speaker.neighbors()) {
    const own = families.find((one) => one.family === family)
    if (own !== undefined) out.set(address, { ...emptyRow(address, family), sent: own.sent })
  }
  const [local] = speaker.routes({ family, neighbor: LOCAL_PEER })
  if (local !== undefined) out.set(LOCAL_PEER, emptyRow(LOCAL_PEER, family))
  return out
}

function emptyRow(neighbor: string, family: string): Mutable {
  return { neighbor, family, received: 0, used: 0, best: 0, stale: 0, rejected: {}, sent: 0 }
}
