import type { FibTransaction } from '@heddle/core'
import { ebpfFeatures } from '@heddle/dataplane-ebpf'
import { LinuxError } from '@heddle/linux'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { Transit } from '../src/device/transit.js'
import { VxlanMerger } from '../src/device/vxlan-merger.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { DROPPED_JOINED } from '../src/layout/structs/config.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { PEERS } from './support/router.js'
import { RouterLab } from './support/router-lab.js'

const hasVxlan = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan' && available)
const lack = missing() === '' && !hasVxlan ? ' (skipped: needs vxlan)' : ''

/** A VNI. */
function transaction(generation: number): FibTransaction {
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    tunnelSources: { set: [{ id: 0, prefixes: [IpPrefix.of(PEERS[4][0])] }], remove: [] },
    vnis: { set: [{ vni: 7, vrf: 1, routerMac: MacAddress.parse('02:00:00:00:00:01'), sources: 0 }], remove: [] },
  }
}

describe.skipIf(!hasVxlan)(titled(`the device that has the kernel merge segments in VXLAN${lack}`), () => {
  const lab = new RouterLab('merging', { fibBlocks: 1024, routes: 1024 })
  afterEach(() => void vi.restoreAllMocks())

  const isThere = (): boolean => lab.inHost(...'ip -o link show type vxlan'.split(' ')).trim() !== ''

  async function openWithDevice(pinDirectory?: string): Promise<EbpfRouter> {
    const router = await lab.open(pinDirectory === undefined ? {} : { pinDirectory })
    expect(await router.apply(transaction(1))).toMatchObject({ status: 'applied', failures: [] })
    expect(isThere()).toBe(true)
    return router
  }

  /** As programs count what they have to drop because it was merged. */
  function countHarm({ parts: { maps } }: EbpfRouter): void {
    maps.set('drops', DROPPED_JOINED, new Uint8Array(maps.valueSize('drops')).fill(1, 0, 1))
  }

  // It stayed up, and each segment that it had the kernel merge was lost.
  it('goes when a dataplane opens where one before it has left it, and harm was done', async () => {
    const pinDirectory = lab.path('harm')
    const look = vi.spyOn(VxlanMerger.prototype, 'look').mockResolvedValue()
    const first = await openWithDevice(pinDirectory)
    countHarm(first)
    await first.close({ keep: true })
    expect(isThere()).toBe(true)
    look.mockRestore()
    await lab.open({ pinDirectory })
    expect(isThere()).toBe(false)
  })

  // Whoever did without it had it go on.
  it('goes when a dataplane opens without it where one before it has left it, and comes with no VNI', async () => {
    const pinDirectory = lab.path('without')
    await (await openWithDevice(pinDirectory)).close({ keep: true })
    expect(isThere()).toBe(true)
    const second = await lab.open({ pinDirectory, without: ['vxlan'] })
    expect(isThere()).toBe(false)
    expect(await second.apply(transaction(2))).toMatchObject({ status: 'applied', failures: [] })
    expect(isThere()).toBe(false)
  })

  // Whatever was looked at before it had to be well.
  it('goes once it has done harm while XDP cannot be looked at', async () => {
    const router = await openWithDevice()
    vi.spyOn(Transit.prototype, 'look').mockRejectedValue(new LinuxError('EIO', 5, 'look at XDP', 'Input/output error'))
    countHarm(router)
    await expect.poll(isThere, { timeout: 20_000 * PACE }).toBe(false)
  })
})
