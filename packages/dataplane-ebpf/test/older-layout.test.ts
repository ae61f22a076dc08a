import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { hasFilter, hasProgram } from '../src/device/end-filter.js'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import { call } from '../src/native/call.js'
import { native } from '../src/native/load.js'
import { ebpfFeatures } from '../src/probe.js'
import { missing, titled } from './support/requirements.js'
import { codeOf, isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)

describe.skipIf(missing() !== '')(titled('what another layout, or another uplink, has left to an eBPF dataplane'), () => {
  const lab = new RouterLab('left')
  const programsOn = (link: string): string[] => {
    const [{ ifindex }] = JSON.parse(lab.inHost(...`ip -j link show ${link}`.split(' '))) as [{ ifindex: number }]
    return call((native) => native.programsOn(lab.netns, ifindex)).map(({ name, how }) => `${name} by ${how}`)
  }

  // Filters of clsact, which no pin holds, went on with the tables of before: of endpoints, and of policies, that nobody knew any more.
  it.each<[EbpfFeatureName[], 'veth' | undefined]>(
    hasTcx
      ? [
          [[], undefined],
          [['tcx'], 'veth'],
        ]
      : [[['tcx'], 'veth']],
  )(
    'takes away what a version with other layouts has left, says so, and has its devices again when they are asked for (without %s)',
    async (without, devices) => {
      const options = { pinDirectory: lab.path(`older-${without.join()}`), without, ...(devices === undefined ? {} : { devices }) }
      const { pinDirectory } = options
      const older = await lab.open(options)
      await older.apply(podTransaction(7))
      for (const port of PODS.keys()) await lab.attach(older, port)
      expect(await lab.ping()).toContain(' 2 received')
      await older.close({ keep: true })
      renameSync(join(pinDirectory, `layout-${LAYOUT_VERSION}`), join(pinDirectory, `layout-${LAYOUT_VERSION - 1}`))
      expect(await lab.ping()).toContain(' 2 received')

      const warn = vi.fn<Logger['warn']>()
      const newer = await lab.open({ ...options, logger: { ...silentLogger, warn } })
      expect(warn.mock.calls[0]).toEqual([
        expect.stringContaining('nothing is forwarded until they are programmed anew'),
        { found: [`layout-${LAYOUT_VERSION - 1}`], remedy: expect.stringContaining('drain') },
      ])
      expect(readdirSync(pinDirectory).filter((name) => name.startsWith('layout-'))).toEqual([`layout-${LAYOUT_VERSION}`])
      expect(await newer.dump()).toMatchObject({ generation: 0, vrfs: [], devices: [] })
      expect(lab.inHost('tc', 'qdisc', 'show')).not.toMatch(/clsact .* dev hd/)
      expect(await lab.ping(1)).toContain(' 0 received')
      await newer.apply(podTransaction(1))
      for (const port of PODS.keys()) await lab.attach(newer, port)
      expect(await lab.ping()).toContain(' 2 received')
      await newer.close({ keep: true })
      renameSync(join(pinDirectory, `layout-${LAYOUT_VERSION}`), join(pinDirectory, `layout-${LAYOUT_VERSION + 1}`))

      // Nobody asks for one of them: it was known to the process alone, and stayed when another one came.
      const next = await lab.open(options)
      await next.apply(podTransaction(1))
      await lab.attach(next, 0)
      await next.close({ keep: true })
      await (await lab.open(options)).close()
      expect(isMounted(pinDirectory)).toBe(false)
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
      expect(lab.inHost('tc', 'qdisc', 'show')).not.toContain('clsact')
    },
  )

  // What names the filters was taken away before they were ended: those that were not reached went on, and nobody knew of them.
  it.each<[string, (port: number) => void]>([
    ['goes on when a device ends meanwhile', (port) => lab.inPod(port, 'ip', 'link', 'delete', 'eth0')],
    [
      'is taken up again when it breaks off',
      () => {
        throw new LinuxError('ENOBUFS', 105, 'attach', 'no room')
      },
    ],
  ])('taking away filters of another layout %s', async (_, interfere) => {
    const options = { pinDirectory: lab.path('older-half'), without: ['tcx'], devices: 'veth' } as const
    const older = await lab.open(options)
    await older.apply(podTransaction(7))
    for (const port of PODS.keys()) await lab.attach(older, port)
    await older.close({ keep: true })
    renameSync(join(options.pinDirectory, `layout-${LAYOUT_VERSION}`), join(options.pinDirectory, `layout-${LAYOUT_VERSION - 1}`))

    const binding = native()
    const { filterEnd } = binding
    const reached: number[] = []
    const ending = vi.spyOn(binding, 'filterEnd').mockImplementation((netns, ifindex, pin) => {
      const [, port] = /link-(\d+)$/.exec(pin ?? '') ?? []
      if (port !== undefined && reached.push(Number(port)) === 2) interfere(Number(port))
      return filterEnd(netns, ifindex, pin)
    })
    const codes = [await codeOf(lab.open(options))]
    ending.mockRestore()
    if (codes[0] !== 'nothing') codes.push(await codeOf(lab.open(options)))
    expect(reached).toHaveLength(2)
    expect(codes.at(-1)).toBe('nothing')
    expect(lab.inHost('tc', 'qdisc', 'show')).not.toMatch(/clsact .* dev hd/)
  })

  // It went on beside the program by tcx, and behind everything that took that away.
  it.each(hasTcx ? [['a qdisc of somebody else', true] as const, ['its own qdisc, of a process that pinned nothing', false] as const] : [])(
    'ends a filter that no mark names, with %s',
    async (_, isForeign) => {
      const pinDirectory = lab.path('unmarked')
      if (isForeign) lab.inHost(...'tc qdisc add dev up0 clsact'.split(' '))
      try {
        const first = await lab.open({ without: ['tcx'], ...(isForeign ? { pinDirectory } : {}) })
        // As if it was killed.
        vi.spyOn(first.parts.ingress, 'look').mockResolvedValue()
        for (const lock of first.parts.locks) lock.release()
        const next = await lab.open({ pinDirectory })
        expect([programsOn('up0'), lab.inHost('tc', 'qdisc', 'show', 'dev', 'up0').includes('clsact')]).toEqual([
          ['ingress by tcx'],
          isForeign,
        ])
        await next.close()
        expect(programsOn('up0')).toEqual([])
      } finally {
        if (isForeign) lab.inHost(...'tc qdisc delete dev up0 clsact'.split(' '))
      }
    },
  )

  // It went on at the uplink that was left, by tables that were written for another one.
  it.skipIf(!hasTcx)(titled('ends a filter that no mark names on an uplink that it has no more', hasTcx ? '' : 'needs tcx'), async () => {
    const pinDirectory = lab.path('unmarked-left')
    lab.inHost(...'tc qdisc add dev up0 clsact'.split(' '))
    lab.inHost(...'ip link add up2 type veth peer name up3'.split(' '))
    lab.inHost(...'ip link set up2 up'.split(' '))
    try {
      await (await lab.open({ pinDirectory, without: ['tcx'] })).close({ keep: true })
      expect(programsOn('up0')).toEqual(['ingress by clsact'])
      const next = await lab.open({ pinDirectory, uplink: 'up2' })
      expect([programsOn('up0'), programsOn('up2')]).toEqual([[], ['ingress by tcx']])
      await next.close()
      expect(lab.inHost('tc', 'qdisc', 'show', 'dev', 'up0')).toContain('clsact')
    } finally {
      lab.inHost(...'tc qdisc delete dev up0 clsact'.split(' '))
      lab.inHost(...'ip link delete up2'.split(' '))
    }
  })

  // What has no process has no lock either: all of its endpoints lost their devices.
  it.each(['of this layout', 'of another one'])(
    'leaves what another dataplane has, by pins %s, which came to the uplink that was left and has no process just now',
    async (which) => {
      const [pinDirectory, others] = ['came', 'came-others'].map((name) => lab.path(`${name}-${which.length}`))
      lab.inHost(...'ip link add up2 type veth peer name up3'.split(' '))
      lab.inHost(...'ip link set up2 up'.split(' '))
      try {
        const left = await lab.open({ pinDirectory, devices: 'veth' })
        await left.apply(podTransaction(7))
        await left.attachPort(0, { netns: lab.podNetns(0), ifname: 'eth9', addresses: [], mtu: 1400 })
        await left.close({ keep: true })
        const came = await lab.open({ pinDirectory: others, devices: 'veth' })
        await came.apply(podTransaction(1))
        for (const port of PODS.keys()) await lab.attach(came, port)
        await came.close({ keep: true })
        const devices = lab.inHost(...'ip -br link show type veth'.split(' '))
        if (which !== 'of this layout') renameSync(join(pinDirectory, `layout-${LAYOUT_VERSION}`), join(pinDirectory, 'layout-1'))

        const moved = await lab.open({ pinDirectory, uplink: 'up2' })
        expect((await moved.dump()).generation).toBe(which === 'of this layout' ? 7 : 0)
        expect([lab.inHost(...'ip -br link show type veth'.split(' ')), await lab.ping()]).toEqual([
          devices,
          expect.stringContaining(' 2 received'),
        ])
        await moved.close()
        expect(await lab.ping()).toContain(' 2 received')
        await (await lab.open({ pinDirectory: others })).close()
        expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
      } finally {
        lab.inHost(...'ip link delete up2'.split(' '))
      }
    },
  )

  // One of somebody's whose program had the name of the uplink's was taken for a dataplane's, and got another one beside it.
  it("knows a dataplane's filter by its place", async () => {
    const [{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
    lab.inHost(...'tc qdisc add dev up0 clsact'.split(' '))
    try {
      lab.inHost(...'tc filter add dev up0 ingress prio 60 protocol all bpf bytecode'.split(' '), '1,6 0 0 0')
      expect([programsOn('up0').length, hasFilter(lab.netns, ifindex), hasProgram(lab.netns, ifindex)]).toEqual([1, false, true])
      const theirs = { id: 7, name: 'ingress', how: 'clsact', isOurs: false }
      const asked = vi.spyOn(native(), 'programsOn').mockReturnValueOnce([theirs])
      expect(hasFilter(lab.netns, ifindex)).toBe(false)
      asked.mockRestore()
      const router = await lab.open({ without: ['tcx'] })
      expect([programsOn('up0').length, hasFilter(lab.netns, ifindex)]).toEqual([2, true])
      await router.close()
      expect([programsOn('up0').length, hasFilter(lab.netns, ifindex), hasFilter(lab.netns, 1_000_000)]).toEqual([1, false, false])
    } finally {
      lab.inHost(...'tc qdisc delete dev up0 clsact'.split(' '))
    }
  })

  // The mark of a qdisc was taken for a pin, which cannot be removed: no dataplane could be opened any more.
  it('leaves no filter on an uplink that it has no more, and lets be what others have on the next one', async () => {
    const options = { pinDirectory: lab.path('moved'), without: ['tcx'] } as const
    const clsact = (): string[] =>
      [...lab.inHost('tc', 'qdisc', 'show').matchAll(/^qdisc clsact \S+ dev (\S+)/gm)].map(([, device]) => device)
    lab.inHost(...'ip link add up2 type veth peer name up3'.split(' '))
    for (const link of ['up2', 'up3']) lab.inHost(...`ip link set ${link} up`.split(' '))
    try {
      await (await lab.open(options)).close({ keep: true })
      expect(clsact()).toEqual(['up0'])
      await (await lab.open({ ...options, uplink: 'up2' })).close({ keep: true })
      expect(clsact()).toEqual(['up2'])
      await (await lab.open(options)).close({ keep: true })
      expect(clsact()).toEqual(['up0'])
      // So did the mark of another layout: with the qdisc of its own uplink it named that of any. And all that was of that uplink stayed.
      const older = await lab.open({ ...options, devices: 'veth' })
      await older.apply(podTransaction(1))
      await lab.attach(older, 0)
      await older.close({ keep: true })
      expect(lab.inHost('ip', '-o', 'link')).toMatch(/: hd/)
      renameSync(join(options.pinDirectory, `layout-${LAYOUT_VERSION}`), join(options.pinDirectory, `layout-${LAYOUT_VERSION - 1}`))
      lab.inHost(...'tc qdisc add dev up2 clsact'.split(' '))
      await (await lab.open({ ...options, uplink: 'up2' })).close()
      expect(clsact()).toEqual(['up2'])
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
    } finally {
      lab.inHost(...'ip link delete up2'.split(' '))
    }
  })
})
