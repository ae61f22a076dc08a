import { describe, expect, it } from 'vitest'
import { memoryStore, PoolIpam, type NamespaceInspector } from '../../src/index.js'
import { call } from '../support/calls.js'
import { FakeEndpoints } from '../support/fake-endpoints.js'
import { fakeNode, networks } from '../support/fake-node.js'

const at = fakeNode()

describe('DEL', () => {
  it('takes back, and succeeds with whatever is gone', async () => {
    await call(at.cni, 'ADD')
    expect(await call(at.cni, 'DEL')).toMatchObject({ exitCode: 0, output: '' })
    expect([at.places(), at.leases(), at.cni.attachments()]).toEqual([[], [], []])
    expect((await call(at.cni, 'DEL')).exitCode).toBe(0)
    expect((await call(at.cni, 'DEL', { id: 'never', netns: '' })).exitCode).toBe(0)
    await call(at.cni, 'ADD')
    at.endpoints.all.clear()
    expect((await call(at.cni, 'DEL', { netns: '' })).exitCode).toBe(0)
    expect([at.leases(), at.cni.attachments()]).toEqual([[], []])
  })

  it('finds the endpoint of an attachment whose record was lost', async () => {
    await call(at.cni, 'ADD')
    at.store = memoryStore()
    const next = await at.create()
    const other = await call(next, 'ADD', { id: 'c2', netns: '/n2' })
    expect(other.json.ips?.[0].address).toBe('10.0.0.3/32')
    expect((await call(next, 'DEL')).exitCode).toBe(0)
    expect(at.places()).toHaveLength(1)
  })

  it('that cannot remove the endpoint says so, keeps the address, and is done by the next one', async () => {
    await call(at.cni, 'ADD')
    at.endpoints.before = async () => {
      throw new TypeError('stuck')
    }
    const failed = await call(at.cni, 'DEL')
    expect(failed.json).toMatchObject({ code: 100, details: 'endpoint: stuck' })
    expect([at.leases().length, at.cni.attachments().map(({ phase }) => phase)]).toEqual([2, ['removing']])
    at.endpoints.before = async () => undefined
    expect((await call(at.cni, 'DEL', { netns: '' })).exitCode).toBe(0)
    expect([at.places(), at.leases(), at.cni.attachments()]).toEqual([[], [], []])
  })
})

describe('GC', () => {
  it('removes what is not listed, of its own network only', async () => {
    for (const n of [1, 2, 3]) await call(at.cni, 'ADD', { id: `c${n}`, netns: `/n${n}` })
    await call(at.cni, 'ADD', { id: 'other', netns: '/o', config: { name: 'others' } })
    const valid = [{ containerID: 'c2', ifname: 'eth0' }]
    expect((await call(at.cni, 'GC', { config: { 'cni.dev/valid-attachments': valid } })).exitCode).toBe(0)
    expect(at.cni.attachments().map(({ containerId }) => containerId)).toEqual(['other', 'c2'])
    expect([at.places().length, at.leases().length]).toEqual([2, 4])
  })

  it('goes on after an error, and tells of it', async () => {
    for (const n of [1, 2, 3]) await call(at.cni, 'ADD', { id: `c${n}`, netns: `/n${n}` })
    let count = 0
    at.endpoints.before = async () => {
      if (++count === 2) throw new TypeError('stuck')
    }
    const { json } = await call(at.cni, 'GC', { config: { 'cni.dev/valid-attachments': [] } })
    expect(json).toMatchObject({ code: 105, details: 'pods/c2/eth0 could not be removed whole (endpoint: stuck)' })
    expect(at.places()).toHaveLength(1)
  })

  it('gives back addresses that belong to no attachment', async () => {
    await new PoolIpam({ store: at.store }).allocate(networks[0], { owner: 'pods/lost/eth0' })
    at.cni = await at.create()
    await call(at.cni, 'GC', { config: { 'cni.dev/valid-attachments': [] } })
    expect(at.leases()).toEqual([])
  })
})

describe('a start of the machine', () => {
  const gone = (...paths: string[]): NamespaceInspector => ({
    isOwn: async () => false,
    exists: async (netns) => !paths.includes(netns),
    has: async () => false,
    look: async () => undefined,
    routes: async () => [],
  })

  it('frees what containers had that went with the last one, and keeps what is there again', async () => {
    at.cni = await at.create({ bootId: 'one', inspector: gone() })
    for (const id of ['a', 'b']) expect((await call(at.cni, 'ADD', { id, netns: `/${id}` })).exitCode).toBe(0)
    at.endpoints = new FakeEndpoints()
    at.cni = await at.create({ bootId: 'two', inspector: gone('/a') })
    expect(at.places()).toEqual(['red /b eth0 10.0.0.3 fd00::2'])
    expect(at.leases()).toEqual(['lease/red/10.0.0.3', 'lease/red/fd00::2'])
    expect((await call(at.cni, 'DEL', { id: 'a', netns: '/a' })).exitCode).toBe(0)
  })

  it('is told from one of the process, which waits for DEL', async () => {
    at.cni = await at.create({ bootId: 'one', inspector: gone() })
    expect((await call(at.cni, 'ADD', { id: 'a', netns: '/a' })).exitCode).toBe(0)
    at.cni = await at.create({ bootId: 'one', inspector: gone('/a') })
    expect(at.cni.attachments()).toHaveLength(1)
  })
})
