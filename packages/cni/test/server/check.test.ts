import { describe, expect, it } from 'vitest'
import { PoolIpam, type NamespaceInspector, type SeenInterface, type SeenRoute } from '../../src/index.js'
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
    const loose = prevResult.ips?.map(({ address }) => ({ address }))
    expect(await check({ interfaces: [], ips: loose })).toBe('103 prevResult has no interface eth0 of /run/netns/p1')
    expect((await call(at.cni, 'CHECK', { netns: '/n9', config: { prevResult } })).json).toMatchObject({
      code: 103,
      msg: 'pods/c1/eth0 is attached in /run/netns/p1, not in /n9',
    })
    const [[key, view]] = [...at.endpoints.all]
    at.endpoints.all.set(key, { ...view, vrf: 'blue' })
    expect(await check()).toBe('103 the endpoint eth0 of /run/netns/p1 is in the VRF blue, not in red')
    at.endpoints.all.set(key, { ...view, addresses: view.addresses.slice(1) })
    expect(await check()).toBe('103 the endpoint eth0 of /run/netns/p1 has lost 10.0.0.2')
    at.endpoints.all.set(key, { ...view, state: 'failed', error: 'the device is gone' })
    expect(await check()).toMatch(/^103 the endpoint eth0 of \/run\/netns\/p1 is failed/)
    at.endpoints.all.clear()
    expect(await check()).toMatch(/^103 the endpoint eth0 of \/run\/netns\/p1 is gone/)
    expect((await call(at.cni, 'CHECK', { id: 'c9', config: { prevResult } })).json).toMatchObject({
      code: 103,
      msg: 'pods/c9/eth0 is not attached',
    })
  })

  it('fails when address management has forgotten what it gave', async () => {
    const ipam = new PoolIpam({ store: at.store, quarantine: 0 })
    at.cni = await at.create({ ipam })
    const { json: prevResult } = await call(at.cni, 'ADD')
    await ipam.release('red', 'pods/c1/eth0')
    expect((await call(at.cni, 'CHECK', { config: { prevResult } })).json).toMatchObject({
      code: 103,
      msg: 'no address of red is leased to pods/c1/eth0',
    })
  })

  it('looks into the container where it can', async () => {
    let seen: SeenInterface | undefined
    let routes: SeenRoute[] = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
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
    // Another plugin of the chain has made an interface of its own.
    const chained = {
      ...prevResult,
      interfaces: [...(prevResult.interfaces ?? []), { name: 'net1', sandbox: '/run/netns/p1' }],
      ips: [...(prevResult.ips ?? []), { address: '192.0.2.9/24', interface: 1 }],
    }
    expect((await call(at.cni, 'CHECK', { config: { prevResult: chained } })).exitCode).toBe(0)
    seen = { ...seen, up: false }
    expect(await check()).toBe('the interface eth0 in /run/netns/p1 is down')
    seen = { ...seen, up: true, addresses: ['10.0.0.2/32'] }
    expect(await check()).toMatch(/has lost the address fd00::1/)
    seen = { ...seen, addresses: ['10.0.0.2/32', 'fd00::1/128'] }
    routes = [{ dst: '::/0' }]
    expect(await check()).toMatch(/has lost the route to 0\.0\.0\.0\/0/)
    routes = [{ dst: '0.0.0.0/0', gateway: '10.0.0.1' }, { dst: '::/0' }]
    expect(await check()).toBe('')
    const byGateway = { ...prevResult, routes: [{ dst: '0.0.0.0/0', gw: '10.0.0.9' }] }
    expect((await call(at.cni, 'CHECK', { config: { prevResult: byGateway } })).json.msg).toMatch(
      /has lost the route to 0\.0\.0\.0\/0 by 10\.0\.0\.9/,
    )
    expect((await call(at.cni, 'ADD', { id: 'c2', netns: '/n2' })).json.code).toBe(101)
  })
})
