import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { ebpfFeatures } from '../src/probe.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'
import { codeOf, isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)

describe.skipIf(missing() !== '')(titled('what another layout, or another uplink, has left to an eBPF dataplane'), () => {
  const lab = new RouterLab('left')

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

    const prototype = Object.getPrototypeOf(older.parts.maps.object) as NativeObject
    const attach = Reflect.get(prototype, 'attach')
    const reached: number[] = []
    const attaching = vi.spyOn(prototype, 'attach').mockImplementation(function (this: NativeObject, place) {
      const port = place.program === 'egress' ? Number(place.pin?.at(-1)) : undefined
      if (port !== undefined && reached.push(port) === 2) interfere(port)
      return attach.call(this, place)
    })
    const codes = [await codeOf(lab.open(options))]
    attaching.mockRestore()
    if (codes[0] !== 'nothing') codes.push(await codeOf(lab.open(options)))
    expect(reached).toHaveLength(2)
    expect(codes.at(-1)).toBe('nothing')
    expect(lab.inHost('tc', 'qdisc', 'show')).not.toMatch(/clsact .* dev hd/)
  })

  // The uplink of the other namespace was taken for this one's, which has the same number: it had no program, and the dataplane was open.
  it('leaves what pins are of in another network namespace as it is, and has its programs in its own', async () => {
    const pinDirectory = lab.path('namespace')
    const first = await lab.open({ pinDirectory, devices: 'veth' })
    await first.apply(podTransaction(7))
    for (const port of PODS.keys()) await lab.attach(first, port)
    await first.close({ keep: true })
    const other = new RouterNamespace('left-other')
    const show = 'ip -j link show up0'.split(' ')
    const uplinks = [
      [lab.netns, lab.inHost(...show)],
      [other.namespaces.path('left-other'), other.namespaces.in('left-other', ...show)],
    ]
    const [here, there] = uplinks.map(([netns, shown]) => {
      const [{ ifindex }] = JSON.parse(shown) as [{ ifindex: number }]
      return { ifindex, programs: () => call((native) => native.programsOn(netns, ifindex)).map(({ name }) => name) }
    })
    expect(here.ifindex).toBe(there.ifindex)
    try {
      const warn = vi.fn<Logger['warn']>()
      const router = await other.open({ pinDirectory, logger: { ...silentLogger, warn } })
      expect(await router.dump()).toMatchObject({ generation: 7, devices: [] })
      const told = () => warn.mock.calls.filter(([text]) => text.includes('another network namespace'))
      expect(told()).toHaveLength(1)
      expect(there.programs()).toEqual(['ingress'])
      if (hasTcx) await expect.poll(here.programs).toEqual([])
      await router.close({ keep: true })
      // Now it is the one of the pins.
      const again = await other.open({ pinDirectory, logger: { ...silentLogger, warn } })
      expect(told()).toHaveLength(1)
      await again.close()
      expect([there.programs(), isMounted(pinDirectory)]).toEqual([[], false])
      expect(lab.inHost('ip', '-o', 'link')).toMatch(/: hd\w+-0/)
    } finally {
      other.close()
      for (const port of PODS.keys()) lab.inPod(port, 'ip', 'link', 'delete', 'eth0')
      if (!hasTcx) lab.inHost(...'tc qdisc delete dev up0 clsact'.split(' '))
    }
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
        for (const lock of first.parts.locks) lock.release()
        const next = await lab.open({ pinDirectory })
        const [{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
        const programs = (): string[] => call((native) => native.programsOn(lab.netns, ifindex)).map(({ name, how }) => `${name} by ${how}`)
        expect([programs(), lab.inHost('tc', 'qdisc', 'show', 'dev', 'up0').includes('clsact')]).toEqual([['ingress by tcx'], isForeign])
        await next.close()
        expect(programs()).toEqual([])
      } finally {
        if (isForeign) lab.inHost(...'tc qdisc delete dev up0 clsact'.split(' '))
      }
    },
  )

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
