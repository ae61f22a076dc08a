import type { BfdSessions } from '@heddle/bfd'
import { RouteBatch, type DataplaneEvent, type FibTransaction, type LivenessObject } from '@heddle/core'
import { testPacket } from '@heddle/dataplane-conformance'
import { silentLogger } from '@heddle/io'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { ebpfDataplane, type EbpfDataplane, type EbpfDataplaneOptions } from '../src/ebpf-dataplane.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { encodeLiveness } from '../src/liveness/encoding.js'
import { isKeeperAlive, type KeeperPlace, type KeeperScript } from '../src/liveness/keeper-process.js'
import { BfdFarEnd } from './support/bfd-far-end.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { keeperOf, keepersOf, signalKeeper } from './support/keepers.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { byProgram } from './support/twins.js'

const [HERE, ...THERE] = ['192.0.2.1', '192.0.2.11', '192.0.2.12', '192.0.2.13'].map((text) => IpAddress.parse(text))
const POD = IpAddress.parse('10.1.0.1')
const NEVER_UP = { state: 'down', diagnostic: 1, remoteState: 'down', remoteDiscriminator: 0 } as const
const NO_TIMING = { remoteMinRx: 0, remoteDesiredMinTx: 0, remoteMultiplier: 0, remoteDemand: false, polling: false }

function path(id: number, remote: IpAddress, multiplier = 15): LivenessObject {
  const interval = 200_000 * PACE
  return { id, local: HERE, remote, hops: 'multiple', desiredMinTx: interval, requiredMinRx: interval, multiplier }
}

/** A VRF whose routes lead to all far ends, each watched. */
function spread(generation: number, weights: readonly number[]): FibTransaction {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('10.2.0.0/16'), 1)
  const tunnel = (index: number) => ({
    type: 'tunnel' as const,
    encapsulation: 'mpls-udp' as const,
    local: HERE,
    remote: THERE[index],
    labels: [1000 + index],
    ttlModel: 'pipe' as const,
    trafficClassModel: 'pipe' as const,
  })
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [IpPrefix.of(POD)], gateways: [], mtu: 1400 }], remove: [] },
    liveness: { set: weights.map((_, index) => path(index, THERE[index])), remove: [] },
    nextHops: { set: weights.map((_, index) => ({ id: index, action: tunnel(index), liveness: index })), remove: [] },
    groups: { set: [{ id: 1, members: weights.map((weight, nextHop) => ({ nextHop, weight })), seed: 7 }], remove: [] },
    routes,
  }
}

describe.skipIf(missing() !== '')(titled('paths that are watched by BFD'), () => {
  let namespaces: Namespaces
  let directory: string
  let keeper: ReturnType<typeof bundledKeeper>
  beforeAll(() => {
    directory = makeFolder('liveness')
    keeper = bundledKeeper()
    namespaces = new Namespaces()
    for (const name of ['near', 'far']) namespaces.add(name)
    const inside = (name: string, command: string): string => namespaces.in(name, ...command.split(' '))
    inside('near', `ip link add up0 type veth peer name up0 netns ${namespaces.name('far')}`)
    for (const name of ['near', 'far']) inside(name, 'ip link set up0 up')
    inside('near', `ip address add ${HERE}/24 dev up0`)
    for (const address of THERE) inside('far', `ip address add ${address}/24 dev up0`)
  })
  afterAll(() => {
    namespaces?.close()
    keeper?.remove()
    rmSync(directory, { recursive: true, force: true })
  })

  const open = async (
    pinDirectory?: string,
    script: KeeperScript = keeper,
    options: Partial<EbpfDataplaneOptions> = {},
  ): Promise<EbpfDataplane> =>
    ebpfDataplane({
      addresses: [HERE],
      uplink: 'up0',
      underlayNetns: namespaces.path('near'),
      fibBlocks: 1024,
      routes: 1024,
      keeper: script,
      ...(pinDirectory === undefined ? {} : { pinDirectory }),
      ...options,
    })

  // A process that ended in between left them in tables of no generation, which nobody takes over: they were watched for good.
  it('are set in tables that have their generation by then', async () => {
    await using router = (await open()) as EbpfRouter
    const { maps, tables } = router.parts
    const generations: number[] = []
    const write = maps.set.bind(maps)
    vi.spyOn(maps, 'set').mockImplementation((map, key, value) => {
      if (map === 'watches') generations.push(tables.config.getLarge('generation'))
      write(map, key, value)
    })
    expect(await router.apply(spread(7, [1]))).toMatchObject({ status: 'applied', failures: [] })
    expect(generations).toEqual([7])
  })

  describe('in the programs', () => {
    let router: EbpfRouter
    beforeAll(async () => {
      router = (await open()) as EbpfRouter
    })
    afterAll(() => router?.close())

    /** As a keeper writes it. */
    function hear(down: readonly number[]): void {
      const { maps, tables } = router.parts
      for (const index of THERE.keys()) {
        const saved = { id: index, discriminator: 1, session: { ...NEVER_UP, ...NO_TIMING, activeMinTx: 0, activeMinRx: 0 } }
        maps.set('liveness', index, encodeLiveness(saved, { known: down.includes(index) ? 'down' : 'up', downs: 0 }))
      }
      tables.config.set('down', down.length)
      maps.forgetDecisions()
    }

    /** Far end of each of many flows; what drops one where none takes it. */
    function ways(): string[] {
      return Array.from({ length: 150 }, (_, flow) => {
        const packet = testPacket({ source: '10.1.0.1', destination: `10.2.0.${flow}` })
        const { verdict, reason, packet: octets } = byProgram(router, { from: 'port', port: 1, packet })
        return verdict === 'send' ? String(IpAddress.v4(Number.parseInt(octets.slice(32, 40), 16))) : (reason ?? 'dropped')
      })
    }

    it.each([[[1, 1, 1]], [[1, 4, 9]], [[1]]])('leave what is down, and move no flow of the rest (weights %s)', async (weights) => {
      const { generation } = await router.dump()
      expect(await router.apply(spread(generation + 1, weights))).toMatchObject({ status: 'applied', failures: [] })
      const used = THERE.slice(0, weights.length).map(String)
      hear([])
      const before = ways()
      expect([...new Set(before)].sort()).toEqual(used)
      for (const gone of weights.keys()) {
        hear([gone])
        const after = ways()
        const left = used.filter((_, index) => index !== gone)
        expect([...new Set(after)].sort()).toEqual(left.length === 0 ? ['no-next-hop'] : left)
        for (const [flow, way] of before.entries()) if (way !== used[gone]) expect(after[flow]).toBe(way)
        expect((await router.dump()).down).toEqual([gone])
      }
      hear([...weights.keys()])
      expect(new Set(ways())).toEqual(new Set(['no-next-hop']))
      hear([])
      expect(ways()).toEqual(before)
    })
  })

  describe('by a process of its own', () => {
    const events: DataplaneEvent[] = []
    let end: BfdFarEnd
    let far: BfdSessions
    let told: string[]
    let place: KeeperPlace
    beforeAll(async () => {
      end = await BfdFarEnd.open(THERE, namespaces.path('far'))
      far = end.sessions
      told = end.told
      far.set({ ...path(1, THERE[0], 100), local: THERE[0], remote: HERE })
      const [link] = JSON.parse(namespaces.in('near', 'ip', '-j', 'link', 'show', 'up0')) as [{ ifindex: number }]
      const pins = join(directory, 'pins')
      place = { pins, underlayNetns: namespaces.path('near'), vrf: undefined, addresses: [String(HERE)], uplink: link.ifindex }
    })
    afterAll(() => {
      end?.close()
    })
    afterEach(() => (events.length = 0))

    const listen = async (dataplane: EbpfDataplane): Promise<void> => {
      for await (const event of dataplane.events) events.push(event)
    }
    const isAlive = (): boolean => isKeeperAlive(place)
    /** @param multiplier packets that the far end misses before it notices */
    const watch = (multiplier: number): NonNullable<FibTransaction['liveness']> => ({ set: [path(1, THERE[0], multiplier)], remove: [] })

    it('is kept up without the process of the tables, and taken over by the next', async () => {
      const first = await open(place.pins)
      expect(isAlive()).toBe(false)
      void listen(first)
      expect(await first.apply({ ...emptyTransaction(1), liveness: watch(100) })).toMatchObject({ status: 'applied', failures: [] })
      await expect.poll(() => events.map(({ type }) => type)).toEqual(['liveness-up'])
      await expect.poll(() => told).toEqual(['up'])
      expect(await first.dump()).toMatchObject({ liveness: [path(1, THERE[0], 100)], up: [1], down: [] })
      await first.close({ keep: true })
      expect(isAlive()).toBe(true)

      const second = await open(place.pins)
      expect(await second.dump()).toMatchObject({ liveness: [path(1, THERE[0], 100)], up: [1], down: [] })
      // Two never fight: one that is started beside another ends.
      execFileSync(process.execPath, [keeper.script, JSON.stringify(place)])
      expect(isAlive()).toBe(true)
      expect(told).toEqual(['up'])

      // One that is killed is missed within a second, and the next goes on where it was: the far end has not noticed.
      const pid = signalKeeper(place, 'SIGKILL')
      await expect.poll(() => (isAlive() ? keeperOf(place) || pid : pid)).not.toBe(pid)
      expect((await second.dump()).up).toEqual([1])
      await second.close()
      await expect.poll(() => told).toEqual(['up', 'admin-down'])
      expect(isAlive()).toBe(false)
    })

    it('tells of a far end that is gone and of its return, and makes room for another version', async () => {
      told.length = 0
      const first = await open(place.pins)
      void listen(first)
      await first.apply({ ...emptyTransaction(1), liveness: watch(100) })
      await expect.poll(() => events.map(({ type }) => type)).toEqual(['liveness-up'])
      await expect.poll(() => told).toEqual(['up'])
      const pid = keeperOf(place)
      await first.close({ keep: true })
      const second = (await open(place.pins)) as EbpfRouter
      second.parts.tables.config.set('keeper_version', 1)
      await second.close({ keep: true })
      const third = await open(place.pins)
      events.length = 0
      void listen(third)
      await expect.poll(() => (isAlive() ? keeperOf(place) || pid : pid)).not.toBe(pid)
      expect(told).toEqual(['up'])
      // A far end that begins anew says that it is down, which is not believed while it may be somebody else, until it is missed: after fifteen packets.
      far.set({ ...path(1, THERE[0]), local: THERE[0], remote: HERE })
      far.close()
      far.set({ ...path(1, THERE[0], 100), local: THERE[0], remote: HERE })
      await expect.poll(() => events.map(({ type }) => type)).toEqual(['liveness-down', 'liveness-up'])
      await third.close()
      expect(isAlive()).toBe(false)
    })

    // The keeper of the dataplane before went on: without sockets for the new address, and on another uplink with those that the next one wanted.
    it('goes on, with other addresses and another uplink, by a keeper that knows them', async () => {
      const other = IpAddress.parse('192.0.2.2')
      const inNear = (command: string): string => namespaces.in('near', ...command.split(' '))
      inNear(`ip address add ${other}/24 dev up0`)
      inNear('ip link add other0 type veth peer name other1')
      inNear('ip link set other0 up')
      far.set({ ...path(2, THERE[1], 100), local: THERE[1], remote: other })
      await using first = await open(place.pins)
      expect(await first.apply({ ...emptyTransaction(1), liveness: watch(100) })).toMatchObject({ status: 'applied', failures: [] })
      await expect.poll(async () => (await first.dump()).up).toEqual([1])
      await first.close({ keep: true })
      const addresses = [HERE, other]
      await using second = await open(place.pins, keeper, { addresses })
      const added = { set: [{ ...path(2, THERE[1], 100), local: other }], remove: [] }
      expect(await second.apply({ ...emptyTransaction(2), liveness: added })).toMatchObject({ status: 'applied', failures: [] })
      await expect.poll(async () => (await second.dump()).up?.toSorted(), { timeout: 20_000 * PACE }).toEqual([1, 2])
      await second.close({ keep: true })
      const pid = keeperOf(place)
      told.length = 0
      await using third = await open(place.pins, keeper, { addresses, uplink: 'other0' })
      expect(third.capabilities.features).toContain('liveness')
      await expect.poll(() => keeperOf(place) || pid).not.toBe(pid)
      expect([isAlive(), (await third.dump()).up?.toSorted(), told]).toEqual([false, [1, 2], []])
      await third.close()
      expect(keeperOf(place)).toBe(0)
    })

    // It went on by the order of the next one, and wrote what it did not hear over what that one knew.
    it('ends once another one has written down that it is there, though it did not run while it was told to', async () => {
      const pins = join(directory, 'stopped')
      const other = IpAddress.parse('192.0.2.3')
      const inNear = (command: string): string => namespaces.in('near', ...command.split(' '))
      inNear(`ip address add ${other}/24 dev up0`)
      inNear('ip link add other2 type veth peer name other3')
      inNear('ip link set other2 up')
      far.set({ ...path(3, THERE[2], 100), local: THERE[2], remote: other })
      const first = await open(pins)
      expect(await first.apply({ ...emptyTransaction(1), liveness: watch(100) })).toMatchObject({ status: 'applied', failures: [] })
      await expect.poll(async () => (await first.dump()).up).toEqual([1])
      const pid = keeperOf({ pins })
      expect(pid).toBeGreaterThan(0)
      const [{ ifindex }] = JSON.parse(inNear('ip -j link show other2')) as [{ ifindex: number }]
      try {
        process.kill(pid, 'SIGSTOP')
        await first.close({ keep: true })
        await using second = await open(pins, keeper, { addresses: [other], uplink: 'other2' })
        const changed = { set: [{ ...path(3, THERE[2], 100), local: other }], remove: [1] }
        expect(await second.apply({ ...emptyTransaction(2), liveness: changed })).toMatchObject({ status: 'applied', failures: [] })
        await expect.poll(async () => (await second.dump()).up, { timeout: 20_000 * PACE }).toEqual([3])
        expect([keepersOf({ pins }).includes(pid), isKeeperAlive({ ...place, uplink: ifindex })]).toEqual([true, true])
        process.kill(pid, 'SIGCONT')
        await expect.poll(() => keepersOf({ pins }).includes(pid), { timeout: 20_000 * PACE }).toBe(false)
        expect([(await second.dump()).up, keepersOf({ pins }).length]).toEqual([[3], 1])
      } finally {
        if (keepersOf({ pins }).includes(pid)) process.kill(pid, 'SIGKILL')
      }
    })

    // A busy machine took longer than a second to start one, and every second another one was started; what started as the dataplane closed came behind it.
    it('is started once, however long that takes, and has ended when the dataplane has closed', async () => {
      const pins = join(directory, 'slow')
      const slowly = { ...keeper, execArgv: ['--import', 'data:text/javascript,await new Promise((done) => setTimeout(done, 3000))'] }
      const router = await open(pins, slowly)
      const seen = new Set<number>()
      try {
        await router.apply({ ...emptyTransaction(1), liveness: watch(100) })
        await expect
          .poll(
            () => {
              for (const pid of keepersOf({ pins })) seen.add(pid)
              return isAlive()
            },
            { interval: 500 }, // so that the dataplane's own looks have their turn
          )
          .toBe(true)
        expect(seen.size).toBe(1)
        signalKeeper({ pins }, 'SIGKILL')
        await expect.poll(() => keepersOf({ pins }).some((pid) => !seen.has(pid))).toBe(true)
      } finally {
        await router.close()
      }
      expect(keepersOf({ pins })).toEqual([])
    })

    it('is of no other path, when no keeper has come to take away what was known of the one before', async () => {
      const nobody = { script: join(directory, 'there-is-none.js'), execArgv: [] }
      const router = (await open(join(directory, 'unkept'), nobody)) as EbpfRouter
      try {
        const watchOf = (remote: IpAddress): NonNullable<FibTransaction['liveness']> => ({ set: [path(5, remote)], remove: [] })
        await router.apply({ ...emptyTransaction(1), liveness: watchOf(THERE[0]) })
        const saved = { id: 5, discriminator: 1, session: { ...NEVER_UP, ...NO_TIMING, activeMinTx: 0, activeMinRx: 0 } }
        router.parts.maps.set('liveness', 5, encodeLiveness(saved, { known: 'down', downs: 1 }))
        await router.apply({ ...emptyTransaction(2), liveness: { set: [], remove: [5] } })
        await router.apply({ ...emptyTransaction(3), liveness: watchOf(THERE[1]) })
        expect((await router.dump()).down).toEqual([])
      } finally {
        await router.close()
      }
    })

    it('does not break transactions, looks and close() when the namespace of the uplink is gone', async () => {
      namespaces.add('lost')
      for (const command of [
        'link add up0 type veth peer name up1',
        `address add ${HERE}/24 dev up0`,
        'link set up0 up',
        'link set up1 up',
      ])
        namespaces.in('lost', 'ip', ...command.split(' '))
      const pinDirectory = join(directory, 'lost')
      const warned: string[] = []
      const logger = { ...silentLogger, warn: (message: string) => warned.push(message) }
      const router = await ebpfDataplane({
        addresses: [HERE],
        uplink: 'up0',
        underlayNetns: namespaces.path('lost'),
        fibBlocks: 1024,
        routes: 1024,
        keeper,
        pinDirectory,
        logger,
        without: ['tcx'],
      })
      try {
        await router.apply({ ...emptyTransaction(1), liveness: watch(15) })
        namespaces.delete('lost')
        await expect.poll(() => warned, { timeout: 20_000 * PACE }).toContain('The keeper of BFD sessions cannot be looked for')
        expect(await router.apply({ ...emptyTransaction(2), liveness: watch(20) })).toMatchObject({ status: 'applied', failures: [] })
      } finally {
        await router.close()
      }
      expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(pinDirectory)
      await expect.poll(() => keeperOf({ ...place, pins: pinDirectory }), { timeout: 20_000 * PACE }).toBe(0)
    })
  })
})
