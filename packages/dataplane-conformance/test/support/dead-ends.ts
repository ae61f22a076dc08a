import { IpAddress } from '@heddle/wire'
import { EMPTY, type Tables } from '../../src/index.js'

/** What VRF 1 sends anywhere ends nowhere: at once, or behind a lookup in VRF 2, and so with one of the ports of a pool. */
export function deadEnds(ports: { readonly first: number; readonly last: number }) {
  return {
    ...EMPTY,
    vrfs: [1, 2].map((id) => ({ id, name: `vrf ${id}` })),
    ports: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }],
    nextHops: [
      { id: 1, action: { type: 'discard', reason: 'no-next-hop' } },
      { id: 2, action: { type: 'lookup', vrf: 2 } },
    ],
    groups: [
      { id: 1, members: [1, 2].map((nextHop) => ({ nextHop, weight: 1 })), seed: 0 },
      { id: 2, members: [{ nextHop: 1, weight: 1 }], seed: 0 },
    ],
    natPools: [{ id: 1, vrf: 1, outside: 2, address: IpAddress.parse('10.0.0.8'), ports }],
    routes: [1, 2].map((vrf) => ({ vrf, prefix: '0.0.0.0/0', group: vrf })),
  } as const satisfies Tables
}
