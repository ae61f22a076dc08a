import { describe, expect, it } from 'vitest'
import { type NamespaceInspector, type SeenInterface } from '../../src/index.js'
import { call } from '../support/calls.js'
import { fakeNode } from '../support/fake-node.js'

const at = fakeNode()

describe('CHECK', () => {
  it('passes right after ADD, and fails when anything is missing', async () => {
    const { json: prevResult } = await call(at.cni, 'ADD')
    const check = async (more: object = {}): Promise<unknown> => {
      const { exitCode, output, json } = await call(at.cni, 'CHECK', { config: { prevResult: { ...prevResult, ...more } } })
      return exitCode === 0 ? output : `${json.code} ${json.msg}`
    }
    expect(await check()).toBe('')
    expect(await check({ routes: [...(prevResult.routes ?? []), { dst: '10.7.0.0/16' }] })).toBe('')
    expect(await check({ ips: [] })).toMatch(/^103 prevResult does not have 10\.0\.0\.2/)
    expect(await check({ interfaces: [], ips: [] })).toMatch(/^103/)
    const [[key, view]] = [...at.endpoints.all]
    at.endpoints.all.set(key, { ...view, state: 'failed', error: 'the device is gone' })
    expect(await check()).toMatch(/^103 the endpoint eth0 of \/run\/netns\/p1 is failed/)
    at.endpoints.all.clear()
    expect(await check()).toMatch(/^103 the endpoint eth0 of \/run\/netns\/p1 is gone/)
    expect((await call(at.cni, 'CHECK', { id: 'c9', config: { prevResult } })).json).toMatchObject({
      code: 103,
      msg: 'pods/c9/eth0 is not attached',
    })
  })

  it('looks into the container where it can', async () => {
    let seen: SeenInterface | undefined
    let routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
    const inspector: NamespaceInspector = {
      isOwn: async (path) => path === '/host',
      exists: async (path) => path !== '/none',
      has: async () => seen !== undefined,
      look: async () => seen,
      routes: async () => routes,
    }
    at.cni = await at.create({ inspector })
    expect((await call(at.cni, 'ADD', { netns: '/host' })).json.code).toBe(8)
    expect((await call(at.cni, 'ADD', { netns: '/none' })).json.code).toBe(3)
    const { json: prevResult } = await call(at.cni, 'ADD')
    const check = async (): Promise<string> => (await call(at.cni, 'CHECK', { config: { prevResult } })).json.msg ?? ''
    expect(await check()).toBe('there is no interface eth0 in /run/netns/p1')
    seen = { up: true, mtu: 1446, addresses: ['10.0.0.2/32', 'fd00::1/128', 'fe80::1/64'] }
    expect(await check()).toBe('')
    seen = { ...seen, addresses: ['10.0.0.2/32'] }
    expect(await check()).toMatch(/has lost the address fd00::1/)
    seen = { ...seen, addresses: ['10.0.0.2/32', 'fd00::1/128'] }
    routes = [{ dst: '::/0' }]
    expect(await check()).toMatch(/has lost the route to 0\.0\.0\.0\/0/)
    expect((await call(at.cni, 'ADD', { id: 'c2', netns: '/n2' })).json.code).toBe(101)
  })
})
