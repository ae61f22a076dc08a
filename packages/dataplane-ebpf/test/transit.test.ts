import type { KernelInspection } from '@heddle/core'
import { silentLogger } from '@heddle/io'
import { LinuxError, type Netlink } from '@heddle/linux'
import { EMPTY, transition, type Tables } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { readBpfObject } from '../src/bpf-object.js'
import { Transit, TRANSIT_PIN } from '../src/device/transit.js'
import { View } from '../src/layout/struct.js'
import { CONFIG } from '../src/layout/structs/config.js'
import { LABEL } from '../src/layout/structs/objects.js'
import { call, callAsync } from '../src/native/call.js'
import { pinsOf } from '../src/pins.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { hasEthtool } from './support/hairpin.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS } from './support/router.js'
import { RouterLab } from './support/router-lab.js'

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
    expect(choiceOf(await without.inspectKernel())).toMatchObject({ chosen: 'tc', because: expect.stringContaining('off') })
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
        expect.objectContaining({ id: theirs, details: 'ingress of uplink up0 by xdp' }),
      ])
      await callAsync(() => object.detach(other))
      await expect.poll(async () => choiceOf(await router.inspectKernel())?.chosen).toBe('xdp')
      expect(programThere()).not.toBe(theirs)
    } finally {
      call(() => object.close())
    }
  })

  it('is no reason not to open, when what is pinned in its place cannot be removed', async () => {
    const pinDirectory = lab.path('stuck')
    const first = await lab.open({ pinDirectory })
    mkdirSync(join(pinsOf(pinDirectory), TRANSIT_PIN))
    await first.close({ keep: true })
    const warn = vi.fn()
    const second = await lab.open({ pinDirectory, logger: { ...silentLogger, warn } })
    expect(warn).toHaveBeenCalledWith('The pin of XDP on the uplink cannot be removed', expect.anything())
    await second.close()
  })

  /** On the uplink, as if it was no veth. */
  function transitOf(
    attach: () => Promise<number>,
    detach?: () => Promise<void>,
    labels?: readonly Uint8Array[],
  ): { readonly transit: Transit; readonly link: { mtu: number } } {
    const link = { kind: 'device', mtu: 9000 }
    const transit = new Transit({
      maps: { object: { attach, detach }, entries: () => (labels ?? []).map((value) => [value, value]) } as unknown as KernelMaps,
      config: new View(CONFIG),
      netlink: { links: { get: async () => link } } as unknown as Netlink,
      netns: lab.netns,
      uplink: { name: 'up0', index: 1 },
      families: [4],
      pins: undefined,
      wanted: labels === undefined ? 'native' : undefined,
      logger: silentLogger,
    })
    return { transit, link }
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
    const { transit } = transitOf(attach, detach)
    for (const settings of ['rxvlan on rx-vlan-stag-hw-parse off', 'rxvlan off rx-vlan-stag-hw-parse on']) {
      leaveTags(settings)
      await transit.look()
      expect(transit.isAttached).toBe(false)
      expect(transit.because).toContain('ethtool -K up0 rxvlan off rx-vlan-stag-hw-parse off')
    }
    expect(attach).not.toHaveBeenCalled()
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
  })

  it.skipIf(!hasEthtool)(
    `is tried again after what may go by itself, and after a refusal once the MTU is another one${noEthtool}`,
    async () => {
      const attach = vi.fn()
      const { transit, link } = transitOf(attach)
      leaveTags('rxvlan off rx-vlan-stag-hw-parse off')
      attach.mockRejectedValueOnce(new LinuxError('EINTR', 4, 'attach', 'Interrupted system call'))
      await transit.look()
      attach.mockRejectedValueOnce(new LinuxError('ERANGE', 34, 'attach', 'Numerical result out of range'))
      for (let looks = 0; looks < 3; looks++) await transit.look()
      expect(attach).toHaveBeenCalledTimes(2)
      link.mtu = 1500
      attach.mockResolvedValueOnce(7)
      await transit.look()
      expect(transit.isAttached).toBe(true)
    },
  )

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
