import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IPV4_UNICAST } from '../nlri/family.js'
import { AttributeSets } from './attribute-sets.js'
import { PATH, RibTable } from './rib-table.js'

const PEERS = 3
const peer = fc.integer({ min: 1, max: PEERS })
const host = fc.nat(11)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('announce' as const), peer, host }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), peer, host }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('depart' as const), peer }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('mark-stale' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove-stale' as const), peer }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('decide' as const), limit: fc.integer({ min: 1, max: 4 }) }) },
)

test('paths of a peer that has gone are gone at once, and go one by one, whoever comes back meanwhile', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const sets = new AttributeSets()
      const table = new RibTable(IPV4_UNICAST, sets)
      /** By peer and host: whether the path is stale. */
      const model = new Map<string, boolean>()
      const keyOf = (at: number): Uint32Array => {
        const key = table.newKey()
        table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.of(IpAddress.v4(0x0a00_0000 + at)) }, key)
        return key
      }
      const decide = (limit: number): void =>
        table.decide(
          limit,
          (_, destination) => table.pathsOf(destination)[0] ?? 0,
          () => undefined,
        )
      const check = (): void => {
        const found = new Map<string, boolean>()
        for (const destination of table.destinations()) {
          for (const path of table.pathsOf(destination)) {
            const nlri = table.nlriOf(path)
            const at = nlri.kind === 'unicast' ? nlri.prefix.address.w0 - 0x0a00_0000 : -1
            found.set(`${table.peerOf(path)} ${at}`, table.has(path, PATH.stale))
          }
        }
        expect(found).toEqual(model)
        for (let one = 1; one <= PEERS; one++) {
          const own = [...model].filter(([name]) => name.startsWith(`${one} `))
          expect([...table.peerPaths(one)]).toHaveLength(own.length)
          expect([table.peerCount(one), table.peerStaleCount(one)]).toEqual([own.length, own.filter(([, stale]) => stale).length])
        }
        expect(table.paths).toBe(model.size)
      }
      const forget = (one: number, which: (stale: boolean) => boolean): void => {
        for (const [name, stale] of model) if (name.startsWith(`${one} `) && which(stale)) model.delete(name)
      }
      for (const one of steps) {
        switch (one.kind) {
          case 'announce':
            table.announce(one.peer, keyOf(one.host), 0, 0, sets.intern({ attributes: { med: one.peer } }))
            model.set(`${one.peer} ${one.host}`, false)
            break
          case 'withdraw':
            expect(table.withdraw(one.peer, keyOf(one.host), 0)).toBe(model.delete(`${one.peer} ${one.host}`))
            break
          case 'depart':
            table.removePeer(one.peer)
            forget(one.peer, () => true)
            break
          case 'mark-stale':
            table.markPeer(one.peer, PATH.stale)
            for (const name of model.keys()) if (name.startsWith(`${one.peer} `)) model.set(name, true)
            break
          case 'remove-stale':
            table.removePeer(one.peer, PATH.stale)
            forget(one.peer, (stale) => stale)
            break
          default:
            decide(one.limit)
        }
        check()
      }
      while (table.dirty > 0) decide(5)
      check()
      expect(table.size).toBe(new Set([...model.keys()].map((name) => name.split(' ')[1])).size)
      for (let one = 1; one <= PEERS; one++) table.removePeer(one)
      while (table.dirty > 0) decide(5)
      expect([table.size, table.paths, sets.size]).toEqual([0, 0, 0])
    }),
    { numRuns: 300 },
  )
})
