import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AsPathSegment, PathAttributes } from '../attribute/path-attributes.js'
import { IPV4_UNICAST } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { AttributeSets } from './attribute-sets.js'
import { bestPath, ranksOf, type BestPathOptions, type Eliminations, type PathOrigin } from './best-path.js'
import { LOCAL, PATH, RibTable } from './rib-table.js'

/** A path as the RFC sees it: no columns, no slots. */
interface Candidate {
  readonly peer: number
  readonly pathId: number
  readonly attributes: PathAttributes
  readonly nextHop: number
  readonly llgr: boolean
}

const ADDRESSES = [undefined, '192.0.2.9', '192.0.2.3', '2001:db8::1', '192.0.2.7', '10.0.0.1']
const ROUTER_IDS = [1, 7, 3, 7, 3, 5]
const EXTERNAL = [false, true, false, true, false, true]
/** Interior cost of next hops; one cannot be reached. */
const COST: readonly (number | undefined)[] = [0, 10, 10, undefined]
const NLRI: Nlri = { kind: 'unicast', prefix: IpPrefix.parse('10.0.0.0/8') }

const segment = fc.record({
  type: fc.constantFrom<AsPathSegment['type']>('sequence', 'sequence', 'sequence', 'set', 'confed-sequence', 'confed-set'),
  asns: fc.array(fc.integer({ min: 65001, max: 65003 }), { minLength: 1, maxLength: 3 }),
})
const option = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
const defined = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T
const candidate: fc.Arbitrary<Candidate> = fc.record({
  peer: fc.nat(5),
  pathId: fc.nat(1),
  attributes: fc
    .record({
      origin: fc.constantFrom('igp', 'egp', 'incomplete'),
      asPath: fc.array(segment, { maxLength: 2 }),
      localPref: option(fc.constantFrom(99, 100, 101)),
      med: option(fc.nat(2)),
      originatorId: option(fc.integer({ min: 3, max: 5 }).map((word) => IpAddress.v4(word))),
      clusterList: option(fc.array(fc.constant(IpAddress.v4(9)), { minLength: 1, maxLength: 2 })),
    })
    .map((attributes) => defined(attributes) as PathAttributes),
  nextHop: fc.nat(3),
  llgr: fc.boolean(),
})

/** RFC 4271 §9.1.2.2 word by word, as the RFC's own pseudo code has it, with §5.3 of RFC 5065 and §9 of RFC 4456. */
function oracle(all: readonly Candidate[], always: boolean): Candidate | undefined {
  let left = all.filter(({ nextHop }) => COST[nextHop] !== undefined)
  const removeUnless = (better: (n: Candidate, m: Candidate) => boolean): void => {
    left = left.filter((m) => !left.some((n) => better(n, m)))
  }
  const length = ({ attributes }: Candidate): number => {
    let count = 0
    for (const { type, asns } of attributes.asPath ?? []) {
      if (type === 'sequence') count += asns.length
      if (type === 'set') count += 1
    }
    return count
  }
  const neighbor = ({ attributes }: Candidate): number => {
    for (const { type, asns } of attributes.asPath ?? []) {
      if (type === 'confed-sequence' || type === 'confed-set') continue
      return type === 'sequence' ? asns[0] : 0
    }
    return 0
  }
  const code = { igp: 0, egp: 1, incomplete: 2 }
  const med = ({ attributes }: Candidate): number => attributes.med ?? 0
  const pref = ({ attributes }: Candidate): number => attributes.localPref ?? 100
  const id = ({ attributes, peer }: Candidate): number => attributes.originatorId?.w0 ?? ROUTER_IDS[peer]
  const address = ({ peer }: Candidate): bigint => {
    const parsed = IpAddress.parse(ADDRESSES[peer] ?? '0.0.0.0')
    const bytes = [...parsed.toBytes()].map((octet) => octet.toString(16).padStart(2, '0')).join('')
    return BigInt(`0x${parsed.family}${bytes}`)
  }
  removeUnless((n, m) => !n.llgr && m.llgr)
  removeUnless((n, m) => n.peer === LOCAL && m.peer !== LOCAL)
  removeUnless((n, m) => pref(n) > pref(m))
  removeUnless((n, m) => length(n) < length(m))
  removeUnless((n, m) => code[n.attributes.origin!] < code[m.attributes.origin!])
  removeUnless((n, m) => (always || neighbor(n) === neighbor(m)) && med(n) < med(m))
  removeUnless((n, m) => EXTERNAL[n.peer] && !EXTERNAL[m.peer])
  removeUnless((n, m) => COST[n.nextHop]! < COST[m.nextHop]!)
  removeUnless((n, m) => id(n) < id(m))
  removeUnless((n, m) => (n.attributes.clusterList ?? []).length < (m.attributes.clusterList ?? []).length)
  removeUnless((n, m) => address(n) < address(m))
  removeUnless((n, m) => n.pathId < m.pathId)
  return left[0]
}

test('the decision equals the RFC word by word, whatever the order, and says where each path was left behind', () => {
  const ranks = ranksOf(ADDRESSES.map((text) => (text === undefined ? undefined : IpAddress.parse(text))))
  const originOf = (peer: number): PathOrigin => ({
    external: EXTERNAL[peer],
    routerId: ROUTER_IDS[peer],
    rank: ranks[peer],
    local: peer === LOCAL,
  })
  const paths = fc.uniqueArray(candidate, { selector: ({ peer, pathId }) => `${peer} ${pathId}`, minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(paths, fc.boolean(), fc.integer({ min: 1, max: 4 }), fc.boolean(), fc.nat(), (all, always, multipath, relax, turn) => {
      const expected = oracle(all, always)
      for (const order of [all, [...all].reverse(), [...all.slice(turn % all.length), ...all.slice(0, turn % all.length)]]) {
        const sets = new AttributeSets()
        const table = new RibTable(IPV4_UNICAST, sets)
        const key = table.newKey()
        for (const { peer, pathId, attributes, nextHop, llgr } of order) {
          table.key.fromNlri(NLRI, key)
          const path = table.announce(peer, key, pathId, 0, sets.intern({ attributes, nextHop: { address: IpAddress.v4(100 + nextHop) } }))
          table.flag(path, PATH.llgrStale, llgr)
        }
        const [destination] = table.destinations()
        const costOf = (set: number): number | undefined => COST[sets.get(set).nextHop!.address.w0 - 100]
        const options: BestPathOptions = { alwaysCompareMed: always, costOf, multipath, multipathRelax: relax }
        const lost: Eliminations = new Map()
        const best = bestPath(table, destination, originOf, options, lost)
        if (expected === undefined) {
          expect(best).toEqual({ path: 0, step: 'only', multipath: [] })
          continue
        }
        expect([table.peerOf(best.path), table.pathIdOf(best.path)]).toEqual([expected.peer, expected.pathId])
        // every usable path but the best one was left behind somewhere, and the best one at no step
        const usable = table.pathsOf(destination).filter((path) => costOf(table.setOf(path)) !== undefined)
        const byNumber = (a: number, b: number): number => a - b
        expect([...lost.keys(), best.path].sort(byNumber)).toEqual(usable.sort(byNumber))
        expect(best.multipath[0]).toBe(best.path)
        expect(best.multipath.length).toBeLessThanOrEqual(multipath)
        const late = new Set(['router-id', 'cluster-length', 'peer-address', 'path-id'])
        for (const path of best.multipath.slice(1)) expect(late).toContain(lost.get(path))
        const eligible = [...lost].filter(
          ([path, step]) => late.has(step) && (relax || sets.neighborAs(table.setOf(path)) === sets.neighborAs(table.setOf(best.path))),
        )
        expect(best.multipath.length).toBe(Math.min(multipath, eligible.length + 1))
      }
    }),
    { numRuns: 1500 },
  )
})
