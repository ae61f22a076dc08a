import { RouteBatch, type Encapsulation, type FibTransaction, type NextHopObject } from '@heddle/core'
import { ebpfFeatures } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { DROPPED_JOINED, DROPPED_JOINED_LABELS } from '../src/layout/structs/config.js'
import { BulkSites, ENOUGH, SITES, whole, type Endpoint } from './support/bulk.js'
import { hasEthtool } from './support/hairpin.js'
import { missing, titled } from './support/requirements.js'

/*
 *   green pod ─ [router b] ══ veth that cuts ══ [router a: by the routes of a VRF] ══ veth that cuts ══ [router b] ─ lime pod
 */

const GREEN: Endpoint = { site: 'b', kind: 'green', port: 2 }
const LIME: Endpoint = { site: 'b', kind: 'lime', port: 3 }
const ADDRESS = { green: { 4: '10.3.0.1', 6: 'fd00:3::1' }, lime: { 4: '10.4.0.1', 6: 'fd00:4::1' } } as const
const FAMILIES = [4, 6] as const
const MAC = { a: MacAddress.parse('02:00:00:00:00:0a'), b: MacAddress.parse('02:00:00:00:00:0b') } as const
/** Label and VNI of a site, and the VRF that they lead to. */
const ENTRY = { a: { number: 777, vrf: 20 }, b: { number: 888, vrf: LIME.port } } as const
const TUNNEL = 10
const OCTETS = 4 << 20
/** Octets of the largest packet that is no several segments. */
const MTU = 1400
const hasDevices =
  missing() === '' && ebpfFeatures().every(({ name, available }) => available || (name !== 'vxlan' && name !== 'vxlan-gpe'))
/** What has segments merged, and what is told when that did harm. */
const MERGED = {
  vxlan: {
    end: 'vxlan',
    slot: DROPPED_JOINED,
    what: 'segments that come in by VXLAN',
    because: expect.stringMatching(/sends some of them on by labels/) as string,
  },
  'mpls-udp-joint': {
    end: 'joint',
    slot: DROPPED_JOINED_LABELS,
    what: 'segments that come in behind joint labels',
    because: expect.stringMatching(/sent on into another tunnel/) as string,
  },
} as const satisfies Partial<Record<Encapsulation, unknown>>

const prefixesOf = (pod: keyof typeof ADDRESS): IpPrefix[] =>
  Object.values(ADDRESS[pod]).map((address) => IpPrefix.of(IpAddress.parse(address)))

/** Tables of a site. @param out by what it sends @param outer family of its tunnel */
function tables(site: Site, generation: number, out: Encapsulation, outer: 4 | 6): FibTransaction {
  const far = site === 'a' ? 'b' : 'a'
  const [local, remote] = [UNDERLAY[site], UNDERLAY[far]].map((addresses) => IpAddress.parse(addresses[outer === 4 ? 0 : 1]))
  const { number, vrf } = ENTRY[site]
  const common = { type: 'tunnel', encapsulation: out, local, remote, ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
  const tunnel: NextHopObject = {
    id: TUNNEL,
    action:
      out === 'vxlan' ? { ...common, labels: [], vni: ENTRY[far].number, routerMac: MAC[far] } : { ...common, labels: [ENTRY[far].number] },
  }
  const pods = site === 'a' ? [] : ([GREEN.port, LIME.port] as const)
  const routes = new RouteBatch()
  for (const prefix of prefixesOf('lime')) {
    routes.push(site === 'a' ? vrf : GREEN.port, prefix, TUNNEL)
    if (site === 'b') routes.push(LIME.port, prefix, LIME.port)
  }
  if (site === 'b') for (const prefix of prefixesOf('green')) routes.push(LIME.port, prefix, GREEN.port)
  return {
    ...emptyTransaction(generation),
    vrfs: { set: (site === 'a' ? [vrf] : pods).map((id) => ({ id, name: `vrf ${id}` })), remove: [] },
    ports: {
      set: pods.map((id) => {
        const allowedSources = prefixesOf(id === GREEN.port ? 'green' : 'lime')
        return { id, kind: 'endpoint', vrf: id, allowedSources, gateways: [], mtu: MTU }
      }),
      remove: [],
    },
    nextHops: { set: [tunnel, ...pods.map((id): NextHopObject => ({ id, action: { type: 'port', port: id } }))], remove: [] },
    groups: { set: [TUNNEL, ...pods].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })), remove: [] },
    tunnelSources: { set: [{ id: 0, prefixes: [IpPrefix.of(remote)] }], remove: [] },
    labels: { set: [{ label: number, action: { type: 'pop-lookup', vrf }, sources: 0 }], remove: [] },
    vnis: { set: [{ vni: number, vrf, routerMac: MAC[site], sources: 0 }], remove: [] },
    routes,
  }
}

type Merged = (typeof MERGED)[keyof typeof MERGED]

const lacks = hasEthtool && hasDevices ? '' : ' (skipped: needs ethtool, vxlan and vxlan-gpe)'

describe.skipIf(missing() !== '' || lacks !== '')(
  titled(`TCP that a VRF sends on, where a network has cut it${lacks}`),
  { timeout: 3 * ENOUGH },
  () => {
    let sites: BulkSites
    let generation = 0

    beforeAll(async () => {
      sites = new BulkSites('sent-on')
      await sites.open()
      for (const site of SITES) sites.in(sites.short('site', site), ...'ethtool -K up0 tso off gso off gro on'.split(' '))
      await program('vxlan', 'vxlan')
      for (const [kind, { port }] of [['green', GREEN] as const, ['lime', LIME] as const]) {
        const short = sites.short(kind, 'b')
        sites.add(short)
        const addresses = Object.values(ADDRESS[kind]).map((address) => IpAddress.parse(address))
        await sites.routers.b.attachPort(port, { netns: sites.path(short), ifname: 'eth0', addresses, mtu: MTU })
      }
    })
    afterAll(() => sites?.closeAll())

    /** @param come by what router a gets it @param go by what it sends it on */
    async function program(come: Encapsulation, go: Encapsulation, outer: 4 | 6 = 4): Promise<void> {
      generation++
      for (const site of SITES)
        expect(await sites.routers[site].apply(tables(site, generation, site === 'a' ? go : come, outer))).toMatchObject({
          status: 'applied',
          failures: [],
        })
    }

    /** Whether the device is there that has segments merged. */
    const merges = (site: Site, { end }: Merged = MERGED.vxlan): boolean =>
      new RegExp(`: hd\\w+${end}`).test(sites.in(sites.short('site', site), ...'ip -o link'.split(' ')))
    /** What is shown of it. */
    const shown = async (site: Site, merged: Merged = MERGED.vxlan): Promise<unknown> =>
      (await sites.routers[site].inspectKernel()).choices.find(({ what }) => what === merged.what)
    const dropped = (): Promise<Record<string, number>> => sites.dropped('encapsulation-unsupported')

    it('goes from VXLAN into VXLAN as it was joined', async () => {
      const before = await dropped()
      const { lines, mean } = await sites.send([GREEN, LIME], ADDRESS.lime[4], (octets) => octets > 2 * MTU, OCTETS)
      expect([lines, await dropped()]).toEqual([whole(OCTETS), before])
      expect(mean).toBeGreaterThan(2 * MTU)
      expect(merges('a')).toBe(true)
      expect(await shown('a')).toMatchObject({ chosen: 'merged' })
    })

    it.each(['vxlan', 'mpls-udp', 'mpls-udp-joint', 'mpls-gre'] as const)('goes from MPLS over UDP into %s', async (go) => {
      await program('mpls-udp', go)
      const before = await dropped()
      const { lines } = await sites.send([GREEN, LIME], ADDRESS.lime[4], () => true, OCTETS)
      expect([lines, await dropped()]).toEqual([whole(OCTETS), before])
    })

    it.each(FAMILIES.flatMap((outer) => FAMILIES.map((family) => ({ outer, family }))))(
      'comes as it was joined behind joint labels (IPv$family over IPv$outer)',
      async ({ outer, family }) => {
        await program('mpls-udp', 'mpls-udp-joint', outer)
        const before = await dropped()
        const { lines, mean } = await sites.send([GREEN, LIME], ADDRESS.lime[family], (octets) => octets > 2 * MTU, OCTETS)
        expect([lines, await dropped()]).toEqual([whole(OCTETS), before])
        expect(mean).toBeGreaterThan(2 * MTU)
        expect(merges('b', MERGED['mpls-udp-joint'])).toBe(true)
      },
    )

    // The kernel dropped each of them that was joined, so that no stream went on, and nothing counted it.
    it.each([
      ...(['mpls-udp', 'mpls-udp-joint', 'mpls-gre'] as const).map((go) => ['vxlan', go] as const),
      ...(['vxlan', 'mpls-udp', 'mpls-udp-joint', 'mpls-gre'] as const).map((go) => ['mpls-udp-joint', go] as const),
    ])('goes from %s into %s, and is joined no more', async (come, go) => {
      const merged = MERGED[come]
      // What ends it ends it for good: for each of them it begins anew.
      const { maps, mergers } = (sites.routers.a as EbpfRouter).parts
      maps.set('drops', merged.slot, new Uint8Array(maps.valueSize('drops')))
      // Behind it a look at the harm of before is over, which would have the device taken away again.
      await program(come, go)
      await mergers[merged.end].ensure()
      expect(merges('a', merged)).toBe(true)
      const before = await dropped()
      const { lines } = await sites.send([GREEN, LIME], ADDRESS.lime[4], () => !merges('a', merged), OCTETS)
      expect(lines).toEqual(whole(OCTETS))
      expect(merges('a', merged)).toBe(false)
      await expect.poll(() => shown('a', merged)).toMatchObject({ chosen: 'one by one', because: merged.because })
      const { 'encapsulation-unsupported': lost, ...others } = await dropped()
      expect({ ...others, 'encapsulation-unsupported': before['encapsulation-unsupported'] }).toEqual(before)
      expect(lost).toBeGreaterThan(before['encapsulation-unsupported'])
    })

    // What looks joined was dropped for ever, so that streams between routers of one machine came to a segment a timeout.
    it.each(['mpls-udp', 'mpls-udp-joint', 'vxlan'] as const)(
      'goes from behind joint labels into %s in one piece, where no network cuts it and nothing joins',
      async (go) => {
        const { maps, mergers } = (sites.routers.a as EbpfRouter).parts
        maps.set('drops', MERGED['mpls-udp-joint'].slot, new Uint8Array(maps.valueSize('drops')))
        await program('mpls-udp-joint', go)
        await mergers.joint.remove()
        for (const site of SITES) sites.in(sites.short('site', site), ...'ethtool -K up0 tso on gso on'.split(' '))
        const before = await dropped()
        const { lines, mean } = await sites.send([GREEN, LIME], ADDRESS.lime[4], (octets) => octets > 2 * MTU, OCTETS)
        expect([lines, await dropped()]).toEqual([whole(OCTETS), before])
        expect(mean).toBeGreaterThan(2 * MTU)
      },
    )
  },
)
