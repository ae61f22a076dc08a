import { RouteBatch, type FibTransaction } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it, vi } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { View } from '../src/layout/struct.js'
import { VRF } from '../src/layout/structs/objects.js'
import { call } from '../src/native/call.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { missing, titled } from './support/requirements.js'
import { podTransaction, PODS, RouterLab } from './support/router-lab.js'

/** Hosts that share no block with each other but the first, so that each takes two. */
function scattered(generation: number, count: number): FibTransaction {
  const routes = new RouteBatch()
  for (let index = 0; index < count; index++) routes.push(1, IpPrefix.of(IpAddress.v4(0x1400_0000 + index * 0x1_0001)), 1)
  return { ...emptyTransaction(generation), routes }
}

describe.skipIf(missing() !== '')(titled('a dataplane whose routes take more than half of the FIB'), () => {
  const lab = new RouterLab('full-fib', { fibBlocks: 1024, routes: 8192 })

  // The next one was refused, and a node that was so full could not be started again.
  it.each([
    [100, false],
    [300, true],
  ])('is taken over, with a gap where they do not fit twice: %i routes', async (count, hasGap) => {
    const pinDirectory = lab.path(`pins-${count}`)
    const first = await lab.open({ pinDirectory })
    await first.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(first, port)
    expect(await first.apply(scattered(2, count))).toMatchObject({ status: 'applied', failures: [] })
    expect(first.parts.tables.fib.memory.used > 512).toBe(hasGap)
    const { routes: before } = await first.dump()
    await first.close({ keep: true })
    expect(await lab.ping()).toContain(' 2 received')

    const warn = vi.fn()
    const logger = { warn, debug: vi.fn(), info: vi.fn(), error: vi.fn(), child: () => logger } as unknown as Logger
    const second = await lab.open({ pinDirectory, logger })
    const gap = { routes: count + PODS.length, lost: 0 }
    const said = expect.stringContaining('do not fit twice') as string
    const told = warn.mock.calls.filter(([what]) => String(what).includes('FIB'))
    expect(told).toEqual(hasGap ? [[said, { ...gap, remedy: expect.stringMatching(/^at least \d+ `fibBlocks`$/) as string }]] : [])
    const { routes, generation, devices } = await second.dump()
    const textOf = (batch: RouteBatch): string[] =>
      Array.from({ length: batch.count }, (_, row) => `${batch.address[row * 4]}/${batch.length[row]} ${batch.group[row]}`).sort()
    expect(textOf(routes)).toEqual(textOf(before))
    expect([generation, devices.length]).toEqual([2, PODS.length])
    expect(await lab.ping()).toContain(' 2 received')
    // What is free is known again.
    expect(await second.apply(scattered(3, count + 20))).toMatchObject({ status: 'applied', failures: [] })
    await lab.close(second)
  })

  it('leads programs to no route before it builds where they were', () => {
    const object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 512, flows: 1024 }))
    try {
      const maps = new KernelMaps(object)
      const root = (): number => new View(VRF, maps.get('vrfs', 1) ?? new Uint8Array(VRF.size)).get('root4')
      const first = new KernelTables(maps)
      const { address, count } = scattered(1, 300).routes
      const setRoutes = (): void => {
        for (let row = 0; row < count; row++) first.routes.of(1).set(4, address[row * 4], 0, 0, 0, 32, 1)
      }
      const { vrfs } = podTransaction(1)
      expect(first.program({ ...emptyTransaction(1), vrfs }, setRoutes)).toEqual([])
      const before = root()
      const waited: number[] = []
      const second = new KernelTables(maps, { wait: () => void waited.push(root()), passed: () => Promise.resolve() })
      // For what the one before gave back last, and then for what it had.
      expect(waited).toEqual([before, 0])
      expect([before, root()].includes(0)).toBe(false)
      expect(second.gap).toEqual({ routes: count, lost: 0 })
    } finally {
      call(() => object.close())
    }
  })
})
