import type { KernelInspection } from '@heddle/core'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError, type Netlink } from '@heddle/linux'
import { EMPTY, transition, type Tables } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, vi, type Mock } from 'vitest'
import { readBpfObject } from '../src/bpf-object.js'
import { Transit, TRANSIT_PIN } from '../src/device/transit.js'
import { View } from '../src/layout/struct.js'
import { CONFIG } from '../src/layout/structs/config.js'
import { LABEL } from '../src/layout/structs/objects.js'
import { call, callAsync } from '../src/native/call.js'
import { native } from '../src/native/load.js'
import { pinsOf } from '../src/pins.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { hasEthtool } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS } from './support/router.js'
import { RouterLab } from './support/router-lab.js'

const DETACHING = fileURLToPath(new URL('support/detach-program.py', import.meta.url))
const hasPython = spawnSync('python3', ['-c', 'import ctypes']).status === 0
const noEthtool = hasEthtool ? '' : ' (skipped: needs ethtool)'

/** A label that is swapped. */
const SWAPS: Tables = {
  ...EMPTY,
  nextHops: [
    {
      id: 1,
      action: {
        type: 'tunnel',
        encapsulation: 'mpls-udp',
        local: LOCAL[4],
        remote: PEERS[4][0],
        labels: [100],
        ttlModel: 'pipe',
        trafficClassModel: 'pipe',
      },
    },
  ],
  tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][1])] }],
  labels: [{ label: 16, action: { type: 'swap', nextHop: 1 }, sources: 1 }],
}

describe.skipIf(missing() !== '')(titled('XDP on the uplink'), () => {
  const lab = new RouterLab('transit', { fibBlocks: 1024 })

  /** Number of the program of XDP on the uplink, in its driver; undefined without. */
  function programThere(): number | undefined {
    const [{ xdp }] = JSON.parse(lab.inHost(...'ip -d -j link show up0'.split(' '))) as [{ xdp?: { mode: number; prog: { id: number } } }]
    if (xdp !== undefined) expect(xdp.mode).toBe(IN_DRIVER)
    return xdp?.prog.id
  }
  const IN_DRIVER = 1

  const choiceOf = ({ choices }: KernelInspection): { readonly chosen: string; readonly because: string } | undefined =>
    choices.find(({ what }) => what === 'packets from one tunnel into another')

  it('is there when it is asked for, is shown, and goes without a trace', async () => {
    const warnings: string[] = []
    const router = await lab.open({ xdp: 'native', logger: { ...silentLogger, warn: (message) => void warnings.push(message) } })
    // What its far end does not take is counted as sent, and nothing else tells of it.
    expect(warnings).toContainEqual(expect.stringContaining('XDP on a veth'))
    const inspection = await router.inspectKernel()
    expect(choiceOf(inspection)?.chosen).toBe('xdp')
    const across = inspection.parts.find(({ kind, name }) => kind === 'program' && name === 'across')
    expect(programThere()).toBe(across?.id)
    expect(inspection.parts.filter(({ kind }) => kind === 'link')).toContainEqual(
      expect.objectContaining({ name: 'uplink up0', details: 'ingress by xdp' }),
    )
    expect(inspection.parts.filter(({ kind }) => kind === 'foreign')).toEqual([])
    await router.close()
    expect(programThere()).toBeUndefined()
  })

  it('is left out where it was not asked for and would take offloads from the far end of a veth, labels to swap or not', async () => {
    const router = await lab.open()
    expect(choiceOf(await router.inspectKernel())).toMatchObject({ chosen: 'tc', because: expect.stringContaining('no label is swapped') })
    expect(await router.apply(transition(1, EMPTY, SWAPS))).toMatchObject({ status: 'applied', failures: [] })
    expect(choiceOf(await router.inspectKernel())).toMatchObject({ chosen: 'tc', because: expect.stringContaining('is a veth') })
    expect(programThere()).toBeUndefined()
    await router.close()
    const without = await lab.open({ without: ['xdp'], xdp: 'native' })
    expect(choiceOf(await without.inspectKernel())).toMatchObject({
      chosen: 'tc',
      because: expect.stringMatching(/^xdp is .*done without$/),
    })
    expect(programThere()).toBeUndefined()
  })

  it('leaves the program of somebody else, says so, and takes its place when that has gone', async () => {
    const object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1, flows: 1024 }))
    const [{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
    try {
      const other = await callAsync(() => object.attach({ program: 'across', namespace: lab.netns, ifindex, usesTcx: false, isXdp: true }))
      const theirs = programThere()
      expect(theirs).toBeGreaterThan(0)
      const router = await lab.open({ xdp: 'native' })
      expect(programThere()).toBe(theirs)
      const inspection = await router.inspectKernel()
      expect(choiceOf(inspection)).toMatchObject({ chosen: 'tc', because: expect.stringContaining('another program has XDP on up0') })
      expect(inspection.parts.filter(({ kind }) => kind === 'foreign')).toEqual([
        expect.objectContaining({ id: theirs, details: 'ingress of uplink up0 by xdp, before ours' }),
      ])
      await callAsync(() => object.detach(other))
      await expect.poll(async () => choiceOf(await router.inspectKernel())?.chosen).toBe('xdp')
      expect(programThere()).not.toBe(theirs)
    } finally {
      call(() => object.close())
    }
  })

  // Packets went by tc, and it was told of as there.
  describe.skipIf(!hasPython)(`that somebody takes away${hasPython ? '' : ' (skipped: needs python3)'}`, () => {
    const takeAway = (): void => void execFileSync('python3', [DETACHING, `${programThere()}`], { stdio: 'pipe' })
    const warningsIn = (warn: Mock<Logger['warn']>): string[] =>
      warn.mock.calls.map(([message]) => message).filter((message) => message.includes('took the program of XDP'))

    it.each([false, true])('comes back, with a warning (pinned: %s)', async (isPinned) => {
      const warn = vi.fn<Logger['warn']>()
      const pinDirectory = isPinned ? lab.path('taken') : undefined
      const options = { xdp: 'native', ...(pinDirectory === undefined ? {} : { pinDirectory }) } as const
      const router = await lab.open({ ...options, logger: { ...silentLogger, warn } })
      const before = programThere()
      for (let count = 1; count <= 2; count++) {
        takeAway()
        await expect.poll(() => warningsIn(warn), { timeout: 20_000 * PACE }).toHaveLength(count)
        expect(programThere()).toBe(before)
      }
      expect(warningsIn(warn)[0]).toContain('attached anew')
      expect(choiceOf(await router.inspectKernel())?.chosen).toBe('xdp')
      await router.close({ keep: isPinned })
      expect(programThere()).toBe(isPinned ? before : undefined)
      if (isPinned) await (await lab.open(options)).close()
      expect(programThere()).toBeUndefined()
    })

    it("is told of as gone where somebody else's is in its place, and comes back behind that", async () => {
      const warn = vi.fn<Logger['warn']>()
      const router = await lab.open({ xdp: 'native', logger: { ...silentLogger, warn } })
      const object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1, flows: 1024 }))
      const [{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
      const look = vi.spyOn(router.parts.transit, 'look').mockResolvedValue()
      try {
        takeAway()
        const other = await callAsync(() =>
          object.attach({ program: 'across', namespace: lab.netns, ifindex, usesTcx: false, isXdp: true }),
        )
        const theirs = programThere()
        look.mockRestore()
        await expect.poll(() => warningsIn(warn), { timeout: 20_000 * PACE }).toEqual([expect.stringContaining('by tc')])
        expect(choiceOf(await router.inspectKernel())).toMatchObject({
          chosen: 'tc',
          because: expect.stringContaining('another program has XDP'),
        })
        expect(programThere()).toBe(theirs)
        await callAsync(() => object.detach(other))
        await expect.poll(async () => choiceOf(await router.inspectKernel())?.chosen, { timeout: 20_000 * PACE }).toBe('xdp')
        expect(warningsIn(warn)).toHaveLength(1)
      } finally {
        look.mockRestore()
        call(() => object.close())
      }
    })
  })

  it('is no reason not to open, when what is pinned in its place cannot be removed', async () => {
    const pinDirectory = lab.path('stuck')
    const first = await lab.open({ pinDirectory })
    mkdirSync(join(pinsOf(pinDirectory), TRANSIT_PIN))
    await first.close({ keep: true })
    const warn = vi.fn()
    const second = await lab.open({ pinDirectory, logger: { ...silentLogger, warn } })
    expect(warn).toHaveBeenCalledWith('The pin of XDP on the uplink cannot be removed', expect.anything())
    // Nothing is held by it: programs of tc are there, and none of XDP.
    expect(choiceOf(await second.inspectKernel())).toMatchObject({
      chosen: 'tc',
      because: expect.stringMatching(/^no label is swapped here.*; its pin .* cannot be removed \([^)]*\)$/),
    })
    await second.close()
  })

  // It was told of as tc, and that nobody wanted XDP, while packets went by XDP on.
  it.each([
    ['', 'held', (name: string) => name],
    [' (which has no name for whoever lacks CAP_SYS_ADMIN)', 'held-unnamed', () => ''],
  ])('is told of as there while it is held by a pin that cannot be removed, with the pin%s', async (_, folder, nameOf) => {
    const { programsOn } = native()
    const asked = vi.spyOn(native(), 'programsOn')
    asked.mockImplementation((...link) => programsOn(...link).map((each) => ({ ...each, name: nameOf(each.name) })))
    const pinDirectory = lab.path(folder)
    const pin = join(pinsOf(pinDirectory), TRANSIT_PIN)
    const first = await lab.open({ pinDirectory, xdp: 'native' })
    const before = programThere()
    expect(before).toBeGreaterThan(0)
    await first.close({ keep: true })
    execFileSync('mount', ['--bind', '/dev/null', pin])
    const warn = vi.fn()
    try {
      const second = await lab.open({ pinDirectory, xdp: 'off', logger: { ...silentLogger, warn } })
      const inspection = await second.inspectKernel()
      const held = expect.stringMatching(
        new RegExp(`asked for by .xdp: off.; its pin ${pin} cannot be removed .*EBUSY.*program that it holds goes on`),
      )
      expect(choiceOf(inspection)).toMatchObject({ chosen: 'xdp', because: held })
      expect(inspection.parts).toContainEqual(
        expect.objectContaining({ kind: 'foreign', id: before, details: 'ingress of uplink up0 by xdp, before ours' }),
      )
      expect(programThere()).toBe(before)
      const told = warn.mock.calls.filter(([message]) => String(message).includes('XDP'))
      const fields = expect.objectContaining({ pin, cause: expect.stringContaining('EBUSY') })
      expect(told).toEqual([['The pin of XDP on the uplink cannot be removed', fields]])
      execFileSync('umount', [pin])
      await expect.poll(programThere).toBeUndefined()
      await expect
        .poll(async () => choiceOf(await second.inspectKernel()))
        .toMatchObject({ chosen: 'tc', because: 'it was asked for by `xdp: off`' })
    } finally {
      asked.mockRestore()
      spawnSync('umount', [pin])
    }
  })

  /** On the uplink, as if it was no veth. */
  function transitOf(
    attach: () => Promise<number>,
    detach?: () => Promise<void>,
    labels?: readonly Uint8Array[],
    pins?: string,
  ): { readonly transit: Transit; readonly link: { name: string; kind: string; mtu: number }; readonly warn: Mock<Logger['warn']> } {
    const link = { name: 'up0', kind: 'device', mtu: 9000 }
    const warn = vi.fn<Logger['warn']>()
    const transit = new Transit({
      maps: {
        object: { attach, detach, lost: async () => [] },
        entries: () => (labels ?? []).map((value) => [value, value]),
      } as unknown as KernelMaps,
      config: new View(CONFIG),
      netlink: { links: { get: async () => link } } as unknown as Netlink,
      netns: lab.netns,
      uplink: 1,
      families: [4],
      pins,
      wanted: labels === undefined ? 'native' : undefined,
      without: [],
      logger: { ...silentLogger, warn },
    })
    return { transit, link, warn }
  }
  const leaveTags = (settings: string): string => lab.inHost('ethtool', '-K', 'up0', ...settings.split(' '))

  it.skipIf(!hasEthtool)(`is there from the start where a label was swapped before, once the host forwards${noEthtool}`, async () => {
    leaveTags('rxvlan off rx-vlan-stag-hw-parse off')
    const forward = (does: 0 | 1): string => lab.inHost('sysctl', '-qw', `net.ipv4.conf.up0.forwarding=${does}`)
    const [swap, pop] = [2, 1].map((action) => new View(LABEL).set('action', action).bytes)
    const popping = transitOf(async () => 7, undefined, [pop]).transit
    const swapping = transitOf(async () => 7, undefined, [pop, swap]).transit
    forward(0)
    for (const transit of [popping, swapping]) await transit.look()
    expect([popping.because, swapping.because]).toEqual([
      expect.stringContaining('no label is swapped'),
      expect.stringContaining('does not forward'),
    ])
    forward(1)
    for (const transit of [popping, swapping]) await transit.look()
    expect([popping.isAttached, swapping.isAttached]).toEqual([false, true])
    forward(0)
  })

  // What lies beside a frame XDP does not see: a frame of a VLAN would be sent on that is the host's.
  it.skipIf(!hasEthtool)(`is not there while the device takes a tag of any kind out of frames${noEthtool}`, async () => {
    const [attach, detach] = [vi.fn(async () => 7), vi.fn(async () => undefined)]
    const { transit, warn } = transitOf(attach, detach)
    for (const settings of ['rxvlan on rx-vlan-stag-hw-parse off', 'rxvlan off rx-vlan-stag-hw-parse on']) {
      leaveTags(settings)
      for (let looks = 0; looks < 3; looks++) await transit.look()
      expect(transit.isAttached).toBe(false)
      expect(transit.because).toContain('ethtool -K up0 rxvlan off rx-vlan-stag-hw-parse off')
    }
    expect(attach).not.toHaveBeenCalled()
    // It was asked for, and nobody was told that it is not had.
    expect(warn).toHaveBeenCalledTimes(1)
    leaveTags('rxvlan off rx-vlan-stag-hw-parse off')
    await transit.look()
    expect(transit.isAttached).toBe(true)
    await transit.look()
    expect(detach).not.toHaveBeenCalled()
    leaveTags('rxvlan on')
    await transit.look()
    expect(detach).toHaveBeenCalledWith(7)
    expect(transit.isAttached).toBe(false)
    expect(attach).toHaveBeenCalledTimes(1)
    for (let looks = 0; looks < 3; looks++) await transit.look()
    expect(warn).toHaveBeenCalledTimes(2)
    expect(warn).toHaveBeenLastCalledWith(expect.stringContaining('by tc, and not by XDP'), {
      reason: expect.stringContaining('up0 takes tags'),
    })
  })

  // Drivers reset a device for the first program and for none any more: what the whole host had by it was gone, and nothing said why.
  it.skipIf(!hasEthtool)(
    `is warned of before it comes to hardware, which its driver may reset, unless it takes another one's place${noEthtool}`,
    async () => {
      leaveTags('rxvlan off rx-vlan-stag-hw-parse off')
      const reset = 'XDP comes to a device, whose driver may reset it for that, and once more when XDP goes'
      const attach = vi.fn<() => Promise<number>>()
      const pins = lab.path('hardware')
      const { transit, link, warn } = transitOf(attach, async () => undefined, undefined, pins)
      const warnings = (): unknown[] => warn.mock.calls.filter(([message]) => message === reset).map(([, fields]) => fields?.['uplink'])
      link.kind = ''
      attach.mockImplementationOnce(async () => {
        expect(warnings()).toEqual(['up0'])
        throw new LinuxError('EBUSY', 16, 'attach', 'Device or resource busy')
      })
      attach.mockResolvedValue(7)
      for (let looks = 0; looks < 3; looks++) await transit.look()
      expect([transit.isAttached, attach.mock.calls.length, warnings()]).toEqual([true, 2, ['up0']])
      await transit.detach()
      await transit.look()
      expect(warnings()).toEqual(['up0', 'up0'])

      await transit.detach()
      mkdirSync(pins, { recursive: true })
      writeFileSync(join(pins, TRANSIT_PIN), '')
      await transit.look()
      await transit.detach()
      rmSync(join(pins, TRANSIT_PIN))
      link.kind = 'veth'
      await transit.look()
      expect([transit.isAttached, warnings()]).toEqual([true, ['up0', 'up0']])
    },
  )

  // Each look went by the name that the link was opened with, and failed for ever after another.
  it.skipIf(!hasEthtool)(`is watched on when the uplink gets another name${noEthtool}`, async () => {
    const detach = vi.fn(async () => undefined)
    const { transit, link } = transitOf(async () => 7, detach)
    const ip = (line: string): string => lab.inHost('ip', ...line.split(' '))
    const tags = (name: string, settings: string): string => lab.inHost('ethtool', '-K', name, ...settings.split(' '))
    ip('link add old0 type veth peer name old1')
    tags('old0', 'rxvlan off rx-vlan-stag-hw-parse off')
    link.name = 'old0'
    await transit.look()
    ip('link set old0 name new0')
    link.name = 'new0'
    await transit.look()
    expect(transit.isAttached).toBe(true)
    tags('new0', 'rxvlan on')
    await transit.look()
    expect(detach).toHaveBeenCalledWith(7)
    expect(transit.because).toContain('new0 takes tags')
    ip('link delete new0')
  })

  // Whoever had no label to swap was told to change the host's device, and the device was asked each second for nothing.
  it('does not ask about tags while there is another reason', async () => {
    const { transit, link } = transitOf(async () => 7, undefined, [new View(LABEL).set('action', 1).bytes])
    link.name = 'absent0'
    await transit.look()
    expect(transit.because).toContain('no label is swapped')
  })

  // A bond has programs of XDP run at its members, and says nothing of what they take out of frames.
  it('is not there on a bond', async () => {
    const attach = vi.fn(async () => 7)
    const { transit, link } = transitOf(attach)
    link.kind = 'bond'
    await transit.look()
    expect(attach).not.toHaveBeenCalled()
    expect(transit.because).toContain('up0 is a bond')
  })

  // Its number was forgotten first, so that what still ran was told of as gone.
  it('counts as there until it is taken away, and a pin that stays is told of', async () => {
    const detach = vi.fn(async () => undefined)
    const pins = lab.path('stays')
    const { transit, link, warn } = transitOf(async () => 7, detach, undefined, pins)
    link.kind = 'veth'
    await transit.look()
    mkdirSync(join(pins, TRANSIT_PIN), { recursive: true })
    link.kind = 'bond'
    detach.mockRejectedValueOnce(new LinuxError('EBUSY', 16, 'unpin', 'Device or resource busy'))
    await expect(transit.look()).rejects.toThrow('unpin')
    expect(transit.isAttached).toBe(true)
    await transit.look()
    expect(transit.isAttached).toBe(false)
    expect(warn).toHaveBeenCalledWith(
      'The pin of XDP on the uplink cannot be removed',
      expect.objectContaining({ effect: 'a program that it holds goes on' }),
    )
    const { length } = warn.mock.calls
    await transit.look()
    expect(warn).toHaveBeenCalledTimes(length)
  })

  it('is tried again after what may go by itself, and after a refusal once the MTU is another one', async () => {
    const attach = vi.fn()
    const { transit, link } = transitOf(attach)
    // Which is not asked about tags.
    link.kind = 'veth'
    attach.mockRejectedValueOnce(new LinuxError('EINTR', 4, 'attach', 'Interrupted system call'))
    await transit.look()
    attach.mockRejectedValueOnce(new LinuxError('ERANGE', 34, 'attach', 'Numerical result out of range'))
    for (let looks = 0; looks < 3; looks++) await transit.look()
    expect(attach).toHaveBeenCalledTimes(2)
    link.mtu = 1500
    attach.mockResolvedValueOnce(7)
    await transit.look()
    expect(transit.isAttached).toBe(true)
  })

  // The reason stayed the one before, and the driver was asked no more.
  it('is tried again after a refusal once something else was against it', async () => {
    const attach = vi.fn(async () => 7).mockRejectedValueOnce(new LinuxError('ERANGE', 34, 'attach', 'Numerical result out of range'))
    const { transit, link } = transitOf(attach)
    const lookAt = async (kind: string): Promise<string> => {
      link.kind = kind
      await transit.look()
      return transit.because
    }
    expect(await lookAt('veth')).toContain('out of range')
    expect(await lookAt('bond')).toContain('is a bond')
    await lookAt('veth')
    expect(transit.isAttached).toBe(true)
    expect(attach).toHaveBeenCalledTimes(2)
  })

  it('goes on behind close({ keep: true }), is given the next program in one step, and goes when it is asked for no more', async () => {
    const pinDirectory = lab.path('pins')
    const first = await lab.open({ xdp: 'native', pinDirectory })
    const before = programThere()
    await first.close({ keep: true })
    expect(programThere()).toBe(before)
    const second = await lab.open({ xdp: 'native', pinDirectory })
    const after = programThere()
    expect(after).toBe((await second.inspectKernel()).parts.find(({ name }) => name === 'across')?.id)
    expect(after).not.toBe(before)
    await second.close({ keep: true })
    const third = await lab.open({ xdp: 'off', pinDirectory })
    expect(programThere()).toBeUndefined()
    await third.close()
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(pinDirectory)
  })
})
