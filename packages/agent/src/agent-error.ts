export type AgentErrorCode = 'agent.needs-restart' | 'agent.vrf-in-use' | 'agent.stopped' | 'agent.dataplane-lost'

/** Why an agent or speaker could not do what was asked; nothing of it was done. */
export class AgentError extends Error {
  override readonly name = 'AgentError'

  constructor(
    readonly code: AgentErrorCode,
    message: string,
  ) {
    super(`${message} (${code})`)
  }
}
