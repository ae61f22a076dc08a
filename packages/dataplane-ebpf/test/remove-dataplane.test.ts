// What an agent that was killed has left, and is taken away without another one.
import { removeDataplane, type EbpfFeatureName, type EbpfLeftover } from '@heddle/dataplane-ebpf'
import { execFile, execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import { native } from '../src/native/load.js'
import { pinsOf } from '../src/pins.js'
import { ebpfFeatures } from '../src/probe.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { lacksAsking, leftOf, type Numbers } from './support/in-kernel.js'
import { keepersOf } from './support/keepers.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'
import { WATCHED } from './support/watched-path.js'

const run = promisify(execFile)
const AGENT = fileURLToPath(new URL('support/killed-agent.ts', import.meta.url))
const HEDDLE = fileURLToPath(new URL('../../heddle/src/main.ts', import.meta.url))
const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const PATIENTLY = { timeout: 20_000 * PACE }

describe.skipIf(missing() !== '')(titled('what an agent that was killed has left'), () => {
  const lab = new RouterLab('remove')
  const running = new Set<ChildProcess>()
  /** Directories of pins of the test. */
  const pinned = new Set<string>()
  let keeper: ReturnType<typeof bundledKeeper>
  beforeAll(() => {
    keeper = bundledKeeper()
    lab.inHost(...`ip address add ${WATCHED.local}/24 dev up0`.split(' '))
  })
  afterEach(async () => {
    for (const agent of running) await kill(agent)
    for (const pins of pinned) takeAwayByHand(pins)
    pinned.clear()
  })
  afterAll(() => keeper?.remove())

  /** An agent that serves, and what it has in the kernel. */
  async function start(pinDirectory: string, without: readonly EbpfFeatureName[] = []): Promise<{ agent: ChildProcess; numbers: Numbers }> {
    const words = [pinDirectory, without.join(), ...[...PODS.keys()].map((port) => lab.podNetns(port))]
    const agent = spawn('nsenter', [`--net=${lab.netns}`, process.execPath, ...RUN_SOURCES, AGENT, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // Not among its words, by which keepers are known.
      env: { ...process.env, TEST_KEEPER: keeper.script },
    })
    running.add(agent)
    pinned.add(pinDirectory)
    const said = once(createInterface(agent.stdout as NodeJS.ReadableStream), 'line') as Promise<[string]>
    const [line] = await Promise.race([said, once(agent, 'exit').then(() => expect.fail('it has ended'))])
    const { numbers, ...report } = JSON.parse(line) as { numbers: Numbers }
    expect(report).toEqual({ status: 'applied', failures: [] })
    await expect.poll(() => keepersOf({ pins: pinDirectory }).length, PATIENTLY).toBe(1)
    return { agent, numbers }
  }

  async function kill(agent: ChildProcess): Promise<void> {
    running.delete(agent)
    await endProcess(agent)
  }

  /** What a test that fails leaves would fail those behind it. */
  function takeAwayByHand(pins: string): void {
    for (const pid of keepersOf({ pins })) process.kill(pid, 'SIGKILL')
    if (isMounted(pins)) execFileSync('umount', ['--lazy', pins])
    for (const [, name] of lab.inHost('ip', '-o', 'link').matchAll(/: (hd[\w-]+)/g))
      spawnSync('ip', ['-n', basename(lab.netns), 'link', 'delete', name])
    spawnSync('tc', ['-n', basename(lab.netns), 'qdisc', 'delete', 'dev', 'up0', 'clsact'])
  }

  /** One that was killed, and what it had in the kernel. */
  async function killed(pinDirectory: string, without: readonly EbpfFeatureName[] = []): Promise<Numbers> {
    const { agent, numbers } = await start(pinDirectory, without)
    await kill(agent)
    return numbers
  }

  /** What there is where routers and endpoints are, and of pins. */
  function inventory(pinDirectory: string): unknown {
    const everywhere = (line: string): string[] => [
      lab.inHost(...line.split(' ')),
      ...[...PODS.keys()].map((port) => lab.inPod(port, ...line.split(' '))),
    ]
    const links = everywhere('ip -d -j link').map((text) =>
      (JSON.parse(text) as { ifname: string; mtu: number; xdp?: unknown }[]).map(({ ifname, mtu, xdp }) => ({
        ifname,
        mtu,
        xdp: xdp !== undefined,
      })),
    )
    const lines = ['tc qdisc', 'ip -4 rule', 'ip -6 rule', 'ip -4 route show table all', 'ip -6 route show table all']
    const rest = lines.map((line) => everywhere(line).map((text) => text.replaceAll(/^.*fe80::.*\n/gm, '')))
    const index = indexOf('up0')
    const programs = native()
      .programsOn(lab.netns, index)
      .map(({ how }) => how)
    const pins = existsSync(pinDirectory) ? readdirSync(pinDirectory) : []
    return { links, rest, programs, pins, keepers: keepersOf({ pins: pinDirectory }), isMounted: isMounted(pinDirectory) }
  }

  function indexOf(link: string): number {
    const [{ ifindex }] = JSON.parse(lab.inHost(...`ip -j link show ${link}`.split(' '))) as [{ ifindex: number }]
    return ifindex
  }

  async function isAsBefore(pinDirectory: string, before: unknown, numbers: Numbers): Promise<void> {
    await expect.poll(() => inventory(pinDirectory), PATIENTLY).toEqual(before)
    if (lacksAsking === '') await expect.poll(() => leftOf(numbers), PATIENTLY).toEqual({ programs: [], maps: [] })
  }

  const kindsOf = (removed: readonly EbpfLeftover[]): string[] => [...new Set(removed.map(({ kind }) => kind))]
  const ways = hasTcx ? [[[]], [['tcx']]] : [[['tcx']]]

  it.each<EbpfFeatureName[][]>(ways as EbpfFeatureName[][][])('is taken away whole, and told (without %s)', async (without) => {
    const pinDirectory = lab.path(`whole-${without.join()}`)
    const before = inventory(pinDirectory)
    const numbers = await killed(pinDirectory, without)
    const there = inventory(pinDirectory)

    const shown = await removeDataplane({ pinDirectory, isDryRun: true })
    expect(inventory(pinDirectory)).toEqual(there)
    if (lacksAsking === '') expect(leftOf(numbers)).not.toEqual({ programs: [], maps: [] })
    const { removed, left } = await removeDataplane({ pinDirectory })
    expect([removed, left]).toEqual([shown.removed, []])
    const isFilter = without.includes('tcx')
    expect(kindsOf(removed)).toEqual(['keeper', ...(isFilter ? ['filter'] : []), 'program', 'device', 'pins', 'mount'])
    const index = indexOf('up0').toString(36)
    const names = [`hd${index}vxlan`, `hd${index}joint`, ...[...PODS.keys()].map((port) => `hd${index}-${port.toString(36)}`)]
    expect(removed.flatMap(({ kind, name }) => (kind === 'device' ? [name] : [])).toSorted()).toEqual(names.toSorted())
    await isAsBefore(pinDirectory, before, numbers)
    expect(await removeDataplane({ pinDirectory })).toEqual({ pinDirectory, removed: [], left: [] })
    await (await lab.open({ pinDirectory, without })).close()
  })

  it.each<EbpfFeatureName[][]>(ways as EbpfFeatureName[][][])(
    'by an agent of another layout is taken away as well (without %s)',
    async (without) => {
      const pinDirectory = lab.path(`older-${without.join()}`)
      const before = inventory(pinDirectory)
      const numbers = await killed(pinDirectory, without)
      renameSync(pinsOf(pinDirectory), join(pinDirectory, `layout-${LAYOUT_VERSION - 1}`))
      // As one that came with another uplink is called.
      const device = `hd${indexOf('up0').toString(36)}-0`
      // Before Linux 6.2 one that is up keeps its name.
      for (const words of [
        [device, 'down'],
        [device, 'name', 'hdzz-0'],
        ['hdzz-0', 'up'],
      ])
        lab.inHost('ip', 'link', 'set', ...words)
      await removeDataplane({ pinDirectory })
      await isAsBefore(pinDirectory, before, numbers)
    },
  )

  it('is left while an agent runs, which is named, and taken away once it has ended', async () => {
    const pinDirectory = lab.path('busy')
    const before = inventory(pinDirectory)
    const { agent, numbers } = await start(pinDirectory)
    const there = inventory(pinDirectory)
    const named = new RegExp(`^another dataplane has .*: process ${agent.pid} \\(${process.execPath} `)
    for (const isDryRun of [false, true]) {
      const refused: unknown = await removeDataplane({ pinDirectory, isDryRun }).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'dataplane.busy', message: expect.stringMatching(named) as string })
    }
    expect(inventory(pinDirectory)).toEqual(there)
    // By other pins it is the uplink that is taken.
    await expect(lab.open({ pinDirectory: lab.path('other') })).rejects.toMatchObject({
      code: 'dataplane.busy',
      message: expect.stringMatching(named) as string,
    })
    await kill(agent)
    await removeDataplane({ pinDirectory })
    await isAsBefore(pinDirectory, before, numbers)
  })

  it('is taken up again where it broke off', async () => {
    const pinDirectory = lab.path('broken')
    const before = inventory(pinDirectory)
    const numbers = await killed(pinDirectory)
    const refusing = vi.spyOn(native(), 'mergerRemove').mockRejectedValueOnce(new Error('ENOBUFS'))
    await expect(removeDataplane({ pinDirectory })).rejects.toThrow()
    refusing.mockRestore()
    expect(existsSync(pinsOf(pinDirectory))).toBe(true)
    // As far as the maps.
    for (const name of readdirSync(pinsOf(pinDirectory))) if (name === 'links') rmSync(join(pinsOf(pinDirectory), name))
    await removeDataplane({ pinDirectory })
    await isAsBefore(pinDirectory, before, numbers)
  })

  it('is forsaken where its network namespace has gone', async () => {
    const pinDirectory = lab.path('gone')
    const before = inventory(pinDirectory)
    // By filters, which go on without a pin.
    const numbers = await killed(pinDirectory, ['tcx'])
    expect(await lab.ping()).toContain(' 2 received')
    const pins = pinsOf(pinDirectory)
    for (const name of readdirSync(pins)) if (name.startsWith('netns-')) renameSync(join(pins, name), join(pins, 'netns-1'))
    const { left, removed } = await removeDataplane({ pinDirectory })
    expect(left).toEqual([expect.stringContaining('network namespace that is not found')])
    expect(kindsOf(removed)).toEqual(['pins', 'mount'])
    expect([isMounted(pinDirectory), lab.inHost('ip', '-o', 'link')]).toEqual([false, expect.stringMatching(/: hd/)])
    expect(await lab.ping(1)).toContain(' 0 received')
    // What stays is for whoever comes to the uplink there.
    await (await lab.open({ pinDirectory })).close()
    await isAsBefore(pinDirectory, before, numbers)
  })

  it('keeps its devices where another dataplane has the uplink by now, with other pins', async () => {
    const pinDirectory = lab.path('former')
    const numbers = await killed(pinDirectory)
    const router = await lab.open({ pinDirectory: lab.path('present') })
    await router.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(router, port)
    const { left, removed } = await removeDataplane({ pinDirectory })
    expect(left).toEqual([expect.stringMatching(new RegExp(`has the uplink, .*: process ${process.pid} `))])
    expect(kindsOf(removed)).toEqual(['pins', 'mount'])
    expect(await lab.ping()).toContain(' 2 received')
    await router.close()
    if (lacksAsking === '') await expect.poll(() => leftOf(numbers), PATIENTLY).toEqual({ programs: [], maps: [] })
    expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
  })

  it('is nothing where nothing is pinned', async () => {
    const pinDirectory = lab.path('plain')
    for (const _ of [0, 1]) {
      expect(await removeDataplane({ pinDirectory })).toEqual({ pinDirectory, removed: [], left: [] })
      mkdirSync(join(pinDirectory, 'layout-of-a-house'), { recursive: true })
    }
    expect(readdirSync(pinDirectory)).toEqual(['layout-of-a-house'])
    await expect(removeDataplane({ pinDirectory: 'pins' })).rejects.toMatchObject({ code: 'dataplane.device' })
  })

  // As pins do that are in a file system of a container's own.
  it.each<EbpfFeatureName[][]>(ways as EbpfFeatureName[][][])(
    'is not found where its pins have gone, and goes with another dataplane on the uplink (without %s)',
    async (without) => {
      const pinDirectory = lab.path(`gone-${without.join()}`)
      const before = inventory(pinDirectory)
      const numbers = await killed(pinDirectory, without)
      for (const pid of keepersOf({ pins: pinDirectory })) process.kill(pid, 'SIGKILL')
      execFileSync('umount', ['--lazy', pinDirectory])
      await expect.poll(() => keepersOf({ pins: pinDirectory }), PATIENTLY).toEqual([])
      const there = inventory(pinDirectory)
      expect(there).not.toEqual(before)

      expect(await removeDataplane({ pinDirectory })).toEqual({ pinDirectory, removed: [], left: [] })
      expect(inventory(pinDirectory)).toEqual(there)
      await (await lab.open({ pinDirectory, without })).close()
      await isAsBefore(pinDirectory, before, numbers)
    },
  )

  it('is taken away by `heddle dataplane remove`', async () => {
    const pinDirectory = lab.path('n1.state.bpf')
    const before = inventory(pinDirectory)
    const numbers = await killed(pinDirectory)
    const heddle = async (...words: string[]): Promise<string> =>
      (await run(process.execPath, [...RUN_SOURCES, HEDDLE, '--socket', lab.path('n1.sock'), 'dataplane', 'remove', ...words])).stdout
    const shown = JSON.parse(await heddle('--dry-run', '--json')) as { dryRun: boolean; removed: EbpfLeftover[] }
    expect([shown.dryRun, kindsOf(shown.removed).includes('device')]).toEqual([true, true])
    const text = await heddle()
    for (const { name } of shown.removed) expect(text).toContain(name)
    await isAsBefore(pinDirectory, before, numbers)
    expect(await heddle('--pins', pinDirectory)).toBe(
      `no pins are there: ${pinDirectory} has none, and without them nothing is found of a dataplane\n`,
    )
  })
})
