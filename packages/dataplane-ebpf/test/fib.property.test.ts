import { RouteBatch, NO_GROUP, NO_MATCH, FibTable } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { answerIn, question } from './support/question.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'
import { unlikeDump } from './support/unlike-dump.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'

/** Asks the program for the group of an address. */
function ask(router: EbpfRouter, vrf: number, address: IpAddress): number {
  return answerIn(router.run('lookup', question(vrf, address)).packet)
}

/* Few bits vary, and at places that are borders of the trie, so that prefixes cover each other. */
const word = fc.constantFrom(0x0a000000, 0x0a000001, 0x0a000080, 0x0a0000ff, 0x0a010000, 0x0affffff, 0x80000000, 0xffffffff, 0)
const address = fc.oneof(
  word.map((w0) => IpAddress.v4(w0)),
  fc.tuple(word, word, word, word).map(([w0, w1, w2, w3]) => IpAddress.v6(w0, w1, w2, w3)),
)
const prefix = address.chain((host) =>
  fc
    .constantFrom(0, 1, 7, 8, 9, 15, 16, 17, 24, 25, 31, 32, 48, 64, 65, 120, 127, 128)
    .map((length) => maskedPrefix(host, Math.min(length, host.bits))),
)
const change = fc.record({ vrf: fc.constantFrom(1, 2), prefix, group: fc.constantFrom(0, 1, 2, 3), isRemoval: fc.boolean() })

function maskedPrefix(host: IpAddress, length: number): IpPrefix {
  const words = [host.w0, host.w1, host.w2, host.w3].map((value, index) => {
    const bits = length - index * 32
    return bits <= 0 ? 0 : bits >= 32 ? value : (value & ~(0xffffffff >>> bits)) >>> 0
  })
  const [w0, w1, w2, w3] = words
  return IpPrefix.of(host.family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3), length)
}

describe.skipIf(missing() !== '')(titled('the FIB in shared memory'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  let generation = 0

  beforeAll(() => {
    namespace = new RouterNamespace('fib')
  })
  afterEach(() => router.close())
  afterAll(() => namespace?.close())

  async function open(fibBlocks = 8192): Promise<void> {
    router = await namespace.open({ fibBlocks })
    const groups = [0, 1, 2, 3].map((id) => ({ id, members: [], seed: 0 }))
    const vrfs = [1, 2].map((id) => ({ id, name: `vrf ${id}` }))
    await router.apply({ ...emptyTransaction(++generation), vrfs: { set: vrfs, remove: [] }, groups: { set: groups, remove: [] } })
  }

  async function program(changes: readonly { vrf: number; prefix: IpPrefix; group: number; isRemoval: boolean }[]): Promise<void> {
    const routes = new RouteBatch()
    for (const { vrf, prefix: target, group, isRemoval } of changes) routes.push(vrf, target, isRemoval ? NO_GROUP : group)
    expect(await router.apply({ ...emptyTransaction(++generation), routes })).toMatchObject({ status: 'applied', failures: [] })
  }

  it('is looked up by the program as by the table of @heddle/core, after whatever changes', async () => {
    await open()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        fc.array(address, { minLength: 12, maxLength: 12 }),
        async (batches, addresses) => {
          const oracle = new Map([1, 2].map((vrf) => [vrf, new FibTable()]))
          for (const batch of batches) {
            await program(batch)
            for (const { vrf, prefix: target, group, isRemoval } of batch) {
              if (isRemoval) oracle.get(vrf)?.deletePrefix(target)
              else oracle.get(vrf)?.setPrefix(target, group)
            }
            for (const [vrf, table] of oracle) {
              for (const asked of addresses)
                expect([vrf, `${asked}`, ask(router, vrf, asked)]).toEqual([vrf, `${asked}`, table.lookup(asked)])
            }
          }
          expect(await unlikeDump(router)).toEqual([])
          const all = batches.flat().map((each) => ({ ...each, isRemoval: true }))
          await program(all)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('takes a large root when it has many routes, and gives all of its memory back', async () => {
    await open(32_768)
    const table = new FibTable()
    const changes = Array.from({ length: 5000 }, (_, index) => {
      const target = maskedPrefix(IpAddress.v4(Math.imul(index, 0x9e3779b1) >>> 0), 12 + (index % 21))
      table.setPrefix(target, index % 4)
      return { vrf: 1, prefix: target, group: index % 4, isRemoval: false }
    })
    await program(changes)
    for (let index = 0; index < 3000; index++) {
      const asked = IpAddress.v4(Math.imul(index, 0x85ebca6b) >>> 0)
      expect([`${asked}`, ask(router, 1, asked)]).toEqual([`${asked}`, table.lookup(asked)])
    }
    expect(router.parts.tables.fib.memory.used).toBeGreaterThan(256)
    expect(await unlikeDump(router)).toEqual([])
    await program(changes.map((each) => ({ ...each, isRemoval: true })))
    expect(ask(router, 1, IpAddress.v4(0x0a000001))).toBe(NO_MATCH)
    expect((await router.dump()).routes.count).toBe(0)
  })

  it('names the routes that its memory has no room for, and goes on with the others', async () => {
    router = await namespace.open({ fibBlocks: 1024 })
    const set = [{ id: 1, name: 'one' }]
    await router.apply({
      ...emptyTransaction(1),
      vrfs: { set, remove: [] },
      groups: { set: [{ id: 0, members: [], seed: 0 }], remove: [] },
    })
    const routes = new RouteBatch()
    for (let index = 0; index < 3000; index++) routes.push(1, IpPrefix.of(IpAddress.v4((index << 16) >>> 0), 24), 0)
    const report = await router.apply({ ...emptyTransaction(2), routes })
    expect(report.status).toBe('applied')
    expect(report.failures.length).toBeGreaterThan(0)
    expect(report.failures[0]).toMatchObject({ object: { kind: 'route' }, code: 'dataplane.limit' })
    const { count } = (await router.dump()).routes
    expect(count).toBe(3000 - report.failures.length)
    expect(ask(router, 1, IpAddress.v4(0))).toBe(0)
  })
})
