import { PORT_COUNTERS, type DataplaneState } from '@heddle/core'
import type { EbpfDataplaneOptions, EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { call, callAsync } from '../src/native/call.js'
import { pinsOf } from '../src/pins.js'
import { ebpfFeatures, missingNetkit } from '../src/probe.js'
import { missing, titled } from './support/requirements.js'
import { isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'

const noTcx = missing() !== '' || ebpfFeatures().some(({ name, available }) => name === 'tcx' && available) ? missing() : 'needs tcx'
const noNetkit = noTcx === '' ? missingNetkit() : noTcx
const PORTS = [...PODS.keys()]
/** What is pinned where programs are on devices by filters, and by tcx. */
const [FILTERS, LINKS] = ['mark of a qdisc', 'pin'].map((what) => PORTS.map((port) => `link-${port}: ${what}`))
/** Milliseconds for which a device has to stay, and no other one come or go. */
const CALM = 10_000

describe.skipIf(noTcx !== '')(titled('a device that stays is moved from its filter to tcx', noTcx), () => {
  const lab = new RouterLab('moving', { devices: 'veth' })
  /** What ends what a test that fails leaves. */
  const ends: (() => void)[] = []
  afterEach(() => {
    for (const end of ends.splice(0)) end()
    vi.restoreAllMocks()
  })

  async function openWithDevices(options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> {
    const router = await lab.open(options)
    expect(await router.apply(podTransaction(1))).toMatchObject({ status: 'applied', failures: [] })
    for (const port of PORTS) await lab.attach(router, port)
    return router
  }

  const linksOf = async (router: EbpfRouter): Promise<readonly { readonly id: number; readonly how: string }[]> =>
    (await router.inspectKernel()).parts
      .filter(({ kind, name }) => kind === 'link' && name.startsWith('port '))
      .map(({ id = 0, details }) => ({ id, how: details.replace('ingress by ', '') }))

  /** How programs are on devices, as the dataplane says it. The kernel has to have these programs there, each once. */
  async function waysOf(router: EbpfRouter): Promise<readonly string[]> {
    let links: Awaited<ReturnType<typeof linksOf>> = []
    const others = async (): Promise<readonly string[]> => {
      links = await linksOf(router)
      return links.flatMap(({ id, how }) => {
        const there = call((native) => native.programsOn(lab.netns, id)).map((one) => `${one.name} by ${one.how}`)
        return there.join() === `egress by ${how}` ? [] : [`${id} has ${there.join()}, and not ${how}`]
      })
    }
    // What is not pinned any more ends a little later.
    await expect.poll(others).toEqual([])
    return links.map(({ how }) => how)
  }

  /** Stops the clock by which devices stay; what lets time pass. Whole milliseconds: of others a sum may be rounded, and less than CALM have passed. */
  function stopClock(): (milliseconds: number) => void {
    let now = Math.ceil(performance.now())
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    return (milliseconds) => void (now += milliseconds)
  }

  /** Waits until the links were looked at as often from now on, each time to the end. */
  async function looks(router: EbpfRouter, count: number): Promise<void> {
    const moveOne = vi.spyOn(router.parts.ports, 'moveOne')
    await expect.poll(() => moveOne.mock.calls.length).toBeGreaterThan(count)
    moveOne.mockRestore()
  }

  const expectMoved = (router: EbpfRouter): Promise<unknown> => expect.poll(() => waysOf(router)).toEqual(PORTS.map(() => 'tcx'))

  /** The devices that have a qdisc for filters. */
  const filtered = (): string[] => [...lab.inHost('tc', 'qdisc', 'show').matchAll(/^qdisc clsact \S+ dev (\S+)/gm)].map(([, name]) => name)

  const pinnedIn = (pinDirectory: string): string[] =>
    readdirSync(pinsOf(pinDirectory), { withFileTypes: true })
      .filter(({ name }) => /link-\d+$/.test(name))
      .map((entry) => `${entry.name}: ${entry.isDirectory() ? 'mark of a qdisc' : 'pin'}`)
      .toSorted()

  /** Has one endpoint ask the other 500 times a second; what ends that says how often it was, and how many answers were missing. */
  function flood(): () => Promise<{ readonly sent: number; readonly lost: number }> {
    const ping = lab.space.namespaces.start('moving-pod-0', 'ping', '-n', '-i', '0.002', `${PODS[1]}`)
    ends.push(() => ping.kill())
    let output = ''
    ping.stdout?.on('data', (chunk) => (output += String(chunk)))
    return async () => {
      const closed = once(ping, 'close')
      ping.kill('SIGINT')
      await closed
      const answered = new Set(Array.from(output.matchAll(/icmp_seq=(\d+) ttl=/g), ([, sequence]) => Number(sequence)))
      expect(answered.size).toBeGreaterThan(0)
      // The last one may be under way.
      const lost = Math.max(...answered) - answered.size
      return { sent: Number(/^(\d+) packets transmitted/m.exec(output)?.[1]), lost }
    }
  }

  async function counted(router: EbpfRouter, port: number, name: (typeof PORT_COUNTERS)[number]): Promise<number> {
    const { portIds, ports } = await router.counters()
    return ports[portIds.indexOf(port) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf(name)]
  }

  it('loses no packet and judges none twice: moved, taken over by the next, back to a filter, and moved again', async () => {
    const pass = stopClock()
    const pinDirectory = lab.path('moved')
    const first = await openWithDevices({ pinDirectory })
    expect(await waysOf(first)).toEqual(['clsact', 'clsact'])
    const end = flood()
    pass(CALM)
    await expectMoved(first)
    expect([pinnedIn(pinDirectory), filtered()]).toEqual([LINKS, []])
    await first.close({ keep: true })

    const second = await lab.open({ pinDirectory })
    expect(await waysOf(second)).toEqual(['tcx', 'tcx'])
    await second.close({ keep: true })

    const third = await lab.open({ pinDirectory, without: ['tcx'] })
    expect(await waysOf(third)).toEqual(['clsact', 'clsact'])
    expect([pinnedIn(pinDirectory), filtered()]).toEqual([FILTERS, ['up0', expect.any(String), expect.any(String)]])
    pass(CALM)
    await looks(third, 2)
    expect(await waysOf(third)).toEqual(['clsact', 'clsact'])
    await third.close({ keep: true })

    const fourth = await lab.open({ pinDirectory })
    expect(await waysOf(fourth)).toEqual(['clsact', 'clsact'])
    pass(CALM)
    await expectMoved(fourth)
    const { sent, lost } = await end()
    expect(lost).toBe(0)
    expect(await counted(fourth, 0, 'rx-packets')).toBe(sent)
    for (const port of PORTS) expect(await counted(fourth, port, 'drops')).toBe(0)
    await fourth.close()
    expect([isMounted(pinDirectory), filtered(), lab.inHost('ip', '-o', 'link')]).toEqual([
      false,
      [],
      expect.not.stringMatching(/: hd\w+-/),
    ])
  })

  /** Where a process may have ended that moved port 0, from what `replace` of `native/core/src/link.rs` has done. */
  const STEPS: readonly (readonly [string, (device: string, mark: string) => void])[] = [
    ['both are there', () => undefined],
    ['the filter is gone', (device) => void lab.inHost('tc', 'qdisc', 'delete', 'dev', device, 'clsact')],
    [
      'the mark of the qdisc is gone too',
      (device, mark) => {
        lab.inHost('tc', 'qdisc', 'delete', 'dev', device, 'clsact')
        rmdirSync(mark)
      },
    ],
    ["both are there, the filter on somebody else's qdisc", (_device, mark) => rmdirSync(mark)],
  ]

  it.each(STEPS)('loses no packet when the process ends amid a move, where %s', async (state, undone) => {
    stopClock() // by which a slow machine would move devices by itself meanwhile
    const pinDirectory = lab.path(state.replaceAll(/\W/g, '-'))
    const pin = join(pinsOf(pinDirectory), 'link-0')
    const isOthers = state.includes('else')
    let router = await openWithDevices({ pinDirectory })
    const end = flood()
    const turns: readonly (readonly EbpfFeatureName[])[] = [[], ['tcx'], ['clsact']]
    for (const without of turns) {
      const [{ id }] = await linksOf(router)
      const place = { program: 'egress', namespace: lab.netns, ifindex: id, usesTcx: true, pin: join(pinsOf(pinDirectory), 'next-link-0') }
      await callAsync(() => router.parts.maps.object.attach(place))
      await router.close({ keep: true })
      const [, device] = new RegExp(`^${id}: ([^:@]+)@`, 'm').exec(lab.inHost('ip', '-o', 'link')) ?? []
      undone(device, pin)

      router = await lab.open({ pinDirectory, without })
      const isMoved = without.includes('clsact')
      expect(await waysOf(router)).toEqual(PORTS.map(() => (isMoved ? 'tcx' : 'clsact')))
      const marked = isMoved ? LINKS : isOthers ? FILTERS.slice(1) : FILTERS
      expect(pinnedIn(pinDirectory)).toEqual(marked)
      expect(filtered().includes(device)).toBe(!isMoved || isOthers)
      // To be as after the first attachment.
      if (isOthers && !isMoved) mkdirSync(pin)
    }
    const { sent, lost } = await end()
    expect(lost).toBe(0)
    expect(await counted(router, 0, 'rx-packets')).toBe(sent)
    await router.close()
    expect(isMounted(pinDirectory)).toBe(false)
  })

  it('is moved once no device has come or gone for a while, and goes like others', async () => {
    const pass = stopClock()
    const pinDirectory = lab.path('calm')
    const router = await openWithDevices({ pinDirectory })
    pass(CALM - 1)
    await looks(router, 1)
    expect(await waysOf(router)).toEqual(['clsact', 'clsact'])
    await router.detachPort(1)
    pass(CALM - 1)
    await looks(router, 1)
    expect(await waysOf(router)).toEqual(['clsact'])
    pass(1)
    await expect.poll(() => waysOf(router)).toEqual(['tcx'])
    // It is the same device, whose program stays.
    await lab.attach(router, 0)
    await lab.attach(router, 1)
    expect(await waysOf(router)).toEqual(['tcx', 'clsact'])
    expect(await lab.ping()).toContain(' 2 received')
    const devices = (): Promise<DataplaneState['devices']> => router.dump().then((state) => state.devices)
    await router.detachPort(0)
    expect([pinnedIn(pinDirectory), (await devices()).map(({ port }) => port)]).toEqual([[FILTERS[1]], [1]])
    await lab.attach(router, 0)
    expect(await waysOf(router)).toEqual(['clsact', 'clsact'])
    expect(await lab.ping()).toContain(' 2 received')
  })

  // It would have gone with the qdisc.
  it("stays with its filter where somebody else has one, which is said once, and doesn't keep others from being moved", async () => {
    const pass = stopClock()
    const warn = vi.fn()
    const router = await openWithDevices({ logger: { ...silentLogger, warn } })
    const [device] = filtered()
    for (const where of ['ingress', 'egress']) {
      lab.inHost(...`tc filter add dev ${device} ${where} prio 60 protocol all bpf bytecode`.split(' '), '1,6 0 0 0')
    }
    pass(CALM)
    const ways = async (): Promise<readonly string[]> => (await linksOf(router)).map(({ how }) => how)
    await expect.poll(ways).toEqual(['clsact', 'tcx'])
    await looks(router, 2)
    expect(warn.mock.calls.filter(([message]) => message === 'A device stays with its filter')).toEqual([
      [expect.anything(), { port: 0, reason: expect.stringContaining("somebody else's filters are there") }],
    ])
    for (const where of ['ingress', 'egress']) expect(lab.inHost('tc', 'filter', 'show', 'dev', device, where)).toContain('pref 60')
    expect(await lab.ping()).toContain(' 2 received')
  })

  // It stayed with its filter for good, whatever the reason.
  it('is moved later where the kernel refuses at first, behind the others', async () => {
    const pass = stopClock()
    const warn = vi.fn()
    const router = await openWithDevices({ logger: { ...silentLogger, warn } })
    const move = vi.spyOn(router.parts.maps.object, 'moveToTcx')
    move.mockRejectedValueOnce(new LinuxError('EAGAIN', 11, 'move a filter to tcx', 'Resource temporarily unavailable'))
    pass(CALM)
    const staying = (): unknown[] => warn.mock.calls.filter(([message]) => message === 'A device stays with its filter')
    await expect.poll(staying).toHaveLength(1)
    await looks(router, 2)
    expect(await waysOf(router)).toEqual(['clsact', 'clsact'])
    pass(CALM)
    await expectMoved(router)
    expect([staying().length, move.mock.calls.length]).toEqual([1, 3])
    expect(move.mock.calls[0]).toEqual(move.mock.calls[2])
    expect(await lab.ping()).toContain(' 2 received')
  })

  it('has its filter without tcx, however long it stays', async () => {
    const pass = stopClock()
    const router = await openWithDevices({ without: ['tcx'] })
    pass(CALM)
    await looks(router, 2)
    expect(await waysOf(router)).toEqual(['clsact', 'clsact'])
  })

  it.skipIf(noNetkit !== '')(titled('leaves a netkit device as it is', noNetkit), async () => {
    const pass = stopClock()
    const router = await openWithDevices({ devices: 'netkit' })
    pass(CALM)
    await looks(router, 2)
    expect(await waysOf(router)).toEqual(['netkit', 'netkit'])
  })
})
