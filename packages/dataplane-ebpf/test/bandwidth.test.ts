import { dropsOf, PORT_COUNTERS, type Dataplane, type RateLimits } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { emptyTransaction, POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const own = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url))
const shared = (name: string): string => fileURLToPath(new URL(`../../dataplane-tun/test/support/${name}`, import.meta.url))
const PATIENCE = { timeout: 20_000 * PACE }
const RED = 0
const DATAGRAM = 228
/** Octets that TCP carries, and what it has on the way: at least as many. */
const CARRIED = 3_000_000

describe.skipIf(missing() !== '')(titled('an endpoint that has a bandwidth'), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  /** Sends until its input ends. */
  let source: ChildProcess | undefined
  const generations: Record<Site, number> = { a: 1, b: 1 }

  beforeAll(async () => {
    sites = new TwoEbpfSites('rate')
    for (const site of ['a', 'b'] as const) {
      const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
      const underlayNetns = sites.path(sites.short('site', site))
      routers[site] = await ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, fibBlocks: 1024, routes: 1024 })
      await sites.setUp(routers[site], site, 1, 4, 'mpls-udp')
    }
  })
  afterAll(async () => {
    source?.kill('SIGKILL')
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  /** Gives the red endpoint of a site its limits, with whole bursts. */
  async function limit(site: Site, rateLimits: RateLimits): Promise<void> {
    const [port] = siteTransaction(site).ports.set
    const apply = (limits: RateLimits): ReturnType<Dataplane['apply']> =>
      routers[site].apply({ ...emptyTransaction(++generations[site]), ports: { set: [{ ...port, rateLimits: limits }], remove: [] } })
    for (const limits of [{}, rateLimits]) expect(await apply(limits)).toMatchObject({ status: 'applied', failures: [] })
  }

  async function counted(site: Site, counter: (typeof PORT_COUNTERS)[number]): Promise<number> {
    const { portIds, ports } = await routers[site].counters()
    return ports[portIds.indexOf(RED) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf(counter)]
  }

  function start(site: Site, script: string, ...argv: string[]): { readonly child: ChildProcess; readonly lines: AsyncIterator<string> } {
    const child = sites.start(sites.short('red', site), process.execPath, script, ...argv)
    return { child, lines: createInterface(child.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]() }
  }

  it.each([
    ['sends', 'a', 'egress'],
    ['gets', 'b', 'ingress'],
  ] as const)('%s no more datagrams than it lets, and as many', async (_, at, direction) => {
    const { child: sink, lines } = start('b', own('udp-sink.mjs'), POD.b[0], '9')
    expect((await lines.next()).value).toBe('listening')
    const [bitsPerSecond, burstOctets] = [800_000 / PACE, 20_000]
    const [already, dropped] = [await counted('b', 'tx-octets'), dropsOf(await routers[at].counters(), `${direction}-rate`)]
    const begun = performance.now()
    await limit(at, { [direction]: { bitsPerSecond, burstOctets } })
    // More than twenty times as much.
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), process.execPath, own('udp-stream.mjs'), POD.b[0], '9', '10000']
    source = spawn('ip', argv, { stdio: ['pipe', 'ignore', 'inherit'] })
    const delivered = async (): Promise<number> => (await counted('b', 'tx-octets')) - already
    await expect.poll(delivered, PATIENCE).toBeGreaterThan(burstOctets * 3)
    source.stdin?.end()
    const octets = await delivered()
    const seconds = (performance.now() - begun) / 1000
    expect(octets).toBeLessThanOrEqual(burstOctets + (seconds * bitsPerSecond) / 8 + DATAGRAM)
    expect(dropsOf(await routers[at].counters(), `${direction}-rate`)).toBeGreaterThan(dropped)
    for (const process of [source, sink]) await endProcess(process)
    await limit(at, {})
  })

  it('carries TCP no faster than it lets, whole, in trains of its own offload', async () => {
    const [bitsPerSecond, burstOctets] = [60_000_000, 300_000]
    const { child: server, lines } = start('b', shared('tcp-server.mjs'), POD.b[0])
    expect((await lines.next()).value).toBe('ready')
    const already = await counted('b', 'tx-octets')
    const begun = performance.now()
    await limit('a', { egress: { bitsPerSecond, burstOctets } })
    await limit('b', { ingress: { bitsPerSecond, burstOctets } })
    const answers = start('a', shared('tcp-client.mjs'), POD.b[0], `${CARRIED}`).lines
    const [answer, wanted] = String((await answers.next()).value).split(' ')
    const octets = (await counted('b', 'tx-octets')) - already
    const seconds = (performance.now() - begun) / 1000
    expect(answer).toBe(wanted)
    expect(octets).toBeGreaterThanOrEqual(CARRIED)
    expect(octets).toBeLessThanOrEqual(burstOctets + (seconds * bitsPerSecond) / 8 + 65_535)
    await endProcess(server)
  })
})
