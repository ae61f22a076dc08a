import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { type CniOptions, type SeenInterface } from '../../src/index.js'
import { call } from '../support/calls.js'
import { fakeNode } from '../support/fake-node.js'

const at = fakeNode()

describe('the link of an endpoint', () => {
  const added = async (config: object, id = 'c1') => (await call(at.cni, 'ADD', { id, netns: `/run/netns/${id}`, config })).json

  it('is what the configuration says, or else its network, and is told by its MAC', async () => {
    const { interfaces } = await added({ network: 'frames' })
    const [view] = at.endpoints.list()
    expect(view).toMatchObject({ link: 'ethernet', gateways: ['10.2.0.1', 'fd02::1'].map((text) => IpAddress.parse(text)) })
    expect(interfaces).toMatchObject([{ name: 'eth0', mac: String(view.mac) }])
    await added({ network: 'frames', link: 'ip' }, 'c2')
    await added({ network: 'red', link: 'ethernet' }, 'c3')
    expect(at.endpoints.list().map(({ link }) => link)).toEqual(['ethernet', undefined, 'ethernet'])
  })

  it('has the gateways of address management where there are frames, and of them what can be one', async () => {
    const ips = ['0.0.0.0', '127.0.0.1', '224.0.0.1', '10.5.0.1', '10.5.0.2'].map((gateway, n) => ({
      address: `10.5.0.${9 + n}/24`,
      gateway,
    }))
    const delegate: CniOptions['delegate'] = async ({ environment: { CNI_COMMAND: verb } }) => ({
      exitCode: 0,
      output: JSON.stringify(verb === 'VERSION' ? { supportedVersions: ['1.0.0'] } : { cniVersion: '1.0.0', ips }),
    })
    for (const [link, gateways] of [
      ['ethernet', ['10.5.0.1']],
      ['ip', undefined],
    ] as const) {
      at.cni = await at.create({ delegate })
      const { json } = await call(at.cni, 'ADD', { config: { link, ipam: { type: 'static' } } })
      expect(json.ips?.map(({ gateway }) => gateway)).toEqual(ips.map(({ gateway }) => gateway))
      expect(at.endpoints.list().map((view) => view.gateways?.map(String))).toEqual([gateways])
      expect((await call(at.cni, 'DEL', { config: { link, ipam: { type: 'static' } } })).exitCode).toBe(0)
    }
  })

  it.each([
    ['a kind that there is not', { link: 'token-ring' }, 7, 'link is "token-ring"; allowed: ip, ethernet'],
    ['one that the dataplane has not', { link: 'ethernet' }, 2, 'does not offer ethernet'],
  ])('is refused when it is %s, and nothing is left', async (_name, config, code, message) => {
    at.endpoints.hasEthernet = false
    expect(await added(config)).toMatchObject({ code, msg: expect.stringContaining(message) })
    expect([at.endpoints.list(), at.cni.attachments(), at.leases()]).toEqual([[], [], []])
  })

  it('is looked after by CHECK: kind and MAC', async () => {
    let seen: SeenInterface | undefined
    const look = {
      isOwn: async () => false,
      exists: async () => true,
      has: async () => false,
      routes: async () => [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    }
    at.cni = await at.create({ inspector: { ...look, look: async () => seen } })
    const prevResult = await added({ network: 'frames' })
    const [[key, view]] = [...at.endpoints.all]
    const check = async (): Promise<string> =>
      (await call(at.cni, 'CHECK', { netns: view.netns, config: { network: 'frames', prevResult } })).json.msg ?? ''
    const up = { up: true, mtu: 1446, addresses: view.addresses.map((address) => `${address}/${address.bits}`) }
    seen = { ...up, mac: String(view.mac).toUpperCase() }
    expect(await check()).toBe('')
    seen = { ...up, mac: '02:00:00:00:00:99' }
    expect(await check()).toContain('has the MAC 02:00:00:00:00:99, not')
    seen = up
    expect(await check()).toContain('carries no Ethernet')
    at.endpoints.all.set(key, { ...view, link: 'ip' })
    expect(await check()).toContain('has the link ip, not ethernet')
  })

  it('comes back with the attachment after a restart', async () => {
    await added({ network: 'frames' })
    const before = at.endpoints.list()
    at.endpoints.all.clear()
    await at.create()
    expect(at.endpoints.list()).toEqual(before)
  })
})
