import type { LivenessObject } from '@heddle/core'
import { address, number, record, text } from './json.js'

/** A liveness object as it comes out of JSON, as `objects.ts` reads the other tables. */
export function livenessFrom(json: unknown): LivenessObject {
  const from = record(json, 'liveness')
  return {
    id: number(from['id'], 'liveness.id'),
    local: address(from['local'], 'liveness.local'),
    remote: address(from['remote'], 'liveness.remote'),
    hops: text(from['hops'], 'liveness.hops') as LivenessObject['hops'],
    desiredMinTx: number(from['desiredMinTx'], 'liveness.desiredMinTx'),
    requiredMinRx: number(from['requiredMinRx'], 'liveness.requiredMinRx'),
    multiplier: number(from['multiplier'], 'liveness.multiplier'),
    ...(from['vouchesFor'] === undefined ? {} : { vouchesFor: text(from['vouchesFor'], 'liveness.vouchesFor') as 'tunnels' }),
  }
}
