import { RouteBatch } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { release } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction, POD } from '../../dataplane-tun/test/support/two-sites.js'
import { BulkSites, ENOUGH, isLarge, LARGE, MOST_SAID, SITES, whole, type Endpoint } from './support/bulk.js'
import { HAIRPIN, hairpin, hairpinBack } from './support/hairpin.js'
import { missing, titled } from './support/requirements.js'

/** Whether IPv6 has an extension header in such frames (RFC 2675); Linux 7.3 has been seen to do without. */
const HAS_JUMBO_HEADER = Number.parseInt(release()) < 7

const RED: Endpoint = { site: 'a', kind: 'red', port: 0 }
const FAR: Endpoint = { site: 'b', kind: 'red', port: 0 }
const NEAR: Endpoint = { site: 'a', kind: 'near', port: 9 }
const NEAR_ADDRESSES = ['10.1.0.9', 'fd00:1::9'] as const
/** Of one site, by way of the other one. */
const GREEN: Endpoint = { site: 'b', kind: 'green', port: 2 }
const LIME: Endpoint = { site: 'b', kind: 'lime', port: 3 }

/* What senders make that length fields of IP cannot say: `gso_ipv4_max_size` (Linux 6.3) and `gso_max_size` (Linux 5.19) of endpoints' devices. */
describe.skipIf(missing() !== '')(titled('super-frames that are longer than their headers can say'), { timeout: 3 * ENOUGH }, () => {
  let sites: BulkSites
  let generation = 0

  beforeAll(async () => {
    sites = new BulkSites('super')
    await sites.open()
  })
  afterAll(() => sites?.closeAll())

  const anySize = (): boolean => true

  describe.each([
    ['mpls-udp', 4],
    ['mpls-udp', 6],
    ['mpls-udp-joint', 4],
    ['mpls-udp-joint', 6],
    ['mpls-gre', 4],
    ['vxlan', 4],
  ] as const)('by %s over IPv%s', (encapsulation, family) => {
    beforeAll(async () => {
      generation++
      for (const site of SITES) await sites.setUp(sites.routers[site], site, generation, family, encapsulation)
    })

    it('come as they were sent, of IPv4', async () => {
      const before = await sites.dropped()
      const { lines, mean } = await sites.send([RED, FAR], POD.b[0], sites.hasIpv4 ? isLarge : anySize)
      expect([lines, await sites.dropped()]).toEqual([whole(), before])
      if (sites.hasIpv4) expect(mean).toBeGreaterThan(MOST_SAID)
    })

    it('are none of IPv6', async () => {
      const before = await sites.dropped()
      const { lines, mean } = await sites.send([RED, FAR], POD.b[1], anySize)
      expect([lines, await sites.dropped()]).toEqual([whole(), before])
      expect(mean).toBeLessThanOrEqual(MOST_SAID)
    })
  })

  it('pass between endpoints of one router, of either family', async () => {
    const short = sites.short('near', 'a')
    sites.add(short)
    const routes = new RouteBatch()
    for (const address of NEAR_ADDRESSES) routes.push(0, IpPrefix.parse(address), NEAR.port)
    const allowedSources = NEAR_ADDRESSES.map((address) => IpPrefix.parse(address))
    const report = await sites.routers.a.apply({
      ...emptyTransaction(++generation),
      ports: { set: [{ id: NEAR.port, kind: 'endpoint', vrf: 0, allowedSources, gateways: [], mtu: 1400 }], remove: [] },
      nextHops: { set: [{ id: NEAR.port, action: { type: 'port', port: NEAR.port } }], remove: [] },
      groups: { set: [{ id: NEAR.port, members: [{ nextHop: NEAR.port, weight: 1 }], seed: 1 }], remove: [] },
      routes,
    })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
    const addresses = NEAR_ADDRESSES.map((address) => IpAddress.parse(address))
    await sites.routers.a.attachPort(NEAR.port, { netns: sites.path(short), ifname: 'eth0', addresses, mtu: 1400 })
    // As an administrator may, whatever the dataplane has made of it.
    await sites.setUpLink(sites.short('red', 'a'), 'eth0', { gsoMaxSize: LARGE, gsoIpv4MaxSize: LARGE })
    const before = await sites.dropped()
    for (const [index, address] of NEAR_ADDRESSES.entries()) {
      const wantsLarge = index > 0 || sites.hasIpv4
      const { lines, mean } = await sites.send([RED, NEAR], address, wantsLarge ? isLarge : anySize)
      expect([lines, await sites.dropped()]).toEqual([whole(), before])
      if (wantsLarge) expect(mean).toBeGreaterThan(MOST_SAID)
    }
  })

  it('go on to the next router behind a label that is swapped', async () => {
    generation++
    for (const site of ['b', 'a'] as const) {
      for (const change of [hairpin(site, generation), hairpinBack(site, generation + 1)])
        expect(await sites.routers[site].apply(change)).toMatchObject({ status: 'applied', failures: [] })
    }
    generation++
    for (const [kind, port] of [
      ['green', GREEN.port],
      ['lime', LIME.port],
    ] as const) {
      const short = sites.short(kind, 'b')
      sites.add(short)
      const addresses = [IpAddress.parse(HAIRPIN[kind])]
      await sites.routers.b.attachPort(port, { netns: sites.path(short), ifname: 'eth0', addresses, mtu: 1400 })
    }
    const before = await sites.dropped()
    const { lines, mean } = await sites.send([GREEN, LIME], HAIRPIN.lime, sites.hasIpv4 ? isLarge : anySize)
    expect([lines, await sites.dropped()]).toEqual([whole(), before])
    if (sites.hasIpv4) expect(mean).toBeGreaterThan(MOST_SAID)
  })

  if (HAS_JUMBO_HEADER) {
    it('are refused where they would be spoilt, and the stream goes on in shorter ones', async () => {
      await sites.setUpLink(sites.short('red', 'a'), 'eth0', { gsoMaxSize: LARGE })
      const before = await sites.dropped()
      const isRefused = async (): Promise<boolean> => (await sites.dropped())['mtu-exceeded'] > before['mtu-exceeded']
      // What is lost is sent again in single packets, so that this takes its time.
      const { lines } = await sites.send([RED, FAR], POD.b[1], isRefused, 1 << 20)
      expect(lines).toEqual(whole(1 << 20))
      const { 'mtu-exceeded': refused, ...others } = await sites.dropped()
      expect({ ...others, 'mtu-exceeded': before['mtu-exceeded'] }).toEqual(before)
      expect(refused).toBeGreaterThan(before['mtu-exceeded'])
    })
  } else {
    it('come as they were sent, of IPv6, where nothing spoils them', async () => {
      await sites.setUpLink(sites.short('red', 'a'), 'eth0', { gsoMaxSize: LARGE })
      const before = await sites.dropped()
      const { lines, mean } = await sites.send([RED, FAR], POD.b[1], isLarge)
      expect([lines, await sites.dropped()]).toEqual([whole(), before])
      expect(mean).toBeGreaterThan(MOST_SAID)
    })
  }

  it('follow what the uplink takes', async () => {
    const ends = [sites.short('red', 'a'), sites.short('blue', 'a')]
    // The one that was made larger by hand stays so for now.
    expect(await sites.sizesOf(ends[1], 'eth0')).toEqual({ gsoMaxSize: MOST_SAID + 1, ...(sites.hasIpv4 ? { gsoIpv4MaxSize: LARGE } : {}) })
    await sites.setUpLink(sites.short('site', 'a'), 'up0', { gsoMaxSize: 32_768, gsoIpv4MaxSize: 32_768 })
    for (const end of ends) {
      await expect
        .poll(() => sites.sizesOf(end, 'eth0'), { timeout: ENOUGH })
        .toEqual({ gsoMaxSize: 32_768, ...(sites.hasIpv4 ? { gsoIpv4MaxSize: 32_768 } : {}) })
    }
  })
})
