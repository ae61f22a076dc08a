import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IPV4_UNICAST, VPNV4_UNICAST, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { AttributeSets } from './attribute-sets.js'
import { PATH, RibTable } from './rib-table.js'
import { PeerRoutes } from './peer-routes.js'

const PEER = 3

const step = fc.record({
  host: fc.nat(40),
  pathId: fc.nat(1),
  med: fc.option(fc.nat(5), { nil: undefined }),
  received: fc.boolean(),
  invalid: fc.constantFrom(undefined, undefined, 'as-loop' as const),
  llgrStale: fc.boolean(),
})

const nlriOf = (family: Family, host: number): Nlri => {
  const prefix = IpPrefix.of(IpAddress.v4(host << 8), 24)
  return family === VPNV4_UNICAST
    ? { kind: 'vpn', labels: [16 + host], rd: RouteDistinguisher.parse(`192.0.2.1:${host % 3}`), prefix }
    : { kind: 'unicast', prefix }
}

describe.each([IPV4_UNICAST, VPNV4_UNICAST])('routes of $name', (family) => {
  test('come into the table in their order, however many at a time, and no reference is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 400 }), { maxLength: 4 }), (pieces) => {
        const table = new RibTable(family, new AttributeSets())
        const { sets } = table
        const batch = new PeerRoutes(table, PEER)
        const model = new Map<string, string>()
        for (const piece of pieces) {
          for (const { host, pathId, med, received, invalid, llgrStale } of piece) {
            const nlri = nlriOf(family, host)
            table.key.fromNlri(nlri, batch.key)
            const name = JSON.stringify([nlri, pathId])
            if (med === undefined) {
              batch.withdraw(pathId)
              model.delete(name)
              continue
            }
            const set = sets.intern({ attributes: { med } })
            const other = received ? sets.intern({ attributes: { med: med + 100 } }) : 0
            batch.announce(pathId, table.key.dataFromNlri(nlri), { set, received: other, invalid, llgrStale })
            sets.release(set)
            if (other !== 0) sets.release(other)
            model.set(name, JSON.stringify([med, received ? med + 100 : med, invalid ?? 'valid', llgrStale]))
          }
          batch.apply()
          const found = [...table.peerPaths(PEER)].map((path): [string, string] => {
            const { pathId: _id, ...nlri } = table.nlriOf(path) as Nlri & { pathId?: number }
            const med = sets.get(table.setOf(path)).attributes.med
            const received = sets.get(table.receivedOf(path)).attributes.med
            const state = [med, received, table.invalidOf(path) ?? 'valid', table.has(path, PATH.llgrStale)]
            return [JSON.stringify([nlri, table.pathIdOf(path)]), JSON.stringify(state)]
          })
          expect(found.length).toBe(model.size)
          expect(new Map(found)).toEqual(model)
          expect(table.peerCount(PEER)).toBe(model.size)
        }
        for (const path of table.peerPaths(PEER)) table.remove(path)
        expect(sets.size).toBe(0)
      }),
      { numRuns: 40 },
    )
  })
})

describe('a table', () => {
  const family = IPV4_UNICAST
  const nothing = { received: 0, invalid: undefined, llgrStale: false }
  const filled = () => {
    const table = new RibTable(family, new AttributeSets())
    const routes = new PeerRoutes(table, PEER)
    const announce = (host: number, path: Partial<typeof nothing> = {}): void => {
      const nlri = nlriOf(family, host)
      table.key.fromNlri(nlri, routes.key)
      const set = table.sets.intern({ attributes: { med: host } })
      routes.announce(0, table.key.dataFromNlri(nlri), { ...nothing, ...path, set })
      table.sets.release(set)
    }
    return { table, routes, announce }
  }

  test('whose sink throws has no route brought into it twice', () => {
    const { table, routes, announce } = filled()
    for (const host of [1, 2, 3]) announce(host)
    let told = 0
    table.sink = {
      changed: () => {
        if (++told === 3) throw new TypeError('no room')
      },
    }
    expect(() => routes.apply()).toThrow('no room')
    // each has its one reference; a second time they would give it away while the path is there
    routes.apply()
    expect(told).toBe(3)
    const paths = [...table.peerPaths(PEER)]
    expect(paths.map((path) => [table.sets.get(table.setOf(path)).attributes.med, table.sets.references(table.setOf(path))])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  })

  test('takes a route that is stale for long and comes again as it was for unchanged', () => {
    const { table, routes, announce } = filled()
    announce(1, { llgrStale: true })
    routes.apply()
    const decide = (): number[] => {
      const decided: number[] = []
      table.decide(
        Infinity,
        () => 0,
        (destination) => decided.push(destination),
      )
      return decided
    }
    expect(decide()).toHaveLength(1)
    announce(1, { llgrStale: true })
    routes.apply()
    expect(decide()).toEqual([])
    announce(1)
    routes.apply()
    expect(decide()).toHaveLength(1)
    expect([...table.peerPaths(PEER)].map((path) => table.has(path, PATH.llgrStale))).toEqual([false])
  })
})
