import { IpAddress, IpPrefix } from '@heddle/wire'
import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createCni, memoryStore, PoolIpam, type BlockRegistry, type NamespaceInspector } from '../src/index.js'
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

it.each([
  ['finds an interface', 101],
  ['is given up', 11],
] as const)('ADD that %s while a block is claimed for it keeps no address', async (what, code) => {
  const store = memoryStore()
  const caller = new AbortController()
  let claims = 0
  const blocks: BlockRegistry = {
    held: async () => [],
    claim: async () => {
      await setImmediate() // everything else that ADD waits for has come by then
      return claims++
    },
    release: async () => undefined,
  }
  const inspector: NamespaceInspector = {
    exists: async () => true,
    isOwn: async () => false,
    has: async () => {
      if (what === 'finds an interface') return true
      caller.abort()
      return false
    },
    look: async () => undefined,
    routes: async () => [],
  }
  const red = { name: 'red', vrf: 'red', pools: [{ prefix: IpPrefix.parse('10.0.0.0/28'), block: { length: 30 } }] }
  const ipam = new PoolIpam({ store, quarantine: 0, blocks })
  const cni = await createCni({ networks: [red], ipam, endpoints: new FakeEndpoints(), store, inspector })
  const { json } = await call(cni, 'ADD', { id: 'early', netns: '/n1' }, caller.signal)
  expect(json).toMatchObject({ code, details: expect.stringContaining('nothing is left behind') as string })
  // Allocations are done in turn: behind this one, that of the ADD is done as well.
  const [{ address }] = await ipam.allocate(red, { owner: 'next' })
  expect(claims).toBe(1)
  expect([store.entries('lease/').map(([key]) => key), cni.attachments()]).toEqual([[`lease/red/${address}`], []])
})
