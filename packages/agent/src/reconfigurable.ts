import { IntentError, checkEndpoints, type Dataplane } from '@heddle/core'
import { AgentError } from './agent-error.js'
import type { AgentParts } from './agent-parts.js'
import { watchingProblem } from './bgp/dataplane-bfd.js'
import type { AgentConfig } from './config.js'
import { unaskedServices } from './health/unasked-services.js'

/** What an agent has that is to come to another configuration. */
export interface Reconfigured extends AgentParts {
  /** The dataplane while there is one. */
  readonly dataplane: Dataplane | undefined
}

/**
 * Whether an agent can come from one configuration to another while it runs.
 *
 * @throws AgentError `agent.needs-restart`, `agent.vrf-in-use`, `agent.unsupported`; IntentError
 */
export function checkReconfigurable(from: AgentConfig, to: AgentConfig, parts: Reconfigured): void {
  if (to.underlayMtu !== from.underlayMtu)
    throw new AgentError('agent.needs-restart', 'a change of the MTU of the underlay needs a restart')
  if (to.endpointFlows !== from.endpointFlows)
    throw new AgentError('agent.needs-restart', 'a change of the flows of endpoints needs a restart')
  parts.node.checkReconfigurable(to)
  checkWatched(to, parts)
  checkVrfsInUse(from, to, parts)
  const problems = [
    ...parts.model.checkIntents(to.vrfs, to.traffic ?? {}, parts.endpoints.unwanted(to.endpoints)),
    ...checkEndpoints(to.endpoints, parts.capabilities),
    ...unaskedServices(to, parts.health),
  ]
  if (problems.length > 0) throw new IntentError(problems)
}

/** Paths are watched where both the dataplane of the start could, by which the parts were put together, and the one that is there. */
function checkWatched(to: AgentConfig, { capabilities, dataplane }: Reconfigured): void {
  for (const can of [capabilities, dataplane?.capabilities ?? capabilities]) {
    const problem = watchingProblem(to, can)
    if (problem !== undefined) throw new AgentError('agent.unsupported', problem)
  }
}

/** A VRF can go when its endpoints are those of the old configuration. */
function checkVrfsInUse(from: AgentConfig, { vrfs }: AgentConfig, { endpoints }: AgentParts): void {
  const names = new Set(vrfs.map(({ name }) => name))
  for (const { vrf, netns, ifname } of endpoints.list()) {
    const isConfigured = from.endpoints.some((request) => request.netns === netns && request.ifname === ifname)
    if (!names.has(vrf) && !isConfigured)
      throw new AgentError('agent.vrf-in-use', `vrf ${vrf} cannot go: endpoint ${ifname} of ${netns} is attached to it`)
  }
}
