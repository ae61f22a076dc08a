import { ManualClock, recordingLogger } from '@heddle/io/testing'
import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VPNV4_UNICAST, VPNV6_UNICAST } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { LOCAL, PATH, RibTable } from '../../rib/rib-table.js'
import { ChangeFeed } from './change-feed.js'
import type { RouteChange } from '../route.js'
import { Scheduler } from '../scheduler.js'

const vpn = (family: 4 | 6, host: number, label: number): Nlri => ({
  kind: 'vpn',
  labels: [label],
  rd: RouteDistinguisher.of(0, 65000, 1),
  prefix: IpPrefix.of(family === 4 ? IpAddress.v4(0x0a000000 + host) : IpAddress.v6(0x2001_0db8, 0, 0, host)),
})

const place = { family: fc.constantFrom<4 | 6>(4, 6), peer: fc.integer({ min: LOCAL, max: 1 }), host: fc.nat(1), pathId: fc.nat(1) }
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('announce' as const), ...place, label: fc.integer({ min: 16, max: 20 }), invalid: fc.nat(3) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), peer: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stale' as const), peer: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), peer: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'read' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'tick' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'again' as const }) },
)

/** A path in the model: what a reader must come to know of it, or nothing. */
interface Path {
  readonly label: number
  readonly invalid: boolean
  stale: boolean
}

test('however slow the reader, what it knows in the end is what there is, and it is never told of what it could not know', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
      const clock = new ManualClock()
      const scheduler = new Scheduler(clock, recordingLogger())
      const sets = new AttributeSets()
      const tables: RibTable[] = []
      const feed = new ChangeFeed(
        scheduler,
        () => tables.map((table) => ({ table, vrf: undefined })),
        (index) => ({ address: String(index), peerType: 'ibgp', routerId: IpAddress.v4(index) }),
        0,
      )
      const byFamily = { 4: new RibTable(VPNV4_UNICAST, sets, feed), 6: new RibTable(VPNV6_UNICAST, sets, feed) }
      tables.push(byFamily[4], byFamily[6])
      const model = new Map<string, Path>()
      const keyOf = (peer: number | string, prefix: string, pathId: number): string => `${peer} ${prefix} ${pathId}`

      let known = new Map<string, string>()
      let iteration = feed[Symbol.asyncIterator]()
      const apply = (changes: readonly RouteChange[]): void => {
        const keys = new Set<string>()
        for (const change of changes) {
          if (change.nlri.kind !== 'vpn') expect.unreachable()
          const key = keyOf(change.peer, String(change.nlri.prefix), change.pathId)
          expect(keys.has(key)).toBe(false) // one entry a path
          keys.add(key)
          if (change.kind === 'withdraw') expect(known.delete(key)).toBe(true)
          else known.set(key, `${change.nlri.labels[0]} ${change.stale}`)
        }
      }
      const readAll = async (): Promise<void> => {
        while (feed.pending > 0) {
          const before = feed.pending
          const waiting = iteration.next()
          const result = await Promise.race([waiting, clock.settle()])
          if (result === undefined) {
            // all that was queued had come and gone
            expect(feed.pending).toBe(0)
            void waiting.then(({ value }) => value !== undefined && apply(value as readonly RouteChange[]))
            held = true
            return
          }
          expect(feed.pending).toBeLessThan(before)
          apply(result.value as readonly RouteChange[])
        }
      }
      /** A `next` is under way that nothing has answered. */
      let held = false
      /** What is leaving goes a piece at a time. */
      const decide = (limit: number): void => {
        for (const table of tables)
          table.decide(
            limit,
            () => 0,
            () => undefined,
          )
      }
      const settle = async (): Promise<void> => {
        decide(1)
        await clock.run(1)
        held = false
      }

      for (const step of operations) {
        switch (step.kind) {
          case 'announce': {
            const table = byFamily[step.family]
            const nlri = vpn(step.family, step.host, step.label)
            const key = table.newKey()
            table.key.fromNlri(nlri, key)
            const invalid = step.invalid === 0
            table.announce(
              step.peer,
              key,
              step.pathId,
              table.key.dataFromNlri(nlri),
              sets.intern({ attributes: {} }),
              invalid ? 'as-loop' : undefined,
            )
            if (nlri.kind === 'vpn')
              model.set(keyOf(step.peer, String(nlri.prefix), step.pathId), { label: step.label, invalid, stale: false })
            break
          }
          case 'withdraw': {
            const table = byFamily[step.family]
            const nlri = vpn(step.family, step.host, 0)
            const key = table.newKey()
            table.key.fromNlri(nlri, key)
            table.withdraw(step.peer, key, step.pathId)
            if (nlri.kind === 'vpn') model.delete(keyOf(step.peer, String(nlri.prefix), step.pathId))
            break
          }
          case 'stale':
            for (const table of tables) table.markPeer(step.peer, PATH.stale)
            for (const [key, path] of model) if (key.startsWith(`${step.peer} `)) path.stale = true
            break
          case 'down':
          case 'sweep':
            for (const table of tables) table.removePeer(step.peer, step.kind === 'down' ? 0 : PATH.stale)
            for (const [key, { stale }] of model) if (key.startsWith(`${step.peer} `) && (step.kind === 'down' || stale)) model.delete(key)
            break
          case 'tick':
            await settle()
            break
          case 'read':
            if (held) await settle()
            else await readAll()
            break
          default:
            await iteration.return?.()
            await clock.settle()
            held = false
            expect(feed.pending).toBe(0)
            known = new Map()
            iteration = feed[Symbol.asyncIterator]()
        }
        if (held) await settle()
      }
      decide(Infinity)
      await settle()
      await readAll()
      const expected = [...model].filter(([key, { invalid }]) => !invalid && !key.startsWith(`${LOCAL} `))
      expect(known).toEqual(new Map(expected.map(([key, { label, stale }]) => [key, `${label} ${stale}`])))
    }),
    { numRuns: 500 },
  )
})

test('a reader that stands still costs no more than what there is and what it knows, however much comes and goes', async () => {
  const clock = new ManualClock()
  const scheduler = new Scheduler(clock, recordingLogger())
  const tables: RibTable[] = []
  const feed = new ChangeFeed(
    scheduler,
    () => tables.map((table) => ({ table, vrf: undefined })),
    (index) => ({ address: String(index), peerType: 'ibgp', routerId: IpAddress.v4(index) }),
  )
  const sets = new AttributeSets()
  const table = new RibTable(VPNV4_UNICAST, sets, feed)
  tables.push(table)
  const apply = (host: number, announced: boolean): void => {
    const nlri = vpn(4, host, 16)
    const key = table.newKey()
    table.key.fromNlri(nlri, key)
    if (announced) table.announce(1, key, 0, table.key.dataFromNlri(nlri), sets.intern({ attributes: {} }))
    else table.withdraw(1, key, 0)
  }
  const settle = async (): Promise<void> => {
    table.decide(
      Infinity,
      () => 0,
      () => undefined,
    )
    await clock.run(1)
  }
  const iteration = feed[Symbol.asyncIterator]()
  for (let host = 0; host < 10; host++) apply(host, true)
  await iteration.next()
  for (let wave = 1; wave <= 20; wave++) {
    for (let host = wave * 1000; host < (wave + 1) * 1000; host++) apply(host, true)
    await settle()
    for (let host = wave * 1000; host < (wave + 1) * 1000; host++) apply(host, false)
    await settle()
    expect(feed.pending).toBeLessThan(3000)
    expect(table.size).toBeLessThan(3000)
  }
  apply(5, false)
  apply(99_999, true)
  const { value } = await iteration.next()
  expect((value as RouteChange[]).map(({ kind }) => kind)).toEqual(['withdraw', 'announce'])
  expect(feed.pending).toBe(0)
})
