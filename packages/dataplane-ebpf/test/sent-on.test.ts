import { RouteBatch, type Encapsulation, type FibTransaction, type NextHopObject } from '@heddle/core'
import { ebpfFeatures } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { DROPPED_JOINED } from '../src/layout/structs/config.js'
import { BulkSites, ENOUGH, SITES, whole, type Endpoint } from './support/bulk.js'
import { hasEthtool } from './support/hairpin.js'
import { missing, titled } from './support/requirements.js'

/*
 *   green pod ─ [router b] ══ veth that cuts ══ [router a: by the routes of a VRF] ══ veth that cuts ══ [router b] ─ lime pod
 */

const GREEN: Endpoint = { site: 'b', kind: 'green', port: 2 }
const LIME: Endpoint = { site: 'b', kind: 'lime', port: 3 }
const ADDRESS = { green: '10.3.0.1', lime: '10.4.0.1' } as const
const MAC = { a: MacAddress.parse('02:00:00:00:00:0a'), b: MacAddress.parse('02:00:00:00:00:0b') } as const
/** Label and VNI of a site, and the VRF that they lead to. */
const ENTRY = { a: { number: 777, vrf: 20 }, b: { number: 888, vrf: LIME.port } } as const
const TUNNEL = 10
const OCTETS = 4 << 20
/** Octets of the largest packet that is no several segments. */
const MTU = 1400
const hasVxlan = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan' && available)

/** Tables of a site. @param out by what it sends */
function tables(site: Site, generation: number, out: Encapsulation): FibTransaction {
  const far = site === 'a' ? 'b' : 'a'
  const [local, remote] = [UNDERLAY[site], UNDERLAY[far]].map(([address]) => IpAddress.parse(address))
  const { number, vrf } = ENTRY[site]
  const common = { type: 'tunnel', encapsulation: out, local, remote, ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
  const tunnel: NextHopObject = {
    id: TUNNEL,
    action:
      out === 'vxlan' ? { ...common, labels: [], vni: ENTRY[far].number, routerMac: MAC[far] } : { ...common, labels: [ENTRY[far].number] },
  }
  const pods = site === 'a' ? [] : ([GREEN.port, LIME.port] as const)
  const routes = new RouteBatch()
  routes.push(site === 'a' ? vrf : GREEN.port, IpPrefix.parse(`${ADDRESS.lime}/32`), TUNNEL)
  if (site === 'b') {
    routes.push(LIME.port, IpPrefix.parse(`${ADDRESS.lime}/32`), LIME.port)
    routes.push(LIME.port, IpPrefix.parse(`${ADDRESS.green}/32`), GREEN.port)
  }
  return {
    ...emptyTransaction(generation),
    vrfs: { set: (site === 'a' ? [vrf] : pods).map((id) => ({ id, name: `vrf ${id}` })), remove: [] },
    ports: {
      set: pods.map((id) => {
        const allowedSources = [IpPrefix.parse(`${id === GREEN.port ? ADDRESS.green : ADDRESS.lime}/32`)]
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

const lacks = hasEthtool && hasVxlan ? '' : ' (skipped: needs ethtool and vxlan)'

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
        const addresses = [IpAddress.parse(ADDRESS[kind])]
        await sites.routers.b.attachPort(port, { netns: sites.path(short), ifname: 'eth0', addresses, mtu: MTU })
      }
    })
    afterAll(() => sites?.closeAll())

    /** @param come by what router a gets it @param go by what it sends it on */
    async function program(come: Encapsulation, go: Encapsulation): Promise<void> {
      generation++
      for (const site of SITES)
        expect(await sites.routers[site].apply(tables(site, generation, site === 'a' ? go : come))).toMatchObject({
          status: 'applied',
          failures: [],
        })
    }

    /** Whether the device is there that has segments in VXLAN merged. */
    const merges = (site: Site): boolean => /: hd\w+vxlan/.test(sites.in(sites.short('site', site), ...'ip -o link'.split(' ')))
    /** What is shown of it. */
    const shown = async (site: Site): Promise<unknown> =>
      (await sites.routers[site].inspectKernel()).choices.find(({ what }) => what === 'segments that come in by VXLAN')
    const dropped = (): Promise<Record<string, number>> => sites.dropped('encapsulation-unsupported')

    it('goes from VXLAN into VXLAN as it was joined', async () => {
      const before = await dropped()
      const { lines, mean } = await sites.send([GREEN, LIME], ADDRESS.lime, (octets) => octets > 2 * MTU, OCTETS)
      expect([lines, await dropped()]).toEqual([whole(OCTETS), before])
      expect(mean).toBeGreaterThan(2 * MTU)
      expect(merges('a')).toBe(true)
      expect(await shown('a')).toMatchObject({ chosen: 'merged' })
    })

    it.each(['vxlan', 'mpls-udp', 'mpls-gre'] as const)('goes from MPLS over UDP into %s', async (go) => {
      await program('mpls-udp', go)
      const before = await dropped()
      const { lines } = await sites.send([GREEN, LIME], ADDRESS.lime, () => true, OCTETS)
      expect([lines, await dropped()]).toEqual([whole(OCTETS), before])
    })

    // The kernel dropped each of them that was joined, so that no stream went on, and nothing counted it.
    it.each(['mpls-udp', 'mpls-gre'] as const)('goes from VXLAN into %s, and is joined no more', async (go) => {
      // What ends it ends it for good: for each of them it begins anew.
      const { maps } = (sites.routers.a as EbpfRouter).parts
      maps.set('drops', DROPPED_JOINED, new Uint8Array(maps.valueSize('drops')))
      await program('vxlan', 'vxlan')
      expect(merges('a')).toBe(true)
      await program('vxlan', go)
      const before = await dropped()
      const { lines } = await sites.send([GREEN, LIME], ADDRESS.lime, () => !merges('a'), OCTETS)
      expect(lines).toEqual(whole(OCTETS))
      expect(merges('a')).toBe(false)
      const because = expect.stringMatching(/sends some of them on by labels/)
      await expect.poll(() => shown('a'), { timeout: 20_000 }).toMatchObject({ chosen: 'one by one', because })
      const { 'encapsulation-unsupported': lost, ...others } = await dropped()
      expect({ ...others, 'encapsulation-unsupported': before['encapsulation-unsupported'] }).toEqual(before)
      expect(lost).toBeGreaterThan(before['encapsulation-unsupported'])
    })
  },
)
