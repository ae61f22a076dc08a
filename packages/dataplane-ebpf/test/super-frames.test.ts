import { dropsOf, PORT_COUNTERS, RouteBatch } from '@heddle/core'
import type { EbpfDataplane } from '@heddle/dataplane-ebpf'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { Netlink, type Link, type LinkSetup } from '@heddle/linux'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { release } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { HAIRPIN, hairpin, hairpinBack } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const LARGE = 196_608
const OCTETS = 16 << 20
/** Milliseconds after which no further connection is tried: nothing of this has to be soon. */
const ENOUGH = 60_000 * PACE
/** What IP can say of a packet's length. */
const MOST_SAID = 65_535
/** Whether IPv6 has an extension header in such frames (RFC 2675); Linux 7.3 has been seen to do without. */
const HAS_JUMBO_HEADER = Number.parseInt(release()) < 7

interface Endpoint {
  readonly site: Site
  readonly kind: 'red' | 'near' | 'green' | 'lime'
  readonly port: number
}
const RED: Endpoint = { site: 'a', kind: 'red', port: 0 }
const FAR: Endpoint = { site: 'b', kind: 'red', port: 0 }
const NEAR: Endpoint = { site: 'a', kind: 'near', port: 9 }
const NEAR_ADDRESSES = ['10.1.0.9', 'fd00:1::9'] as const
/** Of one site, by way of the other one. */
const GREEN: Endpoint = { site: 'b', kind: 'green', port: 2 }
const LIME: Endpoint = { site: 'b', kind: 'lime', port: 3 }

/* What senders make that length fields of IP cannot say: `gso_ipv4_max_size` (Linux 6.3) and `gso_max_size` (Linux 5.19) of endpoints' devices. */
describe.skipIf(missing() !== '')(titled('super-frames that are longer than their headers can say'), { timeout: 3 * ENOUGH }, () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  const children: ChildProcessWithoutNullStreams[] = []
  let generation = 0
  let hasIpv4 = false

  const setUp = async (short: string, link: string, setup: LinkSetup): Promise<void> => {
    using netlink = await Netlink.open(sites.path(short))
    await netlink.links.setUp(link, setup)
  }
  const sizesOf = async (short: string, link: string): Promise<Pick<Link, 'gsoMaxSize' | 'gsoIpv4MaxSize'>> => {
    using netlink = await Netlink.open(sites.path(short))
    const { gsoMaxSize = 0, gsoIpv4MaxSize } = await netlink.links.get(link)
    return { gsoMaxSize, ...(gsoIpv4MaxSize === undefined ? {} : { gsoIpv4MaxSize }) }
  }

  beforeAll(async () => {
    sites = new TwoEbpfSites('super')
    for (const site of ['a', 'b'] as const) {
      const short = sites.short('site', site)
      hasIpv4 = (await sizesOf(short, 'up0')).gsoIpv4MaxSize !== undefined
      await setUp(short, 'up0', { gsoMaxSize: LARGE, gsoIpv4MaxSize: LARGE })
      routers[site] = await ebpfDataplane({
        addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
        uplink: 'up0',
        underlayNetns: sites.path(short),
        fibBlocks: 2048,
        routes: 4096,
      })
    }
  })
  afterAll(async () => {
    for (const child of children) child.kill()
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  const start = (short: string, ...words: string[]): ChildProcessWithoutNullStreams => {
    const script = fileURLToPath(new URL('support/tcp-bulk.mjs', import.meta.url))
    const child = spawn('ip', ['netns', 'exec', sites.name(short), process.execPath, script, ...words])
    child.stderr.pipe(process.stderr)
    children.push(child)
    return child
  }

  /** By either router, for reasons that are about frames themselves. */
  async function dropped(): Promise<Record<string, number>> {
    const snapshots = [await routers.a.counters(), await routers.b.counters()]
    const reasons = ['inner-malformed', 'outer-malformed', 'mtu-exceeded', 'queue-full'] as const
    return Object.fromEntries(reasons.map((reason) => [reason, snapshots.reduce((sum, counters) => sum + dropsOf(counters, reason), 0)]))
  }

  async function delivered({ site, port }: Endpoint): Promise<{ readonly packets: number; readonly octets: number }> {
    const { ports, portIds } = await routers[site].counters()
    const at = portIds.indexOf(port) * PORT_COUNTERS.length
    return { packets: ports[at + PORT_COUNTERS.indexOf('tx-packets')], octets: ports[at + PORT_COUNTERS.indexOf('tx-octets')] }
  }

  /** What the receiver got of one connection after another, until one shows what it is for, and octets of a packet that came to it in the last. */
  async function send(
    [from, to]: readonly [Endpoint, Endpoint],
    address: string,
    isShown: (mean: number) => boolean | Promise<boolean>,
    octets = OCTETS,
  ): Promise<{ readonly lines: Set<string>; readonly mean: number }> {
    const server = start(sites.short(to.kind, to.site), 'take', address, '9000')
    const said = createInterface(server.stdout)[Symbol.asyncIterator]()
    expect((await said.next()).value).toBe('listening')
    const lines = new Set<string>()
    let mean = 0
    // How soon a stream has segments of full size is for the machine to say.
    const end = performance.now() + ENOUGH
    do {
      const before = await delivered(to)
      start(sites.short(from.kind, from.site), 'send', address, '9000', `${octets}`)
      lines.add(String((await said.next()).value))
      const after = await delivered(to)
      mean = (after.octets - before.octets) / (after.packets - before.packets)
    } while (!(await isShown(mean)) && performance.now() < end)
    server.kill()
    await once(server, 'exit')
    return { lines, mean }
  }

  const isLarge = (mean: number): boolean => mean > MOST_SAID
  const anySize = (): boolean => true

  const whole = (octets = OCTETS): Set<string> => new Set([`${octets} octets, as they were sent`])

  describe.each([
    ['mpls-udp', 4],
    ['mpls-udp', 6],
    ['mpls-gre', 4],
    ['vxlan', 4],
  ] as const)('by %s over IPv%s', (encapsulation, family) => {
    beforeAll(async () => {
      generation++
      for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, generation, family, encapsulation)
    })

    it('come as they were sent, of IPv4', async () => {
      const before = await dropped()
      const { lines, mean } = await send([RED, FAR], POD.b[0], hasIpv4 ? isLarge : anySize)
      expect([lines, await dropped()]).toEqual([whole(), before])
      if (hasIpv4) expect(mean).toBeGreaterThan(MOST_SAID)
    })

    it('are none of IPv6', async () => {
      const before = await dropped()
      const { lines, mean } = await send([RED, FAR], POD.b[1], anySize)
      expect([lines, await dropped()]).toEqual([whole(), before])
      expect(mean).toBeLessThanOrEqual(MOST_SAID)
    })
  })

  it('pass between endpoints of one router, of either family', async () => {
    const short = sites.short('near', 'a')
    sites.add(short)
    const routes = new RouteBatch()
    for (const address of NEAR_ADDRESSES) routes.push(0, IpPrefix.parse(address), NEAR.port)
    const allowedSources = NEAR_ADDRESSES.map((address) => IpPrefix.parse(address))
    const report = await routers.a.apply({
      ...emptyTransaction(++generation),
      ports: { set: [{ id: NEAR.port, kind: 'endpoint', vrf: 0, allowedSources, gateways: [], mtu: 1400 }], remove: [] },
      nextHops: { set: [{ id: NEAR.port, action: { type: 'port', port: NEAR.port } }], remove: [] },
      groups: { set: [{ id: NEAR.port, members: [{ nextHop: NEAR.port, weight: 1 }], seed: 1 }], remove: [] },
      routes,
    })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
    const addresses = NEAR_ADDRESSES.map((address) => IpAddress.parse(address))
    await routers.a.attachPort(NEAR.port, { netns: sites.path(short), ifname: 'eth0', addresses, mtu: 1400 })
    // As an administrator may, whatever the dataplane has made of it.
    await setUp(sites.short('red', 'a'), 'eth0', { gsoMaxSize: LARGE, gsoIpv4MaxSize: LARGE })
    const before = await dropped()
    for (const [index, address] of NEAR_ADDRESSES.entries()) {
      const wantsLarge = index > 0 || hasIpv4
      const { lines, mean } = await send([RED, NEAR], address, wantsLarge ? isLarge : anySize)
      expect([lines, await dropped()]).toEqual([whole(), before])
      if (wantsLarge) expect(mean).toBeGreaterThan(MOST_SAID)
    }
  })

  it('go on to the next router behind a label that is swapped', async () => {
    generation++
    for (const site of ['b', 'a'] as const) {
      for (const change of [hairpin(site, generation), hairpinBack(site, generation + 1)])
        expect(await routers[site].apply(change)).toMatchObject({ status: 'applied', failures: [] })
    }
    generation++
    for (const [kind, port] of [
      ['green', GREEN.port],
      ['lime', LIME.port],
    ] as const) {
      const short = sites.short(kind, 'b')
      sites.add(short)
      const addresses = [IpAddress.parse(HAIRPIN[kind])]
      await routers.b.attachPort(port, { netns: sites.path(short), ifname: 'eth0', addresses, mtu: 1400 })
    }
    const before = await dropped()
    const { lines, mean } = await send([GREEN, LIME], HAIRPIN.lime, hasIpv4 ? isLarge : anySize)
    expect([lines, await dropped()]).toEqual([whole(), before])
    if (hasIpv4) expect(mean).toBeGreaterThan(MOST_SAID)
  })

  if (HAS_JUMBO_HEADER) {
    it('are refused where they would be spoilt, and the stream goes on in shorter ones', async () => {
      await setUp(sites.short('red', 'a'), 'eth0', { gsoMaxSize: LARGE })
      const before = await dropped()
      const isRefused = async (): Promise<boolean> => (await dropped())['mtu-exceeded'] > before['mtu-exceeded']
      // What is lost is sent again in single packets, so that this takes its time.
      const { lines } = await send([RED, FAR], POD.b[1], isRefused, 1 << 20)
      expect(lines).toEqual(whole(1 << 20))
      const { 'mtu-exceeded': refused, ...others } = await dropped()
      expect({ ...others, 'mtu-exceeded': before['mtu-exceeded'] }).toEqual(before)
      expect(refused).toBeGreaterThan(before['mtu-exceeded'])
    })
  } else {
    it('come as they were sent, of IPv6, where nothing spoils them', async () => {
      await setUp(sites.short('red', 'a'), 'eth0', { gsoMaxSize: LARGE })
      const before = await dropped()
      const { lines, mean } = await send([RED, FAR], POD.b[1], isLarge)
      expect([lines, await dropped()]).toEqual([whole(), before])
      expect(mean).toBeGreaterThan(MOST_SAID)
    })
  }

  it('follow what the uplink takes', async () => {
    const ends = [sites.short('red', 'a'), sites.short('blue', 'a')]
    // The one that was made larger by hand stays so for now.
    expect(await sizesOf(ends[1], 'eth0')).toEqual({ gsoMaxSize: MOST_SAID + 1, ...(hasIpv4 ? { gsoIpv4MaxSize: LARGE } : {}) })
    await setUp(sites.short('site', 'a'), 'up0', { gsoMaxSize: 32_768, gsoIpv4MaxSize: 32_768 })
    for (const end of ends) {
      await expect
        .poll(() => sizesOf(end, 'eth0'), { timeout: ENOUGH })
        .toEqual({ gsoMaxSize: 32_768, ...(hasIpv4 ? { gsoIpv4MaxSize: 32_768 } : {}) })
    }
  })
})
