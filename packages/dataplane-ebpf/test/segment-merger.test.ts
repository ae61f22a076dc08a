import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError, type Netlink } from '@heddle/linux'
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest'
import { BEHIND_JOINT_LABELS, IN_VXLAN, SegmentMerger, type MergedSegments } from '../src/device/segment-merger.js'
import { native, type Native } from '../src/native/load.js'
import type { ConfigView } from '../src/tables/config.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { missingNative, titled } from './support/requirements.js'

interface Case {
  readonly merged: MergedSegments
  readonly what: string
  readonly name: string
  readonly isJoint: boolean
  readonly device: string
  readonly unasked: string
  readonly harm: string
  /** Place behind the last of those that count. */
  readonly slot: number
}

/** Bits that are not the merger's. */
const OTHERS = 0b01111
const CASES: readonly Case[] = [
  {
    merged: IN_VXLAN,
    what: 'Segments that come in by VXLAN',
    name: 'hd3vxlan',
    isJoint: false,
    device: 'a VXLAN device',
    unasked: 'no VNI was programmed yet',
    harm: 'a VRF sends some of them on by labels, which the kernel could not cut again',
    slot: 63,
  },
  {
    merged: BEHIND_JOINT_LABELS,
    what: 'Segments that come in behind joint labels',
    name: 'hd3joint',
    isJoint: true,
    device: 'a VXLAN-GPE device',
    unasked: 'MPLS over UDP is not carried',
    harm: 'some of them are sent on into another tunnel, or by the host, for which the kernel could not cut them again',
    slot: 62,
  },
]

describe.skipIf(missingNative() !== '').each(CASES)(titled('what has the kernel merge: $what', missingNative()), (one) => {
  const { merged, what, name, isJoint, device, unasked, harm, slot } = one
  let ensure: MockInstance<Native['mergerEnsure']>
  let remove: MockInstance<Native['mergerRemove']>
  let removeAll: MockInstance<Native['mergersRemove']>
  let warn: MockInstance<Logger['warn']>
  let merger: SegmentMerger
  let inVrf: SegmentMerger
  let inVrfBefore: SegmentMerger
  let lost: number
  let avoided: number
  let link: () => Promise<{ up: boolean }>
  beforeEach(() => {
    lost = 0
    avoided = OTHERS
    link = async () => ({ up: true })
    ensure = vi.spyOn(native(), 'mergerEnsure').mockResolvedValue()
    remove = vi.spyOn(native(), 'mergerRemove').mockResolvedValue()
    removeAll = vi.spyOn(native(), 'mergersRemove').mockResolvedValue()
    const logger = { ...silentLogger, warn: vi.fn<Logger['warn']>() }
    warn = logger.warn
    const maps = { get: (_: string, at: number) => Uint8Array.of(at), sums: ([at]: Uint8Array) => [at === slot ? lost : 0] }
    const links = { get: (asked: string) => (asked === name ? link() : Promise.reject(new TypeError(asked))) }
    const config = { get: () => avoided, set: (_: string, value: number) => (avoided = value) } as unknown as ConfigView
    const shared = { maps: maps as unknown as KernelMaps, config, netlink: { links } as unknown as Netlink }
    const options = { ...shared, merged, netns: undefined, uplink: 3, vrf: undefined, mergesInVrfs: true, logger }
    merger = new SegmentMerger(options)
    inVrf = new SegmentMerger({ ...options, vrf: 7 })
    inVrfBefore = new SegmentMerger({ ...options, vrf: 7, mergesInVrfs: false })
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
  const told = (): unknown => {
    // What programs are told is never another thing.
    expect(avoided).toBe(merger.isMerging && isJoint ? OTHERS | 16 : OTHERS)
    return [merger.isMerging, merger.because]
  }

  it('tells why it does so, or does not yet', async () => {
    expect(told()).toEqual([false, unasked])
    await merger.ensure()
    await merger.look()
    expect(told()).toEqual([true, `${device} that carries nothing has the kernel do so`])
    expect(ensure.mock.calls).toEqual([[undefined, name, isJoint, undefined]])
    await merger.remove()
    expect(told()).toEqual([false, unasked])
    expect(remove.mock.calls).toEqual([[undefined, name]])
  })

  it('has a device with a link in the VRF that the uplink is in', async () => {
    await inVrf.ensure()
    expect(ensure.mock.calls).toEqual([[undefined, name, isJoint, { link: 3, vrf: 7 }]])
  })

  // There was one that merged nothing, and far ends were told that joint labels have segments merged.
  it('takes one away that is in a VRF whose sockets the kernel does not find, once, and tells why', async () => {
    await inVrfBefore.ensure()
    await inVrfBefore.ensure()
    await inVrfBefore.look()
    const because = 'the uplink is in a VRF device, whose sockets Linux does not find before 6.5 when it merges'
    expect([inVrfBefore.isMerging, inVrfBefore.because, avoided]).toEqual([false, because, OTHERS])
    expect([ensure.mock.calls, remove.mock.calls, warn.mock.calls]).toEqual([[], [[undefined, name]], []])
  })

  it('tells in the words of the kernel why there is none, once', async () => {
    ensure.mockRejectedValueOnce(new LinuxError('EADDRINUSE', 98, 'make a VXLAN device', 'Address already in use'))
    await merger.ensure()
    await merger.ensure()
    await merger.look()
    expect(told()).toEqual([false, expect.stringContaining('Address already in use')])
    expect(warn).toHaveBeenCalledExactlyOnceWith(`${what} are not merged`, { reason: merger.because })
    expect(ensure).toHaveBeenCalledOnce()
  })

  it.each(['before', 'after'])('tells of the harm that ended it, done %s it has begun', async (when) => {
    await (when === 'after' ? merger.ensure() : merger.remove())
    lost = 1
    await merger.look()
    await merger.ensure()
    expect(told()).toEqual([false, harm])
    expect(ensure).toHaveBeenCalledTimes(when === 'after' ? 1 : 0)
    expect(removeAll).toHaveBeenCalledWith(undefined, 'hd', merged.end)
  })

  // It stayed, and did harm for ever.
  it('takes away what a dataplane before this one has left, which has done harm, and tells so once', async () => {
    lost = 1
    await merger.ensure()
    await merger.ensure()
    await merger.look()
    expect(told()).toEqual([false, harm])
    expect([ensure.mock.calls, removeAll.mock.calls[0]]).toEqual([[], [undefined, 'hd', merged.end]])
    expect(warn).toHaveBeenCalledExactlyOnceWith(`${what} are merged no more`, { reason: harm })
  })

  // It was taken for gone, so that what merged on was taken away no more.
  it('merges on where the device cannot be taken away, tells so, and tries again', async () => {
    await merger.ensure()
    lost = 1
    removeAll.mockRejectedValueOnce(new LinuxError('EBUSY', 16, 'remove a VXLAN device', 'Device or resource busy'))
    await expect(merger.look()).rejects.toThrow('busy')
    expect([merger.isMerging, warn.mock.calls]).toEqual([true, []])
    await merger.look()
    expect(told()).toEqual([false, harm])
    expect(warn).toHaveBeenCalledExactlyOnceWith(`${what} are merged no more`, { reason: harm })
  })

  it.each<[string, () => Promise<{ up: boolean }>]>([
    ['down', async () => ({ up: false })],
    ['away', () => Promise.reject(new LinuxError('ENODEV', 19, 'get a link', 'No such device'))],
  ])('tells once that somebody has taken the device %s', async (_, found) => {
    await merger.ensure()
    link = found
    await merger.look()
    await merger.look()
    expect(told()).toEqual([false, expect.stringContaining('by another router of this namespace')])
    expect(warn).toHaveBeenCalledExactlyOnceWith(`${what} are merged no more`, { reason: merger.because })
  })
})
