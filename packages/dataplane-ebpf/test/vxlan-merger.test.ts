import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError } from '@heddle/linux'
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest'
import { VxlanMerger } from '../src/device/vxlan-merger.js'
import { native, type Native } from '../src/native/load.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { missingNative, titled } from './support/requirements.js'

const HARM = 'a VRF sends some of them on by labels, which the kernel could not cut again'

describe.skipIf(missingNative() !== '')(titled('what has the kernel merge segments in VXLAN', missingNative()), () => {
  let ensure: MockInstance<Native['vxlanEnsure']>
  let remove: MockInstance<Native['vxlanRemove']>
  let warn: MockInstance<Logger['warn']>
  let merger: VxlanMerger
  let lost: number
  beforeEach(() => {
    lost = 0
    ensure = vi.spyOn(native(), 'vxlanEnsure').mockResolvedValue()
    remove = vi.spyOn(native(), 'vxlanRemove').mockResolvedValue()
    const logger = { ...silentLogger, warn: vi.fn<Logger['warn']>() }
    warn = logger.warn
    const maps = { get: () => new Uint8Array(8), sums: () => [lost] } as unknown as KernelMaps
    merger = new VxlanMerger({ maps, netns: undefined, uplink: 3, logger })
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
  const told = (): unknown => [merger.isMerging, merger.because]

  it('tells why it does so, or does not yet', async () => {
    expect(told()).toEqual([false, 'no VNI was programmed yet'])
    await merger.ensure()
    await merger.look()
    expect(told()).toEqual([true, expect.stringContaining('VXLAN device')])
  })

  it('tells in the words of the kernel why there is none', async () => {
    ensure.mockRejectedValueOnce(new LinuxError('EADDRINUSE', 98, 'make a VXLAN device', 'Address already in use'))
    await merger.ensure()
    expect(told()).toEqual([false, expect.stringContaining('Address already in use')])
  })

  it.each(['before', 'after'])('tells of the harm that ended it, done %s it has begun', async (when) => {
    await (when === 'after' ? merger.ensure() : merger.remove())
    lost = 1
    await merger.look()
    await merger.ensure()
    expect(told()).toEqual([false, HARM])
    expect([ensure, remove].map(({ mock }) => mock.calls.length)).toEqual(when === 'after' ? [1, 1] : [0, 1])
  })

  // It stayed, and did harm for ever.
  it('takes away once what a dataplane before this one has left, which has done harm', async () => {
    lost = 1
    await merger.ensure()
    await merger.ensure()
    await merger.look()
    expect(told()).toEqual([false, HARM])
    expect([ensure, remove].map(({ mock }) => mock.calls.length)).toEqual([0, 1])
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('merged no more'), { reason: HARM })
  })

  // It was taken for gone, so that what merged on was taken away no more.
  it('merges on where the device cannot be taken away, tells so, and tries again', async () => {
    await merger.ensure()
    lost = 1
    remove.mockRejectedValueOnce(new LinuxError('EBUSY', 16, 'remove a VXLAN device', 'Device or resource busy'))
    await expect(merger.look()).rejects.toThrow('busy')
    expect([merger.isMerging, warn.mock.calls]).toEqual([true, []])
    await merger.look()
    expect(told()).toEqual([false, HARM])
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('merged no more'), { reason: HARM })
  })
})
