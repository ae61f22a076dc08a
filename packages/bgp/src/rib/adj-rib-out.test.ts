import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IPV4_UNICAST } from '../nlri/family.js'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { AdjRibOut, type ExportTarget } from './adj-rib-out.js'
import { AttributeSets } from './attribute-sets.js'
import { addPeer, hasPeer, nextPeer } from './peer-set.js'
import { RibTable } from './rib-table.js'

/** More than a word of them. */
const PEERS = 40
const DESTINATIONS = 4

const peers = fc.uniqueArray(fc.nat(PEERS - 1), { maxLength: 6 })
const destination = fc.integer({ min: 1, max: DESTINATIONS })
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      destination,
      targets: fc.uniqueArray(fc.record({ pathId: fc.nat(2), set: fc.nat(2), to: peers }), {
        maxLength: 3,
        selector: ({ pathId }) => pathId,
      }),
      members: peers,
      forced: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('drop' as const), peer: fc.nat(PEERS - 1), limit: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('adopt' as const), peer: fc.nat(PEERS - 1), destination, pathId: fc.nat(2), set: fc.nat(2) }),
  },
)

const setOf = (words: number, all: readonly number[]): Uint32Array => {
  const out = new Uint32Array(words)
  for (const peer of all) addPeer(out, peer)
  return out
}

const eachPeer = (set: Uint32Array, visit: (peer: number) => void): void => {
  for (let peer = nextPeer(set, 0); peer >= 0; peer = nextPeer(set, peer + 1)) visit(peer)
}

test('peers hold what they are to hold, are told what is another, and all is free in the end', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const sets = new AttributeSets()
      const table = new RibTable(IPV4_UNICAST, sets)
      const out = new AdjRibOut(table)
      const base = sets.intern({ attributes: { origin: 'igp' } })
      // two ids of the same set, as from two ways of export, and one of another
      const ids = [sets.reflect(base, 1, 9), sets.internOctets(sets.bytes(sets.reflect(base, 1, 9)).slice()), sets.reflect(base, 2, 9)]
      const valueOf = (id: number): string => Buffer.from(sets.bytes(id)).toString('hex')
      for (let host = 1; host <= DESTINATIONS; host++) {
        const key = table.newKey()
        table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.of(IpAddress.v4(0x0a00_0000 + host)) }, key)
        table.announce(0, key, 0, 0, sets.intern({ attributes: {} }))
      }
      /** By peer: what it holds by destination and path id. */
      const held = Array.from({ length: PEERS }, () => new Map<string, string>())
      const check = (): void => {
        held.slice(0, out.words * 32).forEach((expected, peer) => {
          const found = new Map<string, string>()
          out.held(peer, (at, pathId, set) => found.set(`${at} ${pathId}`, valueOf(set)))
          if (found.size > 0 || expected.size > 0) expect(found).toEqual(expected)
          expect(out.sent(peer)).toBe(expected.size)
        })
      }
      for (const one of steps) {
        if (one.kind === 'settle') {
          if (one.members.some((peer) => peer > 31)) out.reserve(PEERS)
          const inReach = (all: readonly number[]): number[] => all.filter((peer) => peer < out.words * 32)
          const members = setOf(out.words, one.members)
          const targets: ExportTarget[] = one.targets.map(({ pathId, set, to }) => ({
            pathId,
            set: ids[set],
            data: 0,
            to: setOf(out.words, inReach(to)),
          }))
          const told = new Set<string>()
          out.settle(one.destination, targets, members, one.forced, {
            announce: (at, { pathId, set }, to) =>
              eachPeer(to, (peer) => {
                const name = `${at} ${pathId}`
                if (!one.forced) expect(held[peer].get(name)).not.toBe(valueOf(set))
                held[peer].set(name, valueOf(set))
                told.add(`${peer} ${name}`)
              }),
            withdraw: (at, pathId, _data, to) => eachPeer(to, (peer) => expect(held[peer].delete(`${at} ${pathId}`)).toBe(true)),
          })
          for (const peer of one.members) {
            const wanted = targets.filter(({ to }) => hasPeer(to, peer))
            const has = [...held[peer]].filter(([name]) => name.startsWith(`${one.destination} `))
            expect(new Map(has)).toEqual(new Map(wanted.map(({ pathId, set }) => [`${one.destination} ${pathId}`, valueOf(set)])))
            if (one.forced) for (const { pathId } of wanted) expect(told).toContain(`${peer} ${one.destination} ${pathId}`)
          }
        } else if (one.kind === 'drop') {
          if (one.peer >= out.words * 32) continue
          for (let from = 1; from !== 0;) from = out.drop(one.peer, from, one.limit)
          held[one.peer].clear()
        } else {
          const name = `${one.destination} ${one.pathId}`
          if (one.peer >= out.words * 32 || held[one.peer].has(name)) continue
          out.adopt(one.peer, one.destination, one.pathId, ids[one.set], 0)
          held[one.peer].set(name, valueOf(ids[one.set]))
        }
        check()
      }
      for (let peer = 0; peer < out.words * 32; peer++) for (let from = 1; from !== 0;) from = out.drop(peer, from, 2)
      expect(out.size).toBe(0)
      table.removePeer(0)
      table.decide(
        Infinity,
        () => 0,
        () => undefined,
      )
      expect(table.size).toBe(0)
    }),
    { numRuns: 200 },
  )
})
