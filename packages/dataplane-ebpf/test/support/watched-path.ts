import type { LivenessObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { PACE } from './pace.js'

const interval = 200_000 * PACE

/** A path of tunnels, whose far end misses a hundred packets before it notices. */
export const WATCHED: LivenessObject = {
  id: 1,
  local: IpAddress.parse('192.0.2.1'),
  remote: IpAddress.parse('192.0.2.2'),
  hops: 'multiple',
  desiredMinTx: interval,
  requiredMinRx: interval,
  multiplier: 100,
  vouchesFor: 'tunnels',
}
