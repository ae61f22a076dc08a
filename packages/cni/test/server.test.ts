import { IpAddress, IpPrefix } from '@heddle/wire'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  createCni,
  JournaledStore,
  memoryStore,
  PoolIpam,
  type Cni,
  type CniNetwork,
  type CniOptions,
  type NamespaceInspector,
  type SeenInterface,
  type Store,
} from '../src/index.js'
import { call } from './support/calls.js'
import { FakeEndpoints } from './support/fake-endpoints.js'

const pool = (text: string, gateway?: string) => ({
  prefix: IpPrefix.parse(text),
  ...(gateway === undefined ? {} : { gateway: IpAddress.parse(gateway) }),
})
const networks: CniNetwork[] = [
  { name: 'red', vrf: 'red', pools: [pool('fd00::/64'), pool('10.0.0.0/28', '10.0.0.1')], dns: { nameservers: ['10.0.0.53'] } },
  { name: 'blue', vrf: 'blue', pools: [pool('10.0.0.0/28')] },
  { name: 'tiny', vrf: 'red', pools: [pool('10.9.0.0/31')] },
  { name: 'frames', vrf: 'red', pools: [pool('10.2.0.0/28', '10.2.0.1'), pool('fd02::/64', 'fd02::1')], link: 'ethernet' },
  { name: 'lost', vrf: 'none', pools: [pool('10.0.0.0/28')] },
]

let endpoints: FakeEndpoints
let store: Store
let cni: Cni
async function create(more: Partial<CniOptions> = {}): Promise<Cni> {
  return createCni({ networks, ipam: new PoolIpam({ store, quarantine: 0 }), endpoints, store, ...more })
}
beforeEach(async () => {
  endpoints = new FakeEndpoints()
  store = memoryStore()
  cni = await create()
})
const places = (): string[] =>
  endpoints.list().map(({ vrf, netns, ifname, addresses }) => `${vrf} ${netns} ${ifname} ${addresses.join(' ')}`)
const leases = (): string[] => store.entries('lease/').map(([key]) => key)

describe('a start of the machine', () => {
  const gone = (...paths: string[]): NamespaceInspector => ({
    isOwn: async () => false,
    exists: async (netns) => !paths.includes(netns),
    has: async () => false,
    look: async () => undefined,
    routes: async () => [],
  })

  it('frees what containers had that went with the last one, and keeps what is there again', async () => {
    cni = await create({ bootId: 'one', inspector: gone() })
    for (const id of ['a', 'b']) expect((await call(cni, 'ADD', { id, netns: `/${id}` })).exitCode).toBe(0)
    endpoints = new FakeEndpoints()
    cni = await create({ bootId: 'two', inspector: gone('/a') })
    expect(places()).toEqual(['red /b eth0 10.0.0.3 fd00::2'])
    expect(leases()).toEqual(['lease/red/10.0.0.3', 'lease/red/fd00::2'])
    expect((await call(cni, 'DEL', { id: 'a', netns: '/a' })).exitCode).toBe(0)
  })

  it('is told from one of the process, which waits for DEL', async () => {
    cni = await create({ bootId: 'one', inspector: gone() })
    expect((await call(cni, 'ADD', { id: 'a', netns: '/a' })).exitCode).toBe(0)
    cni = await create({ bootId: 'one', inspector: gone('/a') })
    expect(cni.attachments()).toHaveLength(1)
  })
})

describe('ADD', () => {
  it('attaches, with an address of each family, and tells what it made in the version of the request', async () => {
    const { exitCode, json } = await call(cni, 'ADD')
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
    expect(places()).toEqual(['red /run/netns/p1 eth0 10.0.0.2 fd00::1'])
    const old = await call(cni, 'ADD', { id: 'c2', netns: '/n2', config: { cniVersion: '0.3.1', network: 'blue' } })
    expect(old.json).toMatchObject({
      cniVersion: '0.3.1',
      interfaces: [{ name: 'eth0', sandbox: '/n2' }],
      ips: [{ version: '4', address: '10.0.0.1/32' }],
    })
    expect(old.json.interfaces?.[0]).not.toHaveProperty('mtu')
  })

  it('takes a second interface of one container, and gives it other addresses', async () => {
    await call(cni, 'ADD')
    const { exitCode, json } = await call(cni, 'ADD', { ifname: 'net1' })
    expect([exitCode, json.ips?.[0].address]).toEqual([0, '10.0.0.3/32'])
  })

  it('refuses what is attached already, and leaves it as it is', async () => {
    await call(cni, 'ADD')
    const before = [places(), leases()]
    const again = await call(cni, 'ADD')
    expect([again.exitCode, again.json.code]).toEqual([1, 101])
    const other = await call(cni, 'ADD', { id: 'c2' })
    expect([other.exitCode, other.json]).toMatchObject([
      1,
      {
        code: 101,
        msg: 'there is an interface eth0 in /run/netns/p1 already',
        details: expect.stringMatching(/failed at: namespace; nothing is left/) as string,
      },
    ])
    expect([places(), leases()]).toEqual(before)
    expect((await call(cni, 'DEL', { id: 'c2', netns: '/other' })).exitCode).toBe(0)
    expect(places()).toEqual(before[0])
  })

  it('hands on what plugins before it made', async () => {
    const prevResult = {
      interfaces: [{ name: 'br0' }, { name: 'net0', sandbox: '/run/netns/p1' }],
      ips: [{ address: '172.16.0.2/24', interface: 1 }],
      routes: [{ dst: '0.0.0.0/0', gw: '172.16.0.1' }],
      dns: { nameservers: ['1.1.1.1'] },
    }
    const { json } = await call(cni, 'ADD', { config: { prevResult } })
    expect(json).toMatchObject({
      interfaces: [{ name: 'br0' }, { name: 'net0' }, { name: 'eth0' }],
      ips: [{ address: '172.16.0.2/24', interface: 1 }, { address: '10.0.0.2/32', interface: 2 }, { interface: 2 }],
      routes: [{ dst: '0.0.0.0/0', gw: '172.16.0.1' }, { dst: '::/0' }],
      dns: { nameservers: ['1.1.1.1'] },
    })
    const clash = await call(cni, 'ADD', { id: 'c2', config: { prevResult: { interfaces: [{ name: 'eth0', sandbox: '/run/netns/p1' }] } } })
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
    const { exitCode, json } = await call(cni, 'ADD', options)
    expect([exitCode, json.code]).toEqual([1, code])
    expect(`${json.msg} | ${json.details}`).toMatch(text)
    expect([places(), leases(), cni.attachments()]).toEqual([[], [], []])
  })

  it('gives the address that is asked for, by each of the three ways', async () => {
    for (const [index, options] of [
      { config: { runtimeConfig: { ips: ['10.0.0.9/28'] } } },
      { config: { args: { cni: { ips: ['10.0.0.10'] } } } },
      { args: 'IgnoreUnknown=1;IP=10.0.0.11' },
    ].entries()) {
      const { json } = await call(cni, 'ADD', { id: `x${index}`, netns: `/n${index}`, ...options })
      expect(json.ips?.[0].address).toBe(`10.0.0.${9 + index}/32`)
    }
  })

  it("chooses the network by the pod's Kubernetes namespace, unless an annotation names one", async () => {
    const tenants = networks.map((network) => (network.name === 'blue' ? { ...network, namespaces: ['tenant-b'] } : network))
    const place = await create({ networks: tenants, annotation: 'heddle.dev/network' })
    const pod = (id: string, namespace: string, annotation?: string): Parameters<typeof call>[2] => ({
      id,
      netns: `/${id}`,
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${id}`,
      ...(annotation === undefined
        ? {}
        : { config: { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'heddle.dev/network': annotation } } } }),
    })
    for (const options of [pod('a', 'tenant-b'), pod('b', 'tenant-c'), pod('c', 'tenant-b', 'red')])
      expect((await call(place, 'ADD', options)).json.msg).toBeUndefined()
    expect(place.attachments().map(({ containerId, network }) => `${containerId} ${network}`)).toEqual(['a blue', 'b red', 'c red'])
  })

  it("chooses the network by the pod's annotation, when that is allowed", async () => {
    const config = { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'heddle.dev/network': 'blue' } } }
    expect((await call(cni, 'ADD', { config })).exitCode).toBe(0)
    expect(places()[0]).toMatch(/^red/)
    await call(cni, 'DEL')
    const annotated = await create({ annotation: 'heddle.dev/network' })
    await call(annotated, 'ADD', { config })
    expect(places()[0]).toMatch(/^blue/)
    const wrong = await call(annotated, 'ADD', {
      id: 'c2',
      netns: '/n2',
      config: { runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'heddle.dev/network': 'green' } } },
    })
    expect(wrong.json).toMatchObject({ code: 7, msg: expect.stringContaining('the annotation heddle.dev/network is "green"') as string })
    const chosen = await create({ networks: ({ args }) => networks.find(({ name }) => name === args['K8S_POD_NAMESPACE']) })
    expect((await call(chosen, 'ADD', { id: 'c3', netns: '/n3', args: 'K8S_POD_NAMESPACE=blue' })).exitCode).toBe(0)
    expect(places().at(-1)).toMatch(/^blue/)
  })

  it('of which nobody awaits the answer is taken back', async () => {
    const abort = new AbortController()
    endpoints.before = async (what) => (what === 'add' ? abort.abort() : undefined)
    expect((await call(cni, 'ADD', {}, abort.signal)).json.code).toBe(11)
    expect([places(), leases(), cni.attachments()]).toEqual([[], [], []])
  })

  it('names the pool that is exhausted', async () => {
    for (const n of [1, 2]) await call(cni, 'ADD', { id: `t${n}`, netns: `/t${n}`, config: { network: 'tiny' } })
    const { json } = await call(cni, 'ADD', { id: 't3', netns: '/t3', config: { network: 'tiny' } })
    expect(json).toMatchObject({
      code: 102,
      msg: 'no IPv4 address of tiny is free',
      details: expect.stringContaining('all 2 that this node has of 10.9.0.0/31') as string,
    })
    expect((await call(cni, 'STATUS', { config: { network: 'tiny' } })).json.code).toBe(50)
    expect((await call(cni, 'STATUS')).exitCode).toBe(0)
  })

  it('runs for different containers at once, and one after another for the same', async () => {
    let running = 0
    let most = 0
    endpoints.before = async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running--
    }
    const same = await Promise.all([call(cni, 'ADD'), call(cni, 'DEL'), call(cni, 'ADD')])
    expect([same.map(({ exitCode }) => exitCode), most]).toEqual([[0, 0, 0], 1])
    const many = await Promise.all(Array.from({ length: 8 }, async (_, n) => call(cni, 'ADD', { id: `m${n}`, netns: `/m${n}` })))
    expect(most).toBe(8)
    expect(new Set(many.map(({ json }) => json.ips?.[0].address)).size).toBe(8)
  })
})

describe('the link of an endpoint', () => {
  const added = async (config: object, id = 'c1') => (await call(cni, 'ADD', { id, netns: `/run/netns/${id}`, config })).json

  it('is what the configuration says, or else its network, and is told by its MAC', async () => {
    const { interfaces } = await added({ network: 'frames' })
    const [view] = endpoints.list()
    expect(view).toMatchObject({ link: 'ethernet', gateways: ['10.2.0.1', 'fd02::1'].map((text) => IpAddress.parse(text)) })
    expect(interfaces).toMatchObject([{ name: 'eth0', mac: String(view.mac) }])
    await added({ network: 'frames', link: 'ip' }, 'c2')
    await added({ network: 'red', link: 'ethernet' }, 'c3')
    expect(endpoints.list().map(({ link }) => link)).toEqual(['ethernet', undefined, 'ethernet'])
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
      cni = await create({ delegate })
      const { json } = await call(cni, 'ADD', { config: { link, ipam: { type: 'static' } } })
      expect(json.ips?.map(({ gateway }) => gateway)).toEqual(ips.map(({ gateway }) => gateway))
      expect(endpoints.list().map((view) => view.gateways?.map(String))).toEqual([gateways])
      expect((await call(cni, 'DEL', { config: { link, ipam: { type: 'static' } } })).exitCode).toBe(0)
    }
  })

  it.each([
    ['a kind that there is not', { link: 'token-ring' }, 7, 'link is "token-ring"; allowed: ip, ethernet'],
    ['one that the dataplane has not', { link: 'ethernet' }, 2, 'does not offer ethernet'],
  ])('is refused when it is %s, and nothing is left', async (_name, config, code, message) => {
    endpoints.hasEthernet = false
    expect(await added(config)).toMatchObject({ code, msg: expect.stringContaining(message) })
    expect([endpoints.list(), cni.attachments(), leases()]).toEqual([[], [], []])
  })

  it('is looked after by CHECK: kind and MAC', async () => {
    let seen: SeenInterface | undefined
    const look = {
      isOwn: async () => false,
      exists: async () => true,
      has: async () => false,
      routes: async () => [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    }
    cni = await create({ inspector: { ...look, look: async () => seen } })
    const prevResult = await added({ network: 'frames' })
    const [[key, view]] = [...endpoints.all]
    const check = async (): Promise<string> =>
      (await call(cni, 'CHECK', { netns: view.netns, config: { network: 'frames', prevResult } })).json.msg ?? ''
    const up = { up: true, mtu: 1446, addresses: view.addresses.map((address) => `${address}/${address.bits}`) }
    seen = { ...up, mac: String(view.mac).toUpperCase() }
    expect(await check()).toBe('')
    seen = { ...up, mac: '02:00:00:00:00:99' }
    expect(await check()).toContain('has the MAC 02:00:00:00:00:99, not')
    seen = up
    expect(await check()).toContain('carries no Ethernet')
    endpoints.all.set(key, { ...view, link: 'ip' })
    expect(await check()).toContain('has the link ip, not ethernet')
  })

  it('comes back with the attachment after a restart', async () => {
    await added({ network: 'frames' })
    const before = endpoints.list()
    endpoints.all.clear()
    await create()
    expect(endpoints.list()).toEqual(before)
  })
})

describe('DEL', () => {
  it('takes back, and succeeds with whatever is gone', async () => {
    await call(cni, 'ADD')
    expect(await call(cni, 'DEL')).toMatchObject({ exitCode: 0, output: '' })
    expect([places(), leases(), cni.attachments()]).toEqual([[], [], []])
    expect((await call(cni, 'DEL')).exitCode).toBe(0)
    expect((await call(cni, 'DEL', { id: 'never', netns: '' })).exitCode).toBe(0)
    await call(cni, 'ADD')
    endpoints.all.clear()
    expect((await call(cni, 'DEL', { netns: '' })).exitCode).toBe(0)
    expect([leases(), cni.attachments()]).toEqual([[], []])
  })

  it('finds the endpoint of an attachment whose record was lost', async () => {
    await call(cni, 'ADD')
    store = memoryStore()
    const next = await create()
    const other = await call(next, 'ADD', { id: 'c2', netns: '/n2' })
    expect(other.json.ips?.[0].address).toBe('10.0.0.3/32')
    expect((await call(next, 'DEL')).exitCode).toBe(0)
    expect(places()).toHaveLength(1)
  })

  it('that cannot remove the endpoint says so, keeps the address, and is done by the next one', async () => {
    await call(cni, 'ADD')
    endpoints.before = async () => {
      throw new TypeError('stuck')
    }
    const failed = await call(cni, 'DEL')
    expect(failed.json).toMatchObject({ code: 100, details: 'endpoint: stuck' })
    expect([leases().length, cni.attachments().map(({ phase }) => phase)]).toEqual([2, ['removing']])
    endpoints.before = async () => undefined
    expect((await call(cni, 'DEL', { netns: '' })).exitCode).toBe(0)
    expect([places(), leases(), cni.attachments()]).toEqual([[], [], []])
  })
})

describe('CHECK', () => {
  it('passes right after ADD, and fails when anything is missing', async () => {
    const { json: prevResult } = await call(cni, 'ADD')
    const check = async (more: object = {}): Promise<unknown> => {
      const { exitCode, output, json } = await call(cni, 'CHECK', { config: { prevResult: { ...prevResult, ...more } } })
      return exitCode === 0 ? output : `${json.code} ${json.msg}`
    }
    expect(await check()).toBe('')
    expect(await check({ routes: [...(prevResult.routes ?? []), { dst: '10.7.0.0/16' }] })).toBe('')
    expect(await check({ ips: [] })).toMatch(/^103 prevResult does not have 10\.0\.0\.2/)
    expect(await check({ interfaces: [], ips: [] })).toMatch(/^103/)
    const [[key, view]] = [...endpoints.all]
    endpoints.all.set(key, { ...view, state: 'failed', error: 'the device is gone' })
    expect(await check()).toMatch(/^103 the endpoint eth0 of \/run\/netns\/p1 is failed/)
    endpoints.all.clear()
    expect(await check()).toMatch(/^103 the endpoint eth0 of \/run\/netns\/p1 is gone/)
    expect((await call(cni, 'CHECK', { id: 'c9', config: { prevResult } })).json).toMatchObject({
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
    cni = await create({ inspector })
    expect((await call(cni, 'ADD', { netns: '/host' })).json.code).toBe(8)
    expect((await call(cni, 'ADD', { netns: '/none' })).json.code).toBe(3)
    const { json: prevResult } = await call(cni, 'ADD')
    const check = async (): Promise<string> => (await call(cni, 'CHECK', { config: { prevResult } })).json.msg ?? ''
    expect(await check()).toBe('there is no interface eth0 in /run/netns/p1')
    seen = { up: true, mtu: 1446, addresses: ['10.0.0.2/32', 'fd00::1/128', 'fe80::1/64'] }
    expect(await check()).toBe('')
    seen = { ...seen, addresses: ['10.0.0.2/32'] }
    expect(await check()).toMatch(/has lost the address fd00::1/)
    seen = { ...seen, addresses: ['10.0.0.2/32', 'fd00::1/128'] }
    routes = [{ dst: '::/0' }]
    expect(await check()).toMatch(/has lost the route to 0\.0\.0\.0\/0/)
    expect((await call(cni, 'ADD', { id: 'c2', netns: '/n2' })).json.code).toBe(101)
  })
})

describe('GC', () => {
  it('removes what is not listed, of its own network only', async () => {
    for (const n of [1, 2, 3]) await call(cni, 'ADD', { id: `c${n}`, netns: `/n${n}` })
    await call(cni, 'ADD', { id: 'other', netns: '/o', config: { name: 'others' } })
    const valid = [{ containerID: 'c2', ifname: 'eth0' }]
    expect((await call(cni, 'GC', { config: { 'cni.dev/valid-attachments': valid } })).exitCode).toBe(0)
    expect(cni.attachments().map(({ containerId }) => containerId)).toEqual(['other', 'c2'])
    expect([places().length, leases().length]).toEqual([2, 4])
  })

  it('goes on after an error, and tells of it', async () => {
    for (const n of [1, 2, 3]) await call(cni, 'ADD', { id: `c${n}`, netns: `/n${n}` })
    let count = 0
    endpoints.before = async () => {
      if (++count === 2) throw new TypeError('stuck')
    }
    const { json } = await call(cni, 'GC', { config: { 'cni.dev/valid-attachments': [] } })
    expect(json).toMatchObject({ code: 105, details: 'pods/c2/eth0 could not be removed whole (endpoint: stuck)' })
    expect(places()).toHaveLength(1)
  })

  it('gives back addresses that belong to no attachment', async () => {
    await new PoolIpam({ store }).allocate(networks[0], { owner: 'pods/lost/eth0' })
    cni = await create()
    await call(cni, 'GC', { config: { 'cni.dev/valid-attachments': [] } })
    expect(leases()).toEqual([])
  })
})

describe('STATUS, VERSION and metrics', () => {
  it('tell whether ADD can be served, what is spoken, and what happened', async () => {
    expect(
      (await create({ notReady: () => ({ code: 51, reason: 'the dataplane is gone' }) }).then(async (one) => call(one, 'STATUS'))).json,
    ).toMatchObject({ code: 51, msg: 'the dataplane is gone' })
    expect((await call(cni, 'VERSION', { config: { cniVersion: '0.4.0' } })).json).toEqual({
      cniVersion: '0.4.0',
      supportedVersions: ['0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    })
    await call(cni, 'ADD')
    await call(cni, 'ADD')
    await call(cni, 'NONE')
    const text = cni.metrics()
    expect(text).toContain('cni_request_seconds_count{verb="ADD"} 2\n')
    expect(text).toContain('cni_errors_total{verb="ADD",code="101"} 1\n')
    expect(text).toContain('cni_errors_total{verb="unknown",code="4"} 1\n')
    expect(text).toContain('cni_attachments 1\n')
    expect(text).toContain('cni_addresses{network="blue",family="ipv4",state="total"} 14\n')
  })
})

describe('a store that cannot be written', () => {
  it('makes ADD fail, with nothing attached, whichever of its writes it is', async () => {
    let writes = 0
    let attached = false
    for (let broken = 1; !attached; broken++) {
      endpoints = new FakeEndpoints()
      store = new JournaledStore(new Map(), {
        write: async () => {
          if (++writes === broken) throw new TypeError('disk full')
        },
        close: async () => undefined,
      })
      writes = 0
      cni = await create()
      const { exitCode, json } = await call(cni, 'ADD')
      attached = writes < broken
      expect([exitCode, json.code]).toEqual(attached ? [0, undefined] : [1, 5])
      if (!attached) expect([places(), leases(), cni.attachments()]).toEqual([[], [], []])
      else expect(broken).toBe(3) // the record with its leases, and the end of it
    }
  })
})
