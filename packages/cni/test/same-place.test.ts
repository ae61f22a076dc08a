import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, it } from 'vitest'
import { createCni, memoryStore, PoolIpam, type NamespaceInspector } from '../src/index.js'
import { call } from './support/calls.js'
import { FakeEndpoints } from './support/fake-endpoints.js'

it('ADD that finds an interface which another container got meanwhile leaves it there, and nothing of itself', async () => {
  const endpoints = new FakeEndpoints()
  const store = memoryStore()
  const inspector: NamespaceInspector = {
    exists: async () => true,
    isOwn: async () => false,
    has: async () => {
      await endpoints.add({ vrf: 'red', netns: '/n1', ifname: 'eth0', addresses: [IpAddress.parse('10.0.0.9')] })
      return true
    },
    look: async () => undefined,
    routes: async () => [],
  }
  const networks = [{ name: 'red', vrf: 'red', pools: [{ prefix: IpPrefix.parse('10.0.0.0/28') }] }]
  const cni = await createCni({ networks, ipam: new PoolIpam({ store, quarantine: 0 }), endpoints, store, inspector })
  const { json } = await call(cni, 'ADD', { id: 'late', netns: '/n1' })
  expect(json).toMatchObject({ code: 101, details: expect.stringContaining('failed at: namespace; nothing is left behind') as string })
  expect(endpoints.list().map(({ addresses }) => String(addresses))).toEqual(['10.0.0.9'])
  expect([store.entries('lease/'), cni.attachments()]).toEqual([[], []])
})
