import { AgentError } from '@heddle/agent'

/**
 * Compares what a running process cannot change of itself.
 *
 * @throws AgentError `agent.needs-restart` naming the keys that differ
 */
export function checkFixed<Document extends object>(before: Document, after: Document, keys: readonly (keyof Document & string)[]): void {
  const changed = keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
  if (changed.length > 0) throw new AgentError('agent.needs-restart', `a change of ${changed.join(', ')} needs a restart`)
}
