/**
 * * `agent.needs-restart`: a change that only a restart can make; the message names the keys
 * * `agent.vrf-in-use`: a VRF cannot go while an endpoint that nobody configured is attached to it
 * * `agent.stopped`: the agent is stopping
 * * `agent.dataplane-lost`: the dataplane is gone and not back yet, with the reason where it is known
 * * `agent.unsupported`: the dataplane does not offer what was asked for, or no more of it, or has refused it
 * * `agent.unknown`: there is no such VRF or endpoint
 */
export type AgentErrorCode =
  | 'agent.needs-restart'
  | 'agent.vrf-in-use'
  | 'agent.stopped'
  | 'agent.dataplane-lost'
  | 'agent.unsupported'
  | 'agent.unknown'

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
