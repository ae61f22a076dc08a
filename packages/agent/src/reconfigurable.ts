import { IntentError, checkEndpoints } from '@heddle/core'
import { AgentError } from './agent-error.js'
import type { AgentParts } from './agent-parts.js'
import type { AgentConfig } from './config.js'
import { unaskedServices } from './health/unasked-services.js'

/**
 * Whether an agent can come from one configuration to another while it runs.
 *
 * @throws AgentError `agent.needs-restart`, `agent.vrf-in-use`; IntentError
 */
export function checkReconfigurable(from: AgentConfig, to: AgentConfig, parts: AgentParts): void {
  if (to.underlayMtu !== from.underlayMtu)
    throw new AgentError('agent.needs-restart', 'a change of the MTU of the underlay needs a restart')
  if (to.endpointFlows !== from.endpointFlows)
    throw new AgentError('agent.needs-restart', 'a change of the flows of endpoints needs a restart')
  parts.node.checkReconfigurable(to)
  checkVrfsInUse(from, to, parts)
  const problems = [
    ...parts.model.checkIntents(to.vrfs, to.traffic ?? {}, parts.endpoints.unwanted(to.endpoints)),
    ...checkEndpoints(to.endpoints, parts.capabilities),
    ...unaskedServices(to, parts.health),
  ]
  if (problems.length > 0) throw new IntentError(problems)
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
