import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { AttributeSet } from '../attribute/attribute-set.js'
import { L2VPN_EVPN, VPNV4_UNICAST, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { AdjRibOut, type ExportTarget } from './adj-rib-out.js'
import { AttributeSets } from './attribute-sets.js'
import { bestPath, ranksOf, type PathOrigin } from './best-path.js'
import { ByteInterner } from './byte-interner.js'
import { addPeer, nextPeer, removePeer } from './peer-set.js'
import { LOCAL, RibTable } from './rib-table.js'
import { UpdateLog } from './update-log.js'

const eachPeer = (set: Uint32Array, visit: (peer: number) => void): void => {
  for (let peer = nextPeer(set, 0); peer >= 0; peer = nextPeer(set, peer + 1)) visit(peer)
}

const PEERS = 4

const vpn = (host: number, rd: number, labels: number[]): Nlri => ({
  kind: 'vpn',
  labels,
  rd: RouteDistinguisher.of(0, 65000, rd),
  prefix: IpPrefix.of(IpAddress.v4(0x0a000000 + host)),
})
const evpn = (host: number, rd: number, labels: number[]): Nlri => ({
  kind: 'evpn',
  route: 'ip-prefix',
  rd: RouteDistinguisher.of(0, 65000, rd),
  esi: new Uint8Array(10),
  ethernetTag: 0,
  prefix: IpPrefix.of(IpAddress.v4(0x0a000000 + host)),
  gateway: IpAddress.v4(0),
  label: (labels[0] ?? 0) << 4,
})
const setOf = (localPref: number, med: number): AttributeSet => ({
  attributes: { origin: 'igp', asPath: [{ type: 'sequence', asns: [65001 + (med % 2)] }], med, localPref },
  nextHop: { address: IpAddress.v4(0xc0000200 + med) },
})
const originOf = (peer: number): PathOrigin => ({ external: peer % 2 === 1, routerId: 100 - peer, rank: peer, local: peer === LOCAL })

const place = { peer: fc.nat(PEERS), host: fc.nat(5), rd: fc.nat(1), pathId: fc.nat(1) }
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('announce' as const),
      ...place,
      localPref: fc.nat(2),
      med: fc.nat(3),
      labels: fc.array(fc.nat(0xfffff), { maxLength: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), ...place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('down' as const), peer: place.peer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stale' as const), peer: place.peer }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      readers: fc.shuffledSubarray([0, 1, 2], { minLength: 1 }),
      limit: fc.integer({ min: 1, max: 4 }),
    }),
  },
)

/** What is sent of a best path: its NLRI without the path identifier with which it came. */
function sentOf(table: RibTable, best: number): Nlri {
  return table.nlri(table.destinationOf(best), table.dataOf(best), 0)
}

/** Who gets what: everyone, but whoever gave the path. */
function targetsOf(table: RibTable, out: AdjRibOut, destination: number): ExportTarget[] {
  const best = table.best(destination)
  if (best === 0) return []
  const to = new Uint32Array(out.words).fill(2 ** READERS.length - 1)
  removePeer(to, table.peerOf(best))
  return [{ pathId: 0, set: table.setOf(best), data: table.dataOf(best), to }]
}

/** Some readers read on from one place, as far as `limit` goes, and what they are told is applied to what they held. */
function send(world: World, readers: readonly number[], limit: number): void {
  const { table, out, log, held, places } = world
  const from = places[readers[0]]
  const group = readers.filter((reader) => places[reader] === from)
  const members = new Uint32Array(out.words)
  for (const reader of group) addPeer(members, reader)
  const destinations: number[] = []
  const next = log.read(from, log.end, limit, destinations)
  for (const destination of destinations) {
    const key = world.name(destination)
    out.settle(destination, targetsOf(table, out, destination), members, false, {
      announce: (_, { set, data }, peers) => {
        const text = JSON.stringify([table.nlri(destination, data, 0), table.sets.get(set)])
        eachPeer(peers, (peer) => {
          expect(held[peer].get(key)).not.toBe(text) // nothing is told twice
          held[peer].set(key, text)
        })
      },
      withdraw: (_destination, _pathId, _data, peers) => eachPeer(peers, (peer) => expect(held[peer].delete(key)).toBe(true)),
    })
  }
  for (const reader of group) places[reader] = next
  log.trim(Math.min(...places))
}

/** Peers that are sent to; as many as give routes, so that some are sent nothing of their own. */
const READERS = [0, 1, 2]

interface World {
  readonly table: RibTable
  readonly out: AdjRibOut
  readonly log: UpdateLog
  /** By reader. */
  readonly held: readonly Map<string, string>[]
  readonly places: number[]
  name(destination: number): string
}

describe.each([
  ['vpnv4-unicast', VPNV4_UNICAST, vpn],
  ['l2vpn-evpn', L2VPN_EVPN, evpn],
] as const)('the table of %s', (_name, family: Family, make) => {
  it('equals a naive model after anything, what a peer holds equals a fresh export, and nothing is left of it at the end', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
        const sets = new AttributeSets()
        const table = new RibTable(family, sets)
        const out = new AdjRibOut(table)
        out.reserve(READERS.length)
        const log = new UpdateLog(table)
        const held = READERS.map(() => new Map<string, string>())
        const places = READERS.map(() => log.end)
        const model = new Map<string, { peer: number; nlri: Nlri; set: AttributeSet; destination: string }>()
        const key = table.newKey()
        const nameOf = (destination: number): string => {
          const nlri = table.nlri(destination, 0, 0)
          return nlri.kind === 'vpn' || (nlri.kind === 'evpn' && nlri.route === 'ip-prefix') ? `${nlri.rd} ${nlri.prefix}` : ''
        }
        const decide = (): void => {
          while (table.dirty > 0) {
            table.decide(
              3,
              (_, destination) => bestPath(table, destination, originOf).path,
              (destination, best) => {
                if (best) log.append(destination)
              },
            )
          }
        }
        const world = { table, out, log, held, places, name: nameOf }
        for (const step of operations) {
          if (step.kind === 'announce' || step.kind === 'withdraw') {
            const nlri = make(step.host, step.rd, step.kind === 'announce' ? step.labels : [])
            const destination = nameOfNlri(nlri)
            const name = `${destination} ${step.peer} ${step.pathId}`
            table.key.fromNlri(nlri, key)
            if (step.kind === 'announce') {
              const set = setOf(step.localPref, step.med)
              table.announce(step.peer, key, step.pathId, table.key.dataFromNlri(nlri), sets.intern(set))
              model.set(name, { peer: step.peer, nlri, set, destination })
            } else expect(table.withdraw(step.peer, key, step.pathId)).toBe(model.delete(name))
          } else if (step.kind === 'down') {
            table.removePeer(step.peer)
            for (const [name, entry] of model) if (entry.peer === step.peer) model.delete(name)
          } else if (step.kind === 'stale') {
            table.markPeer(step.peer, 1)
            expect(table.peerStaleCount(step.peer)).toBe(table.peerCount(step.peer))
          } else {
            decide()
            send(world, step.readers, step.limit)
          }
        }
        decide()
        for (const reader of READERS) while (places[reader] < log.end) send(world, [reader, ...READERS], 3)
        expect(log.size).toBe(0)

        const paths = [...table.destinations()].flatMap((destination) => table.pathsOf(destination))
        const shown = paths.map((path) => {
          const { pathId: _id, ...nlri } = table.nlriOf(path) as Nlri & { pathId?: number }
          return JSON.stringify([table.peerOf(path), table.pathIdOf(path), nlri, sets.get(table.setOf(path))])
        })
        const expected = [...model].map(([name, { peer, nlri, set }]) => JSON.stringify([peer, Number(name.at(-1)), nlri, set]))
        expect(shown.sort()).toEqual(expected.sort())
        expect(table.size).toBe(new Set([...model.values()].map(({ destination }) => destination)).size)
        for (let peer = 0; peer <= PEERS; peer++) {
          expect(table.peerCount(peer)).toBe([...model.values()].filter((entry) => entry.peer === peer).length)
        }

        const fresh = READERS.map(() => new Map<string, string>())
        for (const destination of table.destinations()) {
          const { path } = bestPath(table, destination, originOf)
          expect(table.best(destination)).toBe(path)
          const text = JSON.stringify([sentOf(table, path), sets.get(table.setOf(path))])
          for (const reader of READERS) if (table.peerOf(path) !== reader) fresh[reader].set(nameOf(destination), text)
        }
        for (const reader of READERS) {
          expect(Object.fromEntries(held[reader])).toEqual(Object.fromEntries(fresh[reader]))
          expect(out.sent(reader)).toBe(fresh[reader].size)
          const listed: string[] = []
          out.held(reader, (destination, _pathId, set, data) =>
            listed.push(JSON.stringify([table.nlri(destination, data, 0), sets.get(set)])),
          )
          expect(listed.sort()).toEqual([...fresh[reader].values()].sort())
        }
        expect(out.size).toBe(new Set(fresh.flatMap((map) => [...map.keys()])).size)

        for (let peer = 0; peer <= PEERS; peer++) table.removePeer(peer)
        decide()
        for (const reader of READERS) out.drop(reader)
        log.trim(log.end)
        expect([table.size, sets.size, table.key.octets, out.size, log.size]).toEqual([0, 0, 0, 0, 0])
        expect(READERS.map((reader) => out.sent(reader))).toEqual([0, 0, 0])
      }),
    )
  })
})

function nameOfNlri(nlri: Nlri): string {
  return nlri.kind === 'vpn' || (nlri.kind === 'evpn' && nlri.route === 'ip-prefix') ? `${nlri.rd} ${nlri.prefix}` : ''
}

describe('the decision (RFC 4271 §9.1.2.2, RFC 4456 §9)', () => {
  const base = { origin: 'igp', asPath: [{ type: 'sequence', asns: [65001] }], localPref: 100 } as const
  /** The better first. */
  const cases: readonly (readonly [
    step: string,
    better: AttributeSet['attributes'],
    worse: AttributeSet['attributes'],
    peers?: readonly [number, number],
  ])[] = [
    ['local-pref', { ...base, localPref: 200, asPath: [{ type: 'sequence', asns: [1, 2, 3] }] }, base],
    ['as-path-length', base, { ...base, asPath: [{ type: 'sequence', asns: [65001, 65002] }] }],
    ['origin', base, { ...base, origin: 'incomplete' }],
    ['med', { ...base, med: 5 }, { ...base, med: 6 }],
    ['external', base, base, [1, 2]],
    ['router-id', { ...base, originatorId: IpAddress.v4(1) }, { ...base, originatorId: IpAddress.v4(2) }, [2, 4]],
    [
      'cluster-length',
      { ...base, originatorId: IpAddress.v4(1) },
      { ...base, originatorId: IpAddress.v4(1), clusterList: [IpAddress.v4(9)] },
      [2, 4],
    ],
    ['peer-address', { ...base, originatorId: IpAddress.v4(1) }, { ...base, originatorId: IpAddress.v4(1) }, [2, 4]],
    ['local', { ...base, localPref: 1 }, { ...base, localPref: 200 }, [LOCAL, 1]],
  ]

  it.each(cases.map(([step, ...rest]) => [step, rest] as const))('by %s', (step, [better, worse, peers = [1, 3]]) => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const sets = new AttributeSets()
      const table = new RibTable(VPNV4_UNICAST, sets)
      for (const at of order) {
        const key = table.newKey()
        table.key.fromNlri(vpn(1, 1, [16]), key)
        table.announce(peers[at], key, 0, 0, sets.intern({ attributes: at === 0 ? better : worse }))
      }
      const [destination] = table.destinations()
      const best = bestPath(table, destination, originOf)
      expect([table.peerOf(best.path), best.step]).toEqual([peers[0], step])
    }
  })

  it('compares MED within one neighbouring AS only, whatever the order', () => {
    const path = (as: number, med: number, originatorId: number): AttributeSet['attributes'] => ({
      ...base,
      asPath: [{ type: 'sequence', asns: [as] }],
      med,
      originatorId: IpAddress.v4(originatorId),
    })
    const paths = [path(1, 10, 3), path(2, 5, 2), path(1, 20, 1)]
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const sets = new AttributeSets()
      const table = new RibTable(VPNV4_UNICAST, sets)
      for (const at of order) {
        const key = table.newKey()
        table.key.fromNlri(vpn(1, 1, [16]), key)
        table.announce(2 + at * 2, key, 0, 0, sets.intern({ attributes: paths[at] }))
      }
      const [destination] = table.destinations()
      expect(table.peerOf(bestPath(table, destination, originOf).path)).toBe(4)
    }
  })
})

test('peers rank by their addresses, to the last bit (RFC 4271 §9.1.2.2 g)', () => {
  const address = fc.oneof(
    fc.tuple(fc.constant(4), fc.nat(0xffff_ffff)).map(([, word]) => IpAddress.v4(word)),
    fc.tuple(fc.nat(1), fc.nat(0xffff_ffff), fc.nat(0xffff_ffff)).map(([high, low, last]) => IpAddress.v6(0x2001_0db8, high, low, last)),
  )
  // an address as one large number, all of IPv4 before all of IPv6
  const value = ({ family, w0, w1, w2, w3 }: IpAddress): bigint =>
    BigInt('0x' + [family, w0, w1, w2, w3].map((word) => word.toString(16).padStart(8, '0')).join(''))
  fc.assert(
    fc.property(fc.uniqueArray(address, { selector: String, maxLength: 20 }), (addresses) => {
      const ranks = ranksOf([undefined, ...addresses])
      for (const [i, a] of addresses.entries()) {
        for (const [j, b] of addresses.entries()) expect(ranks[i + 1] < ranks[j + 1]).toBe(value(a) < value(b))
      }
    }),
  )
})

test('interned octets are what was put in, and go with their last reference', () => {
  const content = fc.uint8Array({ maxLength: 3000 })
  fc.assert(
    fc.property(fc.array(fc.tuple(content, fc.nat(3)), { maxLength: 60 }), (entries) => {
      const interner = new ByteInterner()
      const live: { id: number; bytes: Uint8Array }[] = []
      for (const [bytes, drop] of entries) {
        live.push({ id: interner.intern(bytes), bytes })
        for (let count = 0; count < drop && live.length > 2; count++) interner.release(live.shift()!.id)
        for (const { id, bytes } of live) expect([...interner.bytes(id)]).toEqual([...bytes])
      }
      expect(interner.size).toBe(new Set(live.map(({ bytes }) => bytes.join())).size)
      for (const { id } of live) interner.release(id)
      expect(interner.size).toBe(0)
    }),
    { numRuns: 30 },
  )
})
