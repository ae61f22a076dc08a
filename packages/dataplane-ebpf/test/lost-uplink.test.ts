// The link that tunnels go by goes away and comes back as another one: a bond that is made anew, a driver that is loaded again.
import { DataplaneError, type Dataplane, type DataplaneEvent, type LivenessObject } from '@heddle/core'
import { ebpfDataplane, ebpfFeatures, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { nodeClock } from '@heddle/io/node'
import { recordingLogger, type LogRecord, type RecordingLogger } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DataplaneKeeper } from '../../agent/src/dataplane/dataplane-keeper.js'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { emptyTransaction, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { isKeeperAlive } from '../src/liveness/keeper-process.js'
import { pinsOf } from '../src/pins.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { codeOf, isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const SITES = ['a', 'b'] as const
const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const BY_FILTERS: { readonly way: string; readonly without: readonly EbpfFeatureName[] } = { way: 'clsact', without: ['tcx'] }
const WAYS = hasTcx ? [{ way: 'tcx', without: [] }, BY_FILTERS] : [BY_FILTERS]

/** Why an agent had no other dataplane, as it was logged. */
const failuresOf = ({ records }: RecordingLogger): unknown[] =>
  records.filter(({ message }) => message === 'the dataplane cannot be opened').map(({ fields }) => fields.error)

/** What a log has that is more than news. */
const warned = ({ records }: RecordingLogger): LogRecord[] => records.filter(({ level }) => level === 'warn' || level === 'error')
const LOST = {
  level: 'error',
  message: expect.stringMatching(/^The uplink is gone/) as string,
  fields: { uplink: 'up0', remedy: expect.stringContaining('open another dataplane') as string },
}

/** What an agent says of one that comes in another's place, where it has paths watched. */
const BLIND = new DataplaneError('dataplane.device', 'no paths are watched')
const offersLiveness = ({ capabilities }: Dataplane): boolean => capabilities.features?.includes('liveness') === true

/** All that a dataplane tells until it ends. */
async function untilEnd(dataplane: Dataplane): Promise<DataplaneEvent[]> {
  const events: DataplaneEvent[] = []
  for await (const event of dataplane.events) events.push(event)
  return events
}

describe.skipIf(missing() !== '').each(WAYS)(titled('two sites whose uplinks are made anew, programs by $way'), ({ way, without }) => {
  const loggers = { a: recordingLogger(), b: recordingLogger() }
  let sites: TwoEbpfSites
  let keeper: ReturnType<typeof bundledKeeper>
  let directory: string
  let a: Dataplane | undefined
  let agent: DataplaneKeeper | undefined

  const pinsAt = (site: Site): string => join(directory, site)
  const netns = (site: Site): string => sites.path(sites.short('site', site))
  const inSite = (site: Site, command: string): string => sites.in(sites.short('site', site), ...command.split(' '))
  const indexAt = (site: Site): number => (JSON.parse(inSite(site, 'ip -j link show up0')) as [{ ifindex: number }])[0].ifindex
  const open = (site: Site): Promise<Dataplane> =>
    ebpfDataplane({
      addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: netns(site),
      fibBlocks: 1024,
      routes: 1024,
      pinDirectory: pinsAt(site),
      keeper,
      without,
      logger: loggers[site],
    })
  const watched = (site: Site, id: 1 | 2): LivenessObject => {
    const [local, remote] = [site, site === 'a' ? 'b' : 'a'].map((one) => IpAddress.parse(UNDERLAY[one as Site][0]))
    const interval = 200_000 * PACE
    const common = { id, local, remote, desiredMinTx: interval, requiredMinRx: interval, multiplier: 15 }
    return id === 1 ? { ...common, hops: 'multiple', vouchesFor: 'tunnels' } : { ...common, hops: 'single' }
  }
  const ping = (pod: string, address: string): Promise<string> => {
    const argv = ['netns', 'exec', sites.name(sites.short(pod, 'a')), ...pingWords(2), '-W', '1', address]
    return run('ip', argv).then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    )
  }
  const isKept = (site: Site, uplink: number): boolean =>
    isKeeperAlive({ pins: pinsOf(pinsAt(site)), underlayNetns: netns(site), vrf: undefined, addresses: [], uplink })

  beforeAll(async () => {
    directory = makeFolder('lost-uplink')
    keeper = bundledKeeper()
    sites = new TwoEbpfSites(`lost${way}`)
    a = await open('a')
    agent = new DataplaneKeeper({
      source: () => open('b'),
      clock: nodeClock,
      logger: loggers.b,
      event: () => undefined,
      lost: () => undefined,
      fill: (dataplane) => (offersLiveness(dataplane) ? Promise.resolve() : Promise.reject(BLIND)),
      replaced: () => undefined,
    })
    const b = await agent.open()
    for (const [site, dataplane] of [['a', a] as const, ['b', b] as const]) {
      await sites.setUp(dataplane, site, 1, 4, 'mpls-udp')
      await dataplane.apply({ ...emptyTransaction(2), liveness: { set: [watched(site, 1)], remove: [] } })
    }
  })
  afterAll(async () => {
    await a?.close()
    await agent?.close({ keep: false })
    sites?.close()
    keeper?.remove()
    rmSync(directory, { recursive: true, force: true })
  })

  // Nothing was forwarded until somebody restarted the agent, which told nobody.
  it('are lost, and go on with other uplinks, by hand and by an agent', async () => {
    const first = a as Dataplane
    await expect.poll(() => ping('red', POD.b[0])).toContain(' 2 received')
    for (const dataplane of [first, agent?.current]) await expect.poll(async () => (await dataplane?.dump())?.up).toEqual([1])
    const before = { state: await first.dump(), pins: readdirSync(pinsOf(pinsAt('a'))), links: SITES.map(indexAt) }
    const [index] = before.links
    const ended = untilEnd(first)
    inSite('a', 'ip link delete up0')

    expect((await ended).filter(({ type }) => type === 'port-down')).toEqual([])
    expect(warned(loggers.a)).toEqual([LOST])
    expect(await codeOf(first.dump())).toBe('dataplane.lost')
    expect(await codeOf(first.apply(emptyTransaction(3)))).toBe('dataplane.lost')
    await expect.poll(() => agent?.current).toBeUndefined()
    // As an agent tries again and again.
    for (let attempt = 0; attempt < 3; attempt++) {
      const refused: unknown = await open('a').catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'dataplane.device', message: expect.stringContaining('the dataplane on up0') as string })
    }
    expect([readdirSync(pinsOf(pinsAt('a'))), isKept('a', index)]).toEqual([before.pins, true])

    const [near, far] = SITES.map((site) => sites.name(sites.short('site', site)))
    await run('ip', `-n ${near} link add up0 type veth peer name up0 netns ${far}`.split(' '))
    // Links are there before they have their addresses: no sessions of BFD can be had yet.
    await expect.poll(() => failuresOf(loggers.b), { timeout: 20_000 * PACE }).toContain(BLIND.message)
    for (const site of SITES) {
      inSite(site, 'ip link set up0 up')
      inSite(site, `ip address add ${UNDERLAY[site][0]}/24 dev up0`)
      inSite(site, `ip address add ${UNDERLAY[site][1]}/64 dev up0 nodad`)
    }
    expect(SITES.map(indexAt).filter((now) => before.links.includes(now))).toEqual([])
    a = await open('a')
    await first.close()
    const { devices, generation } = await a.dump()
    expect([devices, generation]).toEqual([before.state.devices, before.state.generation])
    for (const pod of ['red', 'blue']) for (const address of POD.b) await expect.poll(() => ping(pod, address)).toContain(' 2 received')
    expect(isKept('a', index)).toBe(false)
    await expect.poll(() => agent?.current !== undefined && offersLiveness(agent.current), { timeout: 20_000 * PACE }).toBe(true)
    for (const [site, dataplane] of [['a', a] as const, ['b', agent?.current] as const]) {
      const liveness = { set: [watched(site, 2)], remove: [] }
      expect(await dataplane?.apply({ ...emptyTransaction(3), liveness })).toMatchObject({ status: 'applied', failures: [] })
    }
    for (const dataplane of [a, agent?.current]) await expect.poll(async () => (await dataplane?.dump())?.up?.toSorted()).toEqual([1, 2])
    expect(warned(loggers.b).filter(({ fields }) => fields.uplink === 'up0')).toEqual([LOST])
    // Each reason is told once.
    const failures = failuresOf(loggers.b)
    expect(failures).toEqual([...new Set(failures)])
    // Another one is taken over as well as the first.
    await a.close({ keep: true })
    a = await open('a')
    expect((await a.dump()).devices).toEqual(devices)
    expect(await ping('red', POD.b[0])).toContain(' 2 received')
    expect(warned(loggers.a)).toEqual([LOST])
  })

  it('leave nothing behind when they are closed, lost as they are', async () => {
    const links = SITES.map(indexAt)
    inSite('a', 'ip link delete up0')
    await expect.poll(() => a && codeOf(a.dump())).toBe('dataplane.lost')
    await expect.poll(() => agent?.current).toBeUndefined()
    expect(SITES.map((site, at) => isKept(site, links[at]))).toEqual([true, true])
    await a?.close()
    await agent?.close({ keep: false })
    for (const [at, site] of SITES.entries()) {
      expect([isMounted(pinsAt(site)), isKept(site, links[at])]).toEqual([false, false])
      expect(inSite(site, 'ip -o link')).not.toMatch(/: hd/)
    }
    expect(warned(loggers.a)).toEqual([LOST, LOST])
  })
})

describe.skipIf(missing() !== '')(titled('a dataplane whose uplink is gone'), () => {
  const lab = new RouterLab('lost')
  const makeUplink = (): void => {
    lab.inHost(...'ip link add up0 type veth peer name up1'.split(' '))
    for (const link of ['up0', 'up1']) lab.inHost('ip', 'link', 'set', link, 'up')
  }
  const devices = (): string[] => Array.from(lab.inHost('ip', '-o', 'link').matchAll(/: (hd\w+)/g), ([, name]) => name)

  /** One that is lost, with endpoints of its own. */
  async function lost(options: Parameters<typeof lab.open>[0]): Promise<{
    readonly dataplane: Dataplane
    readonly events: readonly DataplaneEvent[]
    /** What was logged of it. */
    readonly told: readonly LogRecord[]
  }> {
    if (!lab.inHost('ip', '-o', 'link').includes(': up0@')) makeUplink()
    const logger = recordingLogger()
    const dataplane = await lab.open({ ...options, logger })
    await dataplane.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(dataplane, port)
    const opening = warned(logger).length
    const events = untilEnd(dataplane)
    lab.inHost('ip', 'link', 'delete', 'up0')
    return { dataplane, events: await events, told: warned(logger).slice(opening) }
  }

  it.each(WAYS)('has nothing left where it has no pins, by $way', async ({ without }) => {
    const { events, told } = await lost({ without, xdp: 'native' })
    const reason = 'the uplink is gone'
    expect(events.filter(({ type }) => type === 'port-down')).toEqual([0, 1].map((port) => ({ type: 'port-down', port, reason })))
    expect(told).toEqual([LOST])
    await expect.poll(devices).toEqual([])
    for (const port of PODS.keys()) await expect.poll(() => lab.inPod(port, 'ip', '-o', 'link')).not.toContain('eth0')
    makeUplink()
    await (await lab.open({ without })).close()
  })

  it.each(WAYS)(
    'has its endpoints hear each other while it has pins, and nothing left once it is closed, by $way',
    async ({ way, without }) => {
      const pinDirectory = lab.path(`closed-${way}`)
      const { dataplane, told } = await lost({ pinDirectory, without, xdp: 'native' })
      expect(await lab.ping()).toContain(' 2 received')
      await dataplane.close()
      expect(isMounted(pinDirectory)).toBe(false)
      await expect.poll(devices).toEqual([])
      expect(await codeOf(dataplane.dump())).toBe('dataplane.closed')
      expect(told).toEqual([LOST])
      // Again, to no effect.
      await dataplane.close()
    },
  )

  it('is no danger to the one that has taken its place, nor to what that one keeps', async () => {
    const pinDirectory = lab.path('taken-over')
    const { dataplane: first } = await lost({ pinDirectory })
    makeUplink()
    const second = await lab.open({ pinDirectory })
    await first.close()
    expect([(await second.dump()).devices.length, await lab.ping()]).toEqual([2, expect.stringContaining(' 2 received')])

    lab.inHost('ip', 'link', 'delete', 'up0')
    await expect.poll(() => codeOf(second.dump())).toBe('dataplane.lost')
    makeUplink()
    await (await lab.open({ pinDirectory })).close({ keep: true })
    await second.close()
    expect([isMounted(pinDirectory), await lab.ping()]).toEqual([true, expect.stringContaining(' 2 received')])
    const last = await lab.open({ pinDirectory })
    expect((await last.dump()).devices).toHaveLength(2)
    await last.close()
    expect([isMounted(pinDirectory), devices()]).toEqual([false, []])
  })
})
