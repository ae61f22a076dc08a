import { dropsOf } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { missing, titled } from './support/requirements.js'
import { POD, TwoSites, UNDERLAY, setUp, type Site } from './support/two-sites.js'

/*
 *              ┌ up0: 10.255.0.1 ══ 10.255.0.2 :up0 ┐   metric 10
 *   192.0.2.1 ─┤ site-a                      site-b ├─ 192.0.2.2
 *              └ up1: 10.255.1.1 ══ 10.255.1.2 :up1 ┘   metric 20
 *
 * The ends of tunnels are addresses of the routers, not of a link.
 */

const run = promisify(execFile)
const HOST = { a: 1, b: 2 } as const
const SITES = ['a', 'b'] as const
const REQUESTS = 5

describe.skipIf(missing() !== '')(titled('an underlay with two links'), () => {
  let sites: TwoSites
  const routers = {} as Record<Site, TunDataplane>

  beforeAll(async () => {
    sites = new TwoSites()
    const in_ = (site: Site, words: string): string => sites.in(`site-${site}`, 'ip', ...words.split(' '))
    in_('a', `link add up1 type veth peer name up1 netns ${sites.name('site-b')}`)
    for (const site of SITES) {
      in_(site, `address delete ${UNDERLAY[site][0]}/24 dev up0`)
      in_(site, `address add ${UNDERLAY[site][0]}/32 dev lo`)
      for (const link of [0, 1]) {
        in_(site, `link set up${link} up`)
        in_(site, `address add 10.255.${link}.${HOST[site]}/30 dev up${link}`)
      }
    }
    for (const site of SITES) for (const link of [0, 1]) lead(site, link)
    for (const site of SITES) {
      routers[site] = await tunDataplane({
        addresses: [IpAddress.parse(UNDERLAY[site][0])],
        inProcess: true,
        underlayNetns: sites.path(`site-${site}`),
      })
      await setUp(routers[site], sites, site)
    }
  })

  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  /** The way to the other site over a link. */
  function lead(site: Site, link: number): void {
    const other = site === 'a' ? 'b' : 'a'
    const from = `src ${UNDERLAY[site][0]} metric ${10 + link * 10}`
    const words = `route replace ${UNDERLAY[other][0]}/32 via 10.255.${link}.${HOST[other]} dev up${link} ${from}`
    sites.in(`site-${site}`, 'ip', ...words.split(' '))
  }

  const isAnswered = async (seconds: number): Promise<boolean> =>
    run('ip', ['netns', 'exec', sites.name('pod-a'), 'ping', '-q', '-c', '1', '-W', `${seconds}`, POD.b[0]]).then(
      () => true,
      () => false,
    )
  /** Answers to requests that are sent one by one, until one is missing: of a router that is busy, those that wait for it are one packet on the wire. */
  const answers = async (): Promise<number> => {
    let count = 0
    while (count < REQUESTS && (await isAnswered(2))) count++
    return count
  }
  /** Packets that site a has sent over a link. */
  const sentOver = (link: string): number => Number(sites.in('site-a', 'cat', `/sys/class/net/${link}/statistics/tx_packets`))

  it('goes by the route that the host has, and by the other one when its link is gone', async () => {
    for (const [link, set] of [
      ['up0', ''],
      ['up1', 'down'],
      ['up0', 'up'],
    ] as const) {
      for (const site of SITES) if (set !== '') sites.in(`site-${site}`, 'ip', 'link', 'set', 'up0', set)
      // The kernel forgets the routes of a link that is down.
      if (set === 'up') for (const site of SITES) lead(site, 0)
      const before = sentOver(link)
      await expect.poll(answers, { timeout: 20_000 }).toBe(REQUESTS)
      expect(sentOver(link)).toBeGreaterThanOrEqual(before + REQUESTS)
    }
  })

  it('counts what no route leads to, and goes on when there is one', async () => {
    for (const site of SITES) sites.in(`site-${site}`, 'ip', 'route', 'flush', 'root', '192.0.2.0/24')
    const drops = async (): Promise<number> => dropsOf(await routers.a.counters(), 'port-down')
    for (let count = 0; count < REQUESTS; count++) expect(await isAnswered(0.2)).toBe(false)
    await expect.poll(drops, { timeout: 20_000 }).toBeGreaterThanOrEqual(REQUESTS)
    for (const site of SITES) lead(site, 1)
    await expect.poll(answers, { timeout: 20_000 }).toBe(REQUESTS)
  })
})
