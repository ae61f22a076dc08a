import type { DataplaneLimits } from '@heddle/core'
import type { After } from './after.js'
import { MAX_ID, within, type Fail } from './fail.js'

/** BFD sessions. */
export function checkLiveness({ liveness }: After, { liveness: most = Number.POSITIVE_INFINITY }: DataplaneLimits, fail: Fail): void {
  if (liveness.size > most) fail('liveness', 'all', 'dataplane.limit', `${liveness.size} objects are more than ${most}`)
  for (const [id, { local, remote, desiredMinTx, requiredMinRx, multiplier }] of liveness) {
    within(fail, 'liveness', id, 'id', id, 0, MAX_ID)
    within(fail, 'liveness', id, 'interval', desiredMinTx, 1, 0xffffffff)
    within(fail, 'liveness', id, 'interval', requiredMinRx, 1, 0xffffffff)
    within(fail, 'liveness', id, 'multiplier', multiplier, 1, 255)
    if (local.family !== remote.family) fail('liveness', id, 'dataplane.range', `${local} and ${remote} are not of one family`)
  }
}
