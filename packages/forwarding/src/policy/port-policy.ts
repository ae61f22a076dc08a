import type { PolicyObject } from '@heddle/core'

/** The policies of one port. */
export interface PortPolicy {
  readonly ingress: PolicyObject | undefined
  readonly egress: PolicyObject | undefined
  /** Counts up whenever either changes: flows that were judged by an earlier one are judged again. */
  readonly version: number
}

/** Finds the policies of each port among all; ports without one are left out. */
export function portPolicies(policies: Iterable<PolicyObject>, version: number): ReadonlyMap<number, PortPolicy> {
  const found = new Map<number, { ingress: PolicyObject | undefined; egress: PolicyObject | undefined; version: number }>()
  for (const policy of policies) {
    const port = found.get(policy.port) ?? { ingress: undefined, egress: undefined, version }
    port[policy.direction] = policy
    found.set(policy.port, port)
  }
  return found
}
