// The process that keeps sessions of BFD, and what becomes of them where it is ended, or cannot come.
import { bfdPacket, newBfdSession } from '@heddle/bfd'
import type { DataplaneEvent } from '@heddle/core'
import { silentLogger } from '@heddle/io'
import { BfdSockets, LinuxError } from '@heddle/linux'
import { BFD_MULTIHOP_PORT, BFD_PACKET_SIZE, encodeBfdPacket } from '@heddle/wire'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { ebpfDataplane } from '../src/ebpf-dataplane.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import type { KeeperPlace } from '../src/liveness/keeper-process.js'
import { BfdFarEnd } from './support/bfd-far-end.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { keeperOf, keepersOf, signalKeeper } from './support/keepers.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { WATCHED } from './support/watched-path.js'

const run = promisify(execFile)
const { local: HERE, remote: THERE } = WATCHED
const AGENT = fileURLToPath(new URL('support/watching-agent.ts', import.meta.url))
const PATIENTLY = { timeout: 30_000 * PACE }

describe.skipIf(missing() !== '')(titled('a process that keeps sessions of BFD', missing()), () => {
  let namespaces: Namespaces
  let directory: string
  let keeper: ReturnType<typeof bundledKeeper>
  let place: KeeperPlace
  let far: BfdFarEnd
  let events: string[]
  let warned: string[]
  let starts: number
  let made = 0
  beforeAll(() => {
    directory = makeFolder('keeper')
    keeper = bundledKeeper()
    namespaces = new Namespaces()
    for (const name of ['near', 'far']) namespaces.add(name)
    namespaces.in('near', ...`ip link add up0 type veth peer name up0 netns ${namespaces.name('far')}`.split(' '))
    for (const [name, address] of [
      ['near', HERE],
      ['far', THERE],
    ] as const) {
      namespaces.in(name, 'ip', 'link', 'set', 'up0', 'up')
      namespaces.in(name, ...`ip address add ${address}/24 dev up0`.split(' '))
    }
  })
  afterAll(() => {
    namespaces?.close()
    keeper?.remove()
    rmSync(directory, { recursive: true, force: true })
  })

  beforeEach(async () => {
    far = await BfdFarEnd.open([THERE], namespaces.path('far'))
    far.watch(WATCHED)
    ;[events, warned, starts] = [[], [], 0]
    const [{ ifindex }] = JSON.parse(namespaces.in('near', 'ip', '-j', 'link', 'show', 'up0')) as [{ ifindex: number }]
    const pins = join(directory, `pins${made++}`)
    place = { pins, underlayNetns: namespaces.path('near'), vrf: undefined, addresses: [String(HERE)], uplink: ifindex }
  })
  afterEach(() => far?.close())

  const follow = async (told: AsyncIterable<DataplaneEvent>): Promise<void> => {
    for await (const event of told) if ('liveness' in event) events.push(event.type)
  }
  const open = async (): Promise<EbpfRouter> => {
    const router = (await ebpfDataplane({
      addresses: [HERE],
      uplink: 'up0',
      underlayNetns: namespaces.path('near'),
      fibBlocks: 1024,
      routes: 1024,
      keeper,
      pinDirectory: place.pins,
      logger: {
        ...silentLogger,
        info: (message) => (starts += message === 'A keeper of BFD sessions is started' ? 1 : 0),
        warn: (message, fields) => warned.push(`${message}: ${String(fields?.['reason'])}`),
      },
    })) as EbpfRouter
    void follow(router.events)
    return router
  }
  /** One whose session is up at both ends. */
  const openUp = async (): Promise<EbpfRouter> => {
    const router = await open()
    expect(await router.apply({ ...emptyTransaction(1), liveness: { set: [WATCHED], remove: [] } })).toMatchObject({ failures: [] })
    await expect.poll(() => [events, far.told], PATIENTLY).toEqual([['liveness-up'], ['up']])
    return router
  }
  const known = async (router: EbpfRouter): Promise<unknown> => {
    const { up, down } = await router.dump()
    return { up, down }
  }
  const hasEnded = (pid: number): Promise<void> => expect.poll(() => keepersOf(place).includes(pid), PATIENTLY).toBe(false)

  // One packet by the far end's address, sent from anywhere, took a path down, with all that goes by it.
  it('believes nobody who sends by the address of a far end and does not know the session', async () => {
    namespaces.add('stranger')
    const inside = (name: string, command: string): string => namespaces.in(name, ...command.split(' '))
    inside('far', `ip link add down0 type veth peer name up0 netns ${namespaces.name('stranger')}`)
    inside('stranger', `ip address add ${THERE}/32 dev lo`)
    for (const [name, device, address] of [
      ['far', 'down0', '198.51.100.1/24'],
      ['stranger', 'up0', '198.51.100.2/24'],
    ] as const) {
      inside(name, `ip address add ${address} dev ${device}`)
      inside(name, `ip link set ${device} up`)
    }
    inside('stranger', `ip route add ${HERE} via 198.51.100.1`)
    // As a router between that asks nobody for their source.
    for (const setting of ['ip_forward=1', 'conf.down0.accept_local=1', 'conf.down0.rp_filter=0', 'conf.all.rp_filter=0'])
      inside('far', `sysctl -qw net.ipv4.${setting}`)
    await using router = await openUp()
    using stranger = await BfdSockets.open([THERE], namespaces.path('stranger'))
    const say = (yourDiscriminator: number): void => {
      const bytes = new Uint8Array(BFD_PACKET_SIZE)
      const config = { discriminator: 66, hops: 'multiple', desiredMinTx: 1_000_000, requiredMinRx: 1_000_000, multiplier: 3 } as const
      encodeBfdPacket(bfdPacket({ ...newBfdSession(), remoteDiscriminator: yourDiscriminator }, config), new DataView(bytes.buffer), 0)
      stranger.send({ local: THERE, remote: HERE, hops: 'multiple' }, bytes)
    }
    for (let packet = 0; packet < 20; packet++) {
      say(0)
      await sleep(100)
    }
    expect([await known(router), events, far.told]).toEqual([{ up: [WATCHED.id], down: [] }, ['liveness-up'], ['up']])
    // The kernel dropped them, without a place in what is received.
    const sockets = namespaces.in('near', 'cat', '/proc/net/udp').split('\n')
    const [row] = sockets.filter((line) => line.includes(`:${BFD_MULTIHOP_PORT.toString(16).toUpperCase()} `))
    expect(Number(row?.trim().split(/\s+/).at(-1))).toBeGreaterThanOrEqual(20)
    // They came: one who knew the number would be believed.
    say(far.sessions.list()[0].remoteDiscriminator)
    await expect.poll(() => events, PATIENTLY).toContain('liveness-down')
  })

  // It ended without a word, whoever meant all processes of a unit: far ends took the path for down, and graceful restarts of BGP for hopeless.
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)(
    'tells far ends, when it is ended by %s, that nothing happened to the path, and another one comes',
    async (signal) => {
      await using router = await openUp()
      const pid = signalKeeper(place, signal)
      await hasEnded(pid)
      await expect.poll(() => far.told, PATIENTLY).toEqual(['up', 'admin-down', 'up'])
      await expect.poll(() => known(router), PATIENTLY).toEqual({ up: [1], down: [] })
      expect([warned, starts]).toEqual([[], 2])
      // Where a process takes seconds to start, nobody knows of the path meanwhile.
      if (PACE === 1) expect(events).toEqual(['liveness-up'])
      else expect(events).not.toContain('liveness-down')
    },
  )

  it('is followed by that of the next process where it is ended after the one of the tables', async () => {
    const first = await openUp()
    await first.close({ keep: true })
    const pid = signalKeeper(place, 'SIGUSR2')
    await hasEnded(pid)
    await expect.poll(() => far.told, PATIENTLY).toEqual(['up', 'admin-down'])
    await using second = await open()
    expect(await known(second)).toEqual({ up: [], down: [] })
    await expect.poll(() => known(second), PATIENTLY).toEqual({ up: [1], down: [] })
    // The one end is up before the other one has heard so.
    await expect.poll(() => far.told, PATIENTLY).toEqual(['up', 'admin-down', 'up'])
    await expect.poll(() => events).toEqual(['liveness-up', 'liveness-up'])
  })

  it('tells far ends before it is killed with a container whose first process ends for a restart', async () => {
    const inside = ['nsenter', `--net=${namespaces.path('near')}`, process.execPath, ...RUN_SOURCES, AGENT, place.pins, keeper.script]
    const agent = spawn('unshare', ['--pid', '--fork', '--kill-child', ...inside], { stdio: ['pipe', 'inherit', 'inherit'] })
    try {
      await expect.poll(() => far.told, PATIENTLY).toEqual(['up'])
    } finally {
      agent.stdin.end()
    }
    expect(await once(agent, 'close')).toEqual([0, null])
    expect(keepersOf(place)).toEqual([])
    await expect.poll(() => far.told, PATIENTLY).toEqual(['up', 'admin-down'])
    await using next = await open()
    await expect.poll(() => known(next), PATIENTLY).toEqual({ up: [1], down: [] })
    // The one end is up before the other one has heard so.
    await expect.poll(() => far.told, PATIENTLY).toEqual(['up', 'admin-down', 'up'])
  })

  // Everything was up for ever, and a line a second said that one was started, without a reason.
  it('is warned of, and nothing is up any more, where another BFD has taken its place', async () => {
    await using router = await openUp()
    using squatter = await takePlace()
    await expect.poll(() => warned.filter((text) => text.includes('EADDRINUSE')), PATIENTLY).toHaveLength(1)
    await expect.poll(() => known(router), PATIENTLY).toEqual({ up: [], down: [] })
    await expect.poll(() => events).toEqual(['liveness-up', 'liveness-unknown'])
    // One that has begun to start would find the place free, and no other one would be started.
    await vi.waitUntil(() => keepersOf(place).length === 0, PATIENTLY)
    const before = starts
    squatter.close()
    await expect.poll(() => known(router), PATIENTLY).toEqual({ up: [1], down: [] })
    await expect.poll(() => events).toEqual(['liveness-up', 'liveness-unknown', 'liveness-up'])
    expect([warned.filter((text) => text.includes('EADDRINUSE')).length, far.told, starts]).toEqual([1, ['up'], before + 1])
  })

  /** Kills the keeper, and has the ports of its address before the next one does. */
  async function takePlace(): Promise<BfdSockets> {
    for (;;) {
      const pid = keeperOf(place)
      if (pid !== 0) process.kill(pid, 'SIGKILL')
      try {
        return await BfdSockets.open([HERE], namespaces.path('near'))
      } catch (error) {
        if (!(error instanceof LinuxError) || error.code !== 'EADDRINUSE') throw error
      }
    }
  }

  // Of a release that was installed beneath a process that runs, it wrote where its own layout has other things.
  it('writes nothing into tables of another layout, and says why', async () => {
    await using router = await open()
    const { config } = router.parts.tables
    config.set('layout_version', LAYOUT_VERSION - 1)
    const before = config.bytes.slice()
    const wrong = await run(process.execPath, [
      keeper.script,
      JSON.stringify({ ...place, pins: join(place.pins, `layout-${LAYOUT_VERSION}`) }),
    ]).catch((error: { code: number; stderr: string }) => error)
    expect(config.bytes).toEqual(before)
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining(`this release is of layout ${LAYOUT_VERSION}`) })
    await router.apply({ ...emptyTransaction(1), liveness: { set: [WATCHED], remove: [] } })
    await expect
      .poll(() => warned, PATIENTLY)
      .toEqual([
        expect.stringMatching(/^A keeper of BFD sessions has failed, and another one is started: DataplaneError: the tables are of layout/),
      ])
    config.set('layout_version', LAYOUT_VERSION)
    await expect.poll(() => known(router), PATIENTLY).toEqual({ up: [1], down: [] })
  })
})
