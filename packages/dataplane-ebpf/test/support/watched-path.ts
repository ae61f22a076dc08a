import type { FibTransaction, LivenessObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { UNDERLAY, type Site } from '../../../dataplane-tun/test/support/two-sites.js'
import { PACE } from './pace.js'

const interval = 200_000 * PACE

/** A path of tunnels, whose far end misses 250 packets before it notices. */
export const WATCHED: LivenessObject = {
  id: 1,
  local: IpAddress.parse('192.0.2.1'),
  remote: IpAddress.parse('192.0.2.2'),
  hops: 'multiple',
  desiredMinTx: interval,
  requiredMinRx: interval,
  multiplier: 250,
  vouchesFor: 'tunnels',
}

/** What sets a site up, its tunnels watched: they take no packet while the path is down. The far end notices when fifteen packets of BFD are missing. */
export function watchTunnels(site: Site, transaction: FibTransaction): FibTransaction {
  const [local, remote] = [UNDERLAY[site], UNDERLAY[site === 'a' ? 'b' : 'a']].map(([address]) => IpAddress.parse(address))
  const path = { ...WATCHED, local, remote, multiplier: 15 }
  const watched = transaction.nextHops.set.map((hop) => (hop.action.type === 'tunnel' ? { ...hop, liveness: path.id } : hop))
  return { ...transaction, liveness: { set: [path], remove: [] }, nextHops: { ...transaction.nextHops, set: watched } }
}
