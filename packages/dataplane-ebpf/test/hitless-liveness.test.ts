// An agent that comes and goes with its keeper of BFD sessions: paths that were up stay so at both ends, and so do the packets of tunnels that go by them.
import { DROP_REASONS, dropsOf, PORT_COUNTERS, type DataplaneEvent } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { decodeLiveness } from '../src/liveness/encoding.js'
import { anotherVersion, hasClang } from './support/another-version.js'
import { bundledKeeper, withLaterKeepers, type Bundle } from './support/bundled-keeper.js'
import { keepersOf } from './support/keepers.js'
import { PACE } from './support/pace.js'
import { PacedStreams } from './support/paced-streams.js'
import { missing, titled } from './support/requirements.js'
import { SiteAgents, type OtherSoftware } from './support/site-agents.js'
import { TwoEbpfSites } from './support/two-sites.js'
import { watchTunnels, WATCHED } from './support/watched-path.js'

const RED = 0
/** Packets each way that have to come before an agent comes or goes, and behind. */
const LEAST = 50
const PATIENTLY = { timeout: 30_000 * PACE }
const leftOut = hasClang ? '' : ' (the programs stay the same: needs clang)'

describe.skipIf(missing() !== '')(titled('an agent that is killed and upgraded while BFD watches its tunnels'), () => {
  let sites: TwoEbpfSites
  let folder: string
  let streams: PacedStreams
  let keeper: Bundle
  let later: { readonly agent: Bundle; readonly keeper: Bundle }
  let agents: SiteAgents
  let far: EbpfRouter
  let near: EbpfRouter
  /** What site a had lost before its agents came and went, and what its red port had got. */
  let before: { readonly lost: number; readonly delivered: number }
  /** What became of the path, as it was told to the far site. */
  const told: string[] = []

  beforeAll(async () => {
    sites = new TwoEbpfSites('hitbfd')
    folder = makeFolder('hitbfd')
    streams = new PacedStreams(sites)
    keeper = bundledKeeper()
    later = {
      agent: withLaterKeepers(new URL('support/site-agent.ts', import.meta.url)),
      keeper: withLaterKeepers(new URL('../src/keeper-main.ts', import.meta.url)),
    }
    const { script, execArgv } = keeper
    const netns = sites.path(sites.short('site', 'a'))
    agents = new SiteAgents({ netns, pins: pins('a'), encapsulation: 'mpls-udp', keeper: { script, execArgv } })
    far = await open('b')
    void follow(far.events)
    await setUp(far, 'b')
    near = await open('a')
    await setUp(near, 'a')
    for (const router of [near, far]) await vi.waitUntil(async () => (await router.dump()).up?.includes(WATCHED.id), PATIENTLY)
    before = { lost: await lost(near), delivered: await delivered(near) }
    await near.close({ keep: true })
  })
  afterAll(async () => {
    await agents?.endAll()
    await streams?.endAll()
    await far?.close()
    await near?.close()
    await (await open('a')).close()
    expect((['a', 'b'] as const).map((site) => keepersOf({ pins: pins(site) }))).toEqual([[], []])
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(folder)
    sites.close()
    for (const bundle of [keeper, later.agent, later.keeper]) bundle.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const pins = (site: Site): string => join(folder, `pins-${site}`)

  async function open(site: Site): Promise<EbpfRouter> {
    return (await ebpfDataplane({
      addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', site)),
      fibBlocks: 2048,
      routes: 4096,
      xdp: 'off',
      pinDirectory: pins(site),
      keeper,
    })) as EbpfRouter
  }

  async function setUp(router: EbpfRouter, site: Site): Promise<void> {
    await sites.setUp(router, site, 1, 4, 'mpls-udp')
    expect(await router.apply(watchTunnels(site, siteTransaction(site, 2)))).toMatchObject({ status: 'applied', failures: [] })
  }

  async function follow(events: AsyncIterable<DataplaneEvent>): Promise<void> {
    for await (const event of events) if ('liveness' in event) told.push(event.type)
  }

  /** Packets that the red port of a site has delivered. */
  async function delivered(router: EbpfRouter): Promise<number> {
    const { portIds, ports } = await router.counters()
    return ports[portIds.indexOf(RED) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf('tx-packets')]
  }

  /** Datagrams that red pods have got, as their kernel tells. */
  const arrived = (): number[] =>
    (['a', 'b'] as const).map((site) => Number(/^Udp: (\d+)/m.exec(sites.in(sites.short('red', site), 'cat', '/proc/net/snmp'))?.[1]))

  /** Packets that a router has dropped, but for those that pods send to nobody here. */
  async function lost(router: EbpfRouter): Promise<number> {
    const counters = await router.counters()
    return DROP_REASONS.reduce((sum, reason) => sum + (reason === 'destination-invalid' ? 0 : dropsOf(counters, reason)), 0)
  }

  /** Times that the keepers of a site have seen the path go down. */
  const flaps = ({ parts }: EbpfRouter): number[] =>
    Array.from(parts.maps.numbered('liveness'), ([id, row]) => decodeLiveness(id, row).downs)

  /** Scripts of the keepers of site a, which are one but while one makes room; agents are told of theirs by their command lines. */
  const keeping = (): string[] =>
    keepersOf({ pins: pins('a') })
      .map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[1])
      .filter((script) => script.endsWith('keeper-main.mjs'))

  it(
    `loses no packet of streams both ways, and neither end sees the path go down, whose keeper is another one as well${leftOut}`,
    { timeout: 300_000 * PACE },
    async () => {
      const already = await delivered(far)
      const [red, back] = [sites.short('red', 'a'), sites.short('red', 'b')]
      const ends = [await streams.start(red, back, POD.b[0]), await streams.start(back, red, POD.a[0])]
      const goesOn = async (): Promise<void> => {
        const until = arrived().map((count) => count + LEAST)
        await expect.poll(() => arrived().every((count, index) => count > until[index]), PATIENTLY).toBe(true)
      }
      await goesOn()
      expect(keeping()).toEqual([keeper.script])
      const first = await agents.start()
      await goesOn()
      await agents.end(first)
      await goesOn()
      const software: OtherSoftware = hasClang ? { ...later, object: anotherVersion(folder) } : later
      const second = await agents.start(software)
      if (hasClang) expect(second.ready.tags.egress).not.toBe(first.ready.tags.egress)
      await expect.poll(keeping, PATIENTLY).toEqual([later.keeper.script])
      await goesOn()
      await agents.end(second)
      await goesOn()
      const third = await agents.start()
      await expect.poll(keeping, PATIENTLY).toEqual([keeper.script])
      await goesOn()
      const [there, here] = await Promise.all(ends.map((end) => end()))
      await expect.poll(() => delivered(far), PATIENTLY).toBe(already + there)
      await agents.end(third)
      near = await open('a')
      await expect.poll(() => delivered(near), PATIENTLY).toBe(before.delivered + here)
      expect([await lost(near), await lost(far)]).toEqual([before.lost, 0])
      expect([flaps(near), flaps(far), told]).toEqual([[0], [0], ['liveness-up']])
    },
  )
})
