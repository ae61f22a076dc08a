import { describe, expect, it } from 'vitest'
import { JournaledStore } from '../../src/index.js'
import { call } from '../support/calls.js'
import { FakeEndpoints } from '../support/fake-endpoints.js'
import { fakeNode } from '../support/fake-node.js'

const at = fakeNode()

describe('ADD', () => {
  it('attaches, with an address of each family, and tells what it made in the version of the request', async () => {
    const { exitCode, json } = await call(at.cni, 'ADD')
    expect(exitCode).toBe(0)
    expect(json).toEqual({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', mac: '02:58:0a:00:00:02', mtu: 1446, sandbox: '/run/netns/p1' }],
      ips: [
        { address: '10.0.0.2/32', gateway: '10.0.0.1', interface: 0 },
        { address: 'fd00::1/128', interface: 0 },
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      dns: { nameservers: ['10.0.0.53'] },
    })
    expect(at.places()).toEqual(['red /run/netns/p1 eth0 10.0.0.2 fd00::1'])
    const old = await call(at.cni, 'ADD', { id: 'c2', netns: '/n2', config: { cniVersion: '0.3.1', network: 'blue' } })
    expect(old.json).toMatchObject({
      cniVersion: '0.3.1',
      interfaces: [{ name: 'eth0', sandbox: '/n2' }],
      ips: [{ version: '4', address: '10.0.0.1/32' }],
    })
    expect(old.json.interfaces?.[0]).not.toHaveProperty('mtu')
  })

  it('takes a second interface of one container, and gives it other addresses', async () => {
    await call(at.cni, 'ADD')
    const { exitCode, json } = await call(at.cni, 'ADD', { ifname: 'net1' })
    expect([exitCode, json.ips?.[0].address]).toEqual([0, '10.0.0.3/32'])
  })

  it('refuses what is attached already, and leaves it as it is', async () => {
    await call(at.cni, 'ADD')
    const before = [at.places(), at.leases()]
    const again = await call(at.cni, 'ADD')
    expect([again.exitCode, again.json.code]).toEqual([1, 101])
    const other = await call(at.cni, 'ADD', { id: 'c2' })
    expect([other.exitCode, other.json]).toMatchObject([
      1,
      {
        code: 101,
        msg: 'there is an interface eth0 in /run/netns/p1 already',
        details: expect.stringMatching(/failed at: namespace; nothing is left/) as string,
      },
    ])
    expect([at.places(), at.leases()]).toEqual(before)
    expect((await call(at.cni, 'DEL', { id: 'c2', netns: '/other' })).exitCode).toBe(0)
    expect(at.places()).toEqual(before[0])
  })

  it('hands on what plugins before it made', async () => {
    const prevResult = {
      interfaces: [{ name: 'br0' }, { name: 'net0', sandbox: '/run/netns/p1' }],
      ips: [{ address: '172.16.0.2/24', interface: 1 }],
      routes: [{ dst: '0.0.0.0/0', gw: '172.16.0.1' }],
      dns: { nameservers: ['1.1.1.1'] },
    }
    const { json } = await call(at.cni, 'ADD', { config: { prevResult } })
    expect(json).toMatchObject({
      interfaces: [{ name: 'br0' }, { name: 'net0' }, { name: 'eth0' }],
      ips: [{ address: '172.16.0.2/24', interface: 1 }, { address: '10.0.0.2/32', interface: 2 }, { interface: 2 }],
      routes: [{ dst: '0.0.0.0/0', gw: '172.16.0.1' }, { dst: '::/0' }],
      dns: { nameservers: ['1.1.1.1'] },
    })
    const clash = await call(at.cni, 'ADD', {
      id: 'c2',
      config: { prevResult: { interfaces: [{ name: 'eth0', sandbox: '/run/netns/p1' }] } },
    })
    expect(clash.json.code).toBe(101)
  })

  it.each<[string, object, number, RegExp]>([
    ['no network', { config: { network: undefined } }, 7, /network is missing.*allowed: red, blue, tiny, frames, lost/],
    ['a network that there is not', { config: { network: 'green' } }, 7, /network is "green"/],
    ['a network whose VRF is not here', { config: { network: 'lost' } }, 7, /no vrf none.*failed at: endpoint; nothing is left behind/],
    ['a namespace that is gone', { netns: '/gone/x' }, 3, /no namespace/],
    ['an address of no pool', { config: { runtimeConfig: { ips: ['192.0.2.1/24'] } } }, 7, /192\.0\.2\.1.*failed at: addresses/],
    ['an address that is none', { args: 'IP=x' }, 4, /CNI_ARGS: IP has "x"/],
    ['address management that is delegated, which is not had here', { config: { ipam: { type: 'host-local' } } }, 2, /host-local/],
    ['address management by a path', { config: { ipam: { type: '../x' } } }, 7, /file name/],
  ])('is refused with %s, and leaves nothing', async (_name, options, code, text) => {
    const { exitCode, json } = await call(at.cni, 'ADD', options)
    expect([exitCode, json.code]).toEqual([1, code])
    expect(`${json.msg} | ${json.details}`).toMatch(text)
    expect([at.places(), at.leases(), at.cni.attachments()]).toEqual([[], [], []])
  })

  it('gives the address that is asked for, by each of the three ways', async () => {
    for (const [index, options] of [
      { config: { runtimeConfig: { ips: ['10.0.0.9/28'] } } },
      { config: { args: { cni: { ips: ['10.0.0.10'] } } } },
      { args: 'IgnoreUnknown=1;IP=10.0.0.11' },
    ].entries()) {
      const { json } = await call(at.cni, 'ADD', { id: `x${index}`, netns: `/n${index}`, ...options })
      expect(json.ips?.[0].address).toBe(`10.0.0.${9 + index}/32`)
    }
    // The first of them that is there counts.
    const conventions = { args: { cni: { ips: ['10.0.0.13'] } } }
    const capability = { runtimeConfig: { ips: ['10.0.0.12'] } }
    for (const [address, config] of [
      ['10.0.0.12', { ...conventions, ...capability }],
      ['10.0.0.13', conventions],
    ] as const) {
      const { json } = await call(at.cni, 'ADD', { id: `y${address}`, netns: `/${address}`, config, args: 'IP=10.0.0.14' })
      expect(json.ips?.[0].address).toBe(`${address}/32`)
    }
  })

  it('of which nobody awaits the answer is taken back', async () => {
    const abort = new AbortController()
    at.endpoints.before = async (what) => (what === 'add' ? abort.abort() : undefined)
    expect((await call(at.cni, 'ADD', {}, abort.signal)).json.code).toBe(11)
    expect([at.places(), at.leases(), at.cni.attachments()]).toEqual([[], [], []])
  })

  it('names the pool that is exhausted', async () => {
    for (const n of [1, 2]) await call(at.cni, 'ADD', { id: `t${n}`, netns: `/t${n}`, config: { network: 'tiny' } })
    const { json } = await call(at.cni, 'ADD', { id: 't3', netns: '/t3', config: { network: 'tiny' } })
    expect(json).toMatchObject({
      code: 102,
      msg: 'no IPv4 address of tiny is free',
      details: expect.stringContaining('all 2 that this node has of 10.9.0.0/31') as string,
    })
    expect((await call(at.cni, 'STATUS', { config: { network: 'tiny' } })).json.code).toBe(50)
    expect((await call(at.cni, 'STATUS')).exitCode).toBe(0)
  })

  it('runs for different containers at once, and one after another for the same', async () => {
    let running = 0
    let most = 0
    at.endpoints.before = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running--
    }
    const same = await Promise.all([call(at.cni, 'ADD'), call(at.cni, 'DEL'), call(at.cni, 'ADD')])
    expect([same.map(({ exitCode }) => exitCode), most]).toEqual([[0, 0, 0], 1])
    const none = { config: { 'cni.dev/valid-attachments': [] } }
    const gone = await Promise.all([call(at.cni, 'DEL'), call(at.cni, 'GC', none)])
    expect([gone.map(({ exitCode }) => exitCode), most]).toEqual([[0, 0], 1])
    const many = await Promise.all(Array.from({ length: 8 }, async (_, n) => call(at.cni, 'ADD', { id: `m${n}`, netns: `/m${n}` })))
    expect(most).toBe(8)
    expect(new Set(many.map(({ json }) => json.ips?.[0].address)).size).toBe(8)
  })
})

describe('a store that cannot be written', () => {
  it('makes ADD fail, with nothing attached, whichever of its writes it is', async () => {
    let writes = 0
    let attached = false
    for (let broken = 1; !attached; broken++) {
      at.endpoints = new FakeEndpoints()
      at.store = new JournaledStore(new Map(), {
        write: async () => {
          if (++writes === broken) throw new TypeError('disk full')
        },
        close: async () => undefined,
      })
      writes = 0
      at.cni = await at.create()
      const { exitCode, json } = await call(at.cni, 'ADD')
      attached = writes < broken
      expect([exitCode, json.code]).toEqual(attached ? [0, undefined] : [1, 5])
      if (!attached) expect([at.places(), at.leases(), at.cni.attachments()]).toEqual([[], [], []])
      else expect(broken).toBe(3) // the record with its leases, and the end of it
    }
  })
})
