import { IpAddress, IpPrefix } from '@heddle/wire'
import { beforeEach } from 'vitest'
import { createCni, memoryStore, PoolIpam, type Cni, type CniNetwork, type CniOptions, type Store } from '../../src/index.js'
import { FakeEndpoints } from './fake-endpoints.js'

const pool = (text: string, gateway?: string) => ({
  prefix: IpPrefix.parse(text),
  ...(gateway === undefined ? {} : { gateway: IpAddress.parse(gateway) }),
})

export const networks: readonly CniNetwork[] = [
  { name: 'red', vrf: 'red', pools: [pool('fd00::/64'), pool('10.0.0.0/28', '10.0.0.1')], dns: { nameservers: ['10.0.0.53'] } },
  { name: 'blue', vrf: 'blue', pools: [pool('10.0.0.0/28')] },
  { name: 'tiny', vrf: 'red', pools: [pool('10.9.0.0/31')] },
  { name: 'frames', vrf: 'red', pools: [pool('10.2.0.0/28', '10.2.0.1'), pool('fd02::/64', 'fd02::1')], link: 'ethernet' },
  { name: 'lost', vrf: 'none', pools: [pool('10.0.0.0/28')] },
]

/** A plugin over endpoints that are none, and what it has done. */
export class FakeNode {
  endpoints = new FakeEndpoints()
  store: Store = memoryStore()
  cni!: Cni

  /** Another plugin with the same endpoints and store. */
  async create(more: Partial<CniOptions> = {}): Promise<Cni> {
    const { endpoints, store } = this
    return createCni({ networks, ipam: new PoolIpam({ store, quarantine: 0 }), endpoints, store, ...more })
  }

  places(): string[] {
    return this.endpoints.list().map(({ vrf, netns, ifname, addresses }) => `${vrf} ${netns} ${ifname} ${addresses.join(' ')}`)
  }

  leases(): string[] {
    return this.store.entries('lease/').map(([key]) => key)
  }
}

/** A node that is as new before each test. */
export function fakeNode(): FakeNode {
  const at = new FakeNode()
  beforeEach(async () => {
    Object.assign(at, new FakeNode())
    at.cni = await at.create()
  })
  return at
}
