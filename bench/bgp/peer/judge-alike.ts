import { createHash } from 'node:crypto'
import type { Reflection } from './attributes-text.ts'
import type { ExpectedTable } from './expected-table.ts'
import { Judgement } from './judgement.ts'
import type { Session } from './session.ts'
import { UpdateParts, u16, walkUpdate } from './update-walk.ts'

/** What sessions were sent that should have been sent the same. */
export interface AlikeJudgement {
  /** What is wrong with the tables, the first few of all. */
  readonly differences: readonly string[]
  /** Different UPDATEs with routes, over all sessions. */
  readonly distinctUpdates: number
  /** Different sequences of them: 1 when all were sent the same in the same order. */
  readonly distinctStreams: number
}

/** Judges the table of each session; sequences that are the same are judged once. */
export async function judgeAlike(sessions: readonly Session[], expected: ExpectedTable, reflection: Reflection): Promise<AlikeJudgement> {
  const streams = new Set<string>()
  const updates = new Set<string>()
  const differences: string[] = []
  const parts = new UpdateParts()
  for (const { intake } of sessions) {
    const own = new Set<string>()
    const all = createHash('sha1')
    for (const { octets, at } of intake.updatesKept()) {
      walkUpdate(octets, at, parts)
      if (parts.announcedFrom >= parts.announcedTo) continue
      const digest = createHash('sha1')
        .update(octets.subarray(at, at + u16(octets, at + 16)))
        .digest()
      own.add(digest.toString('base64'))
      all.update(digest)
    }
    const stream = all.digest('base64')
    if (streams.has(stream)) continue
    streams.add(stream)
    for (const update of own) updates.add(update)
    differences.push(...(await new Judgement(expected, reflection).differences(intake.updatesKept(), true)))
  }
  return { differences: differences.slice(0, 5), distinctUpdates: updates.size, distinctStreams: streams.size }
}
