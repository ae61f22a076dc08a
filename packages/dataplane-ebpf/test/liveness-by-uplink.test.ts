// Two routers with a link more than the one that their tunnels go by: what sessions of BFD vouch for.
import { RouteBatch, type DataplaneEvent, type FibTransaction, type LivenessObject } from '@heddle/core'
import { silentLogger } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { missingInKernel } from '../../dataplane-tun/test/support/requirements.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { ebpfDataplane, type EbpfDataplane } from '../src/ebpf-dataplane.js'
import { BfdFarEnd } from './support/bfd-far-end.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'

const SITES = ['near', 'far'] as const
type Site = (typeof SITES)[number]
/** By family: an address that tunnels begin and end at, which is no link's, one that a BGP peer has, and the two links'. */
const ADDRESSES = {
  4: {
    near: { tunnel: '192.0.2.1', peer: '192.0.2.1', links: ['198.51.100.1', '198.51.100.5'] },
    far: { tunnel: '192.0.2.2', peer: '192.0.2.3', links: ['198.51.100.2', '198.51.100.6'] },
    length: [32, 30],
  },
  6: {
    near: { tunnel: '2001:db8::1', peer: '2001:db8::1', links: ['2001:db8:1::1', '2001:db8:2::1'] },
    far: { tunnel: '2001:db8::2', peer: '2001:db8::3', links: ['2001:db8:1::2', '2001:db8:2::2'] },
    length: [128, 64],
  },
} as const
type Family = keyof typeof ADDRESSES
const [TUNNEL, PEER] = [1, 2]
/** Of routes of the VRF device. */
const TABLE = 7

function path(id: number, family: Family): LivenessObject {
  const { near, far } = ADDRESSES[family]
  const kind = id === TUNNEL ? 'tunnel' : 'peer'
  const interval = 200_000 * PACE
  return {
    id,
    local: IpAddress.parse(near[kind]),
    remote: IpAddress.parse(far[kind]),
    hops: 'multiple',
    desiredMinTx: interval,
    requiredMinRx: interval,
    multiplier: 10,
    ...(id === TUNNEL && { vouchesFor: 'tunnels' }),
  }
}

const lack = missing() || missingInKernel('VRF devices', 'ip link add v0 type vrf table 7', 'kernels')
describe.each([
  { of: 'the host', lacks: missing(), vrf: undefined },
  { of: 'a VRF device', lacks: lack, vrf: 'under0' },
])('paths of tunnels, where $of has a link more than the uplink', ({ lacks, vrf }) => {
  describe.skipIf(lacks !== '')(titled('by BFD', lacks), () => watching(vrf))
})

/** @param vrf device that links of one of the two are in */
function watching(vrf: string | undefined): void {
  let namespaces: Namespaces
  let directory: string
  let keeper: ReturnType<typeof bundledKeeper>
  beforeAll(() => {
    directory = makeFolder('by-uplink')
    keeper = bundledKeeper()
    namespaces = new Namespaces()
    for (const site of SITES) namespaces.add(site)
    for (const link of ['up0', 'up1']) inSite('near', `ip link add ${link} type veth peer name ${link} netns ${namespaces.name('far')}`)
    for (const site of SITES) {
      // Whoever has an address on another link than the one that is asked by does not answer there, as a router between would not.
      inSite(site, 'sysctl -qw net.ipv4.conf.all.arp_ignore=1')
      const ownAddresses = site === 'near' && vrf !== undefined ? vrf : 'lo'
      for (const link of ['up0', 'up1']) inSite(site, `ip link set ${link} up`)
      if (ownAddresses !== 'lo') {
        inSite(site, `ip link add ${vrf} type vrf table ${TABLE}`)
        inSite(site, `ip link set ${vrf} up`)
        for (const link of ['up0', 'up1']) inSite(site, `ip link set ${link} master ${vrf}`)
      }
      for (const family of [4, 6] as const) {
        const { length } = ADDRESSES[family]
        const { tunnel, peer, links } = ADDRESSES[family][site]
        const dad = family === 6 ? ' nodad' : ''
        for (const address of new Set([tunnel, peer])) inSite(site, `ip address add ${address}/${length[0]} dev ${ownAddresses}${dad}`)
        for (const [at, address] of links.entries()) inSite(site, `ip address add ${address}/${length[1]} dev up${at}${dad}`)
      }
      for (const link of [0, 1] as const) route(site, 'add', link)
    }
  })
  afterAll(() => {
    namespaces?.close()
    keeper?.remove()
    rmSync(directory, { recursive: true, force: true })
  })

  const inSite = (site: Site, command: string): string => namespaces.in(site, ...command.split(' '))
  /** Routes to the other site by a link: those by the first one are taken while they are there. */
  const route = (site: Site, what: 'add' | 'del', link: 0 | 1): void => {
    for (const family of [4, 6] as const) {
      const { tunnel, peer, links } = ADDRESSES[family][site === 'near' ? 'far' : 'near']
      for (const address of new Set([tunnel, peer])) {
        const table = site === 'near' && vrf !== undefined ? ` table ${TABLE}` : ''
        inSite(site, `ip -${family} route ${what} ${address} via ${links[link]} dev up${link} metric ${10 * (link + 1)}${table}`)
      }
    }
  }

  describe.each([
    { family: 4, keeps: 'a process of its own' },
    { family: 6, keeps: 'a process of its own' },
    { family: 4, keeps: 'this process' },
    { family: 6, keeps: 'this process' },
  ] as const)('over IPv$family, kept by $keeps', ({ family, keeps }) => {
    const events: DataplaneEvent[] = []
    const warned: unknown[] = []
    let router: EbpfDataplane
    let far: BfdFarEnd
    beforeAll(async () => {
      const addresses = ([4, 6] as const).map((of) => IpAddress.parse(ADDRESSES[of].near.tunnel))
      const [tunnel, peer] = [TUNNEL, PEER].map((id) => path(id, family))
      far = await BfdFarEnd.open([tunnel.remote, peer.remote], namespaces.path('far'))
      for (const one of [tunnel, peer]) far.watch(one)
      router = await ebpfDataplane({
        addresses,
        uplink: 'up0',
        underlayNetns: namespaces.path('near'),
        fibBlocks: 1024,
        routes: 1024,
        keeper,
        logger: { ...silentLogger, warn: (message, fields) => warned.push([message, fields]) },
        ...(keeps === 'this process' ? {} : { pinDirectory: join(directory, `pins${family}`) }),
      })
      void (async () => {
        for await (const event of router.events) events.push(event)
      })()
    })
    afterAll(async () => {
      await router?.close()
      far?.close()
    })

    const nextHop = (): FibTransaction['nextHops'] => {
      const { local, remote } = path(TUNNEL, family)
      const models = { ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
      const action = { type: 'tunnel', encapsulation: 'mpls-udp', local, remote, labels: [1000], ...models } as const
      return { set: [{ id: 1, action, liveness: TUNNEL }], remove: [] }
    }
    const warning = [
      [
        'The host reaches the far end of tunnels by another link than the uplink, by which their packets go',
        expect.objectContaining({ remote: ADDRESSES[family].far.tunnel, link: 'up1', uplink: 'up0' }),
      ],
    ]
    const states = async (): Promise<unknown> => {
      const { up, down } = await router.dump()
      return { up: up?.toSorted(), down }
    }
    const reaches = (up: readonly number[], down: readonly number[]): Promise<void> =>
      expect.poll(states, { timeout: 20_000 * PACE }).toEqual({ up, down })

    it('are watched by the uplink', async () => {
      const liveness = { set: [TUNNEL, PEER].map((id) => path(id, family)), remove: [] }
      const transaction = { ...emptyTransaction(1), liveness, nextHops: nextHop(), routes: new RouteBatch() }
      expect(await router.apply(transaction)).toMatchObject({ status: 'applied', failures: [] })
      await reaches([TUNNEL, PEER], [])
      await expect.poll(() => events.map(({ type }) => type)).toEqual(['liveness-up', 'liveness-up'])
      expect((await router.dump()).liveness?.toSorted((a, b) => a.id - b.id)).toEqual(liveness.set)
      expect(warned).toEqual([])
    })

    // It stayed up by the other link, by which no packet of a tunnel goes.
    it.each(SITES)('are down while packets of %s have no way by it, and not those of peers, which go as the host does', async (site) => {
      events.length = 0
      try {
        route(site, 'del', 0)
        await reaches([PEER], [TUNNEL])
        if (site === 'near') await expect.poll(() => warned).toEqual(warning)
        if (site === 'near') expect((await router.dump()).detours).toEqual([{ remote: path(TUNNEL, family).remote, link: 'up1' }])
      } finally {
        route(site, 'add', 0)
      }
      await reaches([TUNNEL, PEER], [])
      const of = (wanted: number): string[] =>
        events.flatMap((event) => ('liveness' in event && event.liveness === wanted ? [event.type] : []))
      await expect.poll(() => of(TUNNEL)).toEqual(['liveness-down', 'liveness-up'])
      expect([of(PEER), warned]).toEqual([[], warning])
    })

    it('go as the host does, as those of peers, once they are of no tunnel any more', async () => {
      const { vouchesFor: _, ...ofPeer } = path(TUNNEL, family)
      expect(await router.apply({ ...emptyTransaction(2), liveness: { set: [ofPeer], remove: [] } })).toMatchObject({ status: 'applied' })
      events.length = 0
      try {
        route('near', 'del', 0)
        // Twice what it takes to find out.
        await sleep(4_000 * PACE)
        expect(await states()).toEqual({ up: [TUNNEL, PEER], down: [] })
      } finally {
        route('near', 'add', 0)
      }
      expect(events.filter((event) => 'liveness' in event)).toEqual([])
    })
  })
}
