import { serviceProblems, type DataplaneLimits } from '@heddle/core'
import type { After } from './after.js'
import { MAX_ID, within, type Fail } from './fail.js'

/** Services, and that no two stand in one place. */
export function checkServices({ services, transaction }: After, limits: DataplaneLimits, fail: Fail): void {
  const { services: most = Number.POSITIVE_INFINITY, serviceBackends = Number.POSITIVE_INFINITY } = limits
  if (services.size > most) fail('service', 'all', 'dataplane.limit', `${services.size} objects are more than ${most}`)
  if (transaction.services === undefined) return
  for (const [id, service] of services) {
    within(fail, 'service', id, 'id', id, 0, MAX_ID)
    for (const { code, message } of serviceProblems(service)) fail('service', id, code, message)
    const { length } = service.backends
    if (length > serviceBackends) fail('service', id, 'dataplane.limit', `${length} backends are more than ${serviceBackends}`)
  }
  const places = new Map<string, number>()
  for (const [id, { vrf, address, protocol, port }] of services.all()) {
    const place = `${vrf} ${address} ${protocol} ${port}`
    const other = places.get(place)
    if (other !== undefined) fail('service', id, 'dataplane.range', `service ${other} is at ${address} ${protocol} port ${port} too`)
    places.set(place, id)
  }
}

/** NAT pools, and that no two stand between the same VRFs. */
export function checkPools(
  { natPools, transaction }: After,
  { natPools: most = Number.POSITIVE_INFINITY }: DataplaneLimits,
  fail: Fail,
): void {
  if (natPools.size > most) fail('nat-pool', 'all', 'dataplane.limit', `${natPools.size} objects are more than ${most}`)
  if (transaction.natPools === undefined) return
  for (const [id, { ports }] of natPools) {
    within(fail, 'nat-pool', id, 'id', id, 0, MAX_ID)
    const { first, last } = ports
    const isRange = Number.isInteger(first) && Number.isInteger(last) && first >= 1 && last <= 65_535 && first <= last
    if (!isRange) fail('nat-pool', id, 'dataplane.range', `ports ${first}–${last} are no range within 1–65,535`)
  }
  const places = new Map<string, number>()
  for (const [id, { vrf, outside, address }] of natPools.all()) {
    const place = `${vrf} ${outside} ${address.family}`
    const other = places.get(place)
    if (other !== undefined) fail('nat-pool', id, 'dataplane.range', `pool ${other} stands between VRF ${vrf} and VRF ${outside} too`)
    places.set(place, id)
  }
}
