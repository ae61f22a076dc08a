import {
  unsupportedObjects,
  type ApplyFailure,
  type DataplaneFeature,
  type DataplaneLimits,
  type Encapsulation,
  type FibTransaction,
  type RouteRun,
} from '@heddle/core'
import type { Tables } from '../tables.js'
import { After } from './after.js'
import type { Fail } from './fail.js'
import { checkLiveness } from './liveness.js'
import { checkMirrors, checkTraces } from './mirrors.js'
import { checkPolicies } from './policies.js'
import { checkRanges } from './ranges.js'
import { checkReferences } from './references.js'
import { checkRoutes } from './routes.js'
import { checkPools, checkServices } from './services.js'

/**
 * What is wrong with a transaction, given the tables that it would change: values out of range, objects that would be too many, and references
 * that would dangle after it. Empty when it may be programmed.
 *
 * @param runs those of its routes
 */
export function validate(
  tables: Tables,
  transaction: FibTransaction,
  runs: readonly RouteRun[],
  limits: DataplaneLimits,
  features: readonly DataplaneFeature[],
  encapsulations: ReadonlySet<Encapsulation>,
): ApplyFailure[] {
  const failures: ApplyFailure[] = unsupportedObjects(transaction, features)
  const fail: Fail = (kind, key, code, message) => {
    failures.push({ object: { kind, key: String(key) }, code, message })
  }
  const after = new After(tables, transaction)

  checkRanges(transaction, limits, fail)
  checkLimits(after, limits, fail)
  checkPolicies(after, limits, fail)
  checkServices(after, limits, fail)
  checkPools(after, limits, fail)
  checkLiveness(after, limits, fail)
  checkMirrors(after, limits, encapsulations, fail)
  checkTraces(after, limits, fail)
  checkReferences(after, fail)
  checkRoutes(after, runs, limits, fail)
  return failures
}

function checkLimits(after: After, limits: DataplaneLimits, fail: Fail): void {
  const counted = [
    ['vrf', after.vrfs, limits.vrfs],
    ['port', after.ports, limits.ports],
    ['next-hop', after.nextHops, limits.nextHops],
    ['group', after.groups, limits.groups],
    ['label', after.labels, limits.labels],
    ['vni', after.vnis, limits.vnis],
  ] as const
  for (const [kind, { size }, limit] of counted) {
    if (size > limit) fail(kind, 'all', 'dataplane.limit', `${size} objects are more than ${limit}`)
  }
}
