import type { FibTransaction, LivenessObject } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { POD, siteTransaction, UNDERLAY, type Site } from '../../../dataplane-tun/test/support/two-sites.js'
import { PACE } from './pace.js'

/** Endpoints in VRF red, all of them in the agent's own namespace, by their ports. */
export const HERE = { 0: { ifname: 'eth0', address: POD.a[0] }, 2: { ifname: 'eth2', address: '10.1.0.3' } } as const
/** What an endpoint has a route to: the namespace has other ones of its own. */
export const OVERLAY = IpPrefix.parse('10.1.0.0/24')
/** Next hop to the other site. */
const TUNNEL = 2
/** The session with the other site. */
export const HEARD = 1

/** The session of a site with the other one. */
export function pathOf(site: Site): LivenessObject {
  const interval = 200_000 * PACE
  const [local, remote] = [UNDERLAY[site][0], UNDERLAY[site === 'a' ? 'b' : 'a'][0]].map((text) => IpAddress.parse(text))
  return { id: HEARD, local, remote, hops: 'multiple', desiredMinTx: interval, requiredMinRx: interval, multiplier: 50 }
}

/** Site a with another endpoint, and the tunnel left while the far end is not heard. */
export function transactionOf(generation: number): FibTransaction {
  const site = siteTransaction('a', generation)
  site.routes.push(0, IpPrefix.parse(`${HERE[2].address}/32`), 4)
  const [red] = site.ports.set
  const nextHops = site.nextHops.set.map((nextHop) => (nextHop.id === TUNNEL ? { ...nextHop, liveness: HEARD } : nextHop))
  return {
    ...site,
    ports: {
      set: [...site.ports.set, { ...red, id: 2, allowedSources: [IpPrefix.of(IpAddress.parse(HERE[2].address))] }],
      remove: [],
    },
    liveness: { set: [pathOf('a')], remove: [] },
    nextHops: { set: [...nextHops, { id: 4, action: { type: 'port', port: 2 } }], remove: [] },
    groups: { set: [...site.groups.set, { id: 4, members: [{ nextHop: 4, weight: 1 }], seed: 1 }], remove: [] },
  }
}
