import type { DataplaneLimits } from '@heddle/core'
import { MAX_LABEL_STACK_DEPTH } from '@heddle/forwarding'

/** Flows that are remembered at most. */
export const FLOWS = 65_536

/** What a forwarder holds at most. */
export const LIMITS: DataplaneLimits = {
  vrfs: 4096,
  ports: 4096,
  nextHops: 1_048_576,
  groups: 1_048_576,
  groupMembers: 256,
  labels: 1_048_576,
  vnis: 65_536,
  routes: 4_194_304,
  labelStackDepth: MAX_LABEL_STACK_DEPTH,
  policies: 131_072,
  policyRules: 1024,
  flows: FLOWS,
  services: 65_536,
  natPools: 4096,
  liveness: 4096,
  serviceBackends: 4096,
  mirrors: 1024,
  traces: 64,
}
