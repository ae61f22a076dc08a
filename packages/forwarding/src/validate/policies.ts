import { policyProblems, type DataplaneLimits } from '@heddle/core'
import type { After } from './after.js'
import { MAX_ID, within, type Fail } from './fail.js'

/** Policies, and how many flows a port may have. */
export function checkPolicies({ policies, transaction }: After, limits: DataplaneLimits, fail: Fail): void {
  const { policies: most = Number.POSITIVE_INFINITY, policyRules = Number.POSITIVE_INFINITY } = limits
  if (policies.size > most) fail('policy', 'all', 'dataplane.limit', `${policies.size} objects are more than ${most}`)
  for (const { id, maxFlows = 0 } of transaction.ports.set) {
    if (!Number.isInteger(maxFlows) || maxFlows < 0) fail('port', id, 'dataplane.range', `${maxFlows} flows`)
  }
  if (transaction.policies === undefined) return
  for (const [id, policy] of policies) {
    for (const problem of policyProblems(policy.rules)) fail('policy', id, 'dataplane.range', problem)
    within(fail, 'policy', id, 'id', id, 0, MAX_ID)
    const { length } = policy.rules
    if (length > policyRules) fail('policy', id, 'dataplane.limit', `${length} rules are more than ${policyRules}`)
  }
  const places = new Map<string, number>()
  for (const [id, { port, direction }] of policies.all()) {
    const other = places.get(`${port} ${direction}`)
    if (other !== undefined) fail('policy', id, 'dataplane.range', `policy ${other} is for ${direction} of port ${port} too`)
    places.set(`${port} ${direction}`, id)
  }
}
