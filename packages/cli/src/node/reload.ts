import { isDeepStrictEqual } from 'node:util'
import { AgentError, type ConfigChange } from '@heddle/agent'
import type { SpeakerDocument } from '../config/document.js'
import type { MrtFiles } from './mrt-files.js'

/**
 * Compares what a running process cannot change of itself. In which order its keys stand means nothing.
 *
 * @throws AgentError `agent.needs-restart` naming the keys that differ
 */
export function checkFixed<Document extends object>(before: Document, after: Document, keys: readonly (keyof Document & string)[]): void {
  const changed = keys.filter((key) => !isDeepStrictEqual(before[key], after[key]))
  if (changed.length > 0) throw new AgentError('agent.needs-restart', `a change of ${changed.join(', ')} needs a restart`)
}

/** What takes another configuration over. */
export interface Reloading {
  readonly next: SpeakerDocument
  /** Only say what would be done. */
  readonly dryRun: boolean
  readonly mrt: MrtFiles
  plan(): ConfigChange[]
  reconfigure(): Promise<ConfigChange[]>
}

/** Has all of a process take another configuration over, or nothing of it. @returns what was done, or would be */
export async function reloaded({ next, dryRun, mrt, ...node }: Reloading): Promise<ConfigChange[]> {
  const files = mrt.plan(next)
  const planned = node.plan()
  if (dryRun) return [...planned, ...files]
  const prepared = await mrt.prepare(next)
  let changes: ConfigChange[]
  try {
    changes = await node.reconfigure()
  } catch (error) {
    await prepared.cancel()
    throw error
  }
  await prepared.use()
  return [...changes, ...files]
}
