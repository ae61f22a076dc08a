import { FLAGS, TYPE, attribute, u32 } from './octets.ts'
import { integer, seeded } from './random.ts'
import type { RouteSet } from './workload.ts'

const OWN_AS = 65_000
const NEXT_HOPS = 60
const FIRST_HOP = 0xac20_0001 // 172.32.0.1
const NEIGHBORS = 40
/** A set has more than k routes with a probability of about k to the power of minus this: 6 routes on average, a few sets of thousands. */
const TAIL = 1.13
const LARGEST_SET = 8_000

/** Share of each prefix length in the Internet's table, roughly. */
const LENGTHS: readonly (readonly [length: number, share: number])[] = [
  [24, 0.6],
  [23, 0.1],
  [22, 0.11],
  [21, 0.055],
  [20, 0.045],
  [19, 0.03],
  [18, 0.02],
  [17, 0.015],
  [16, 0.025],
]

/** An Internet table as a border router gives it to its route reflector. */
export function ipv4Sets(routes: number, seed = 4): RouteSet[] {
  const random = seeded(seed)
  const prefixes = prefixSource(random)
  const sets: RouteSet[] = []
  for (let left = routes; left > 0;) {
    const size = Math.min(left, LARGEST_SET, Math.floor(Math.max(random(), 1e-9) ** (-1 / TAIL)))
    left -= size
    sets.push({ attributes: attributes(random), nextHop: [], nlri: Array.from({ length: size }, prefixes) })
  }
  return sets
}

/** Prefixes, none twice: a counter for each length, whose values are spread over the unicast addresses by an odd factor. */
function prefixSource(random: () => number): () => Uint8Array {
  const counters = new Map(LENGTHS.map(([length]) => [length, 0]))
  const next = (length: number): number => {
    for (;;) {
      const counter = counters.get(length)!
      counters.set(length, counter + 1)
      const value = Math.imul(counter, 0x9e37_79b1) & (2 ** length - 1)
      const first = value >>> (length - 8)
      if (first > 0 && first < 224 && first !== 127) return (value << (32 - length)) >>> 0
    }
  }
  return () => {
    let draw = random()
    const [length] = LENGTHS.find(([, share]) => (draw -= share) < 0) ?? LENGTHS[0]
    return new Uint8Array([length, ...u32(next(length)).slice(0, Math.ceil(length / 8))])
  }
}

/** MED always, since FRR gives one to what has none. */
function attributes(random: () => number): number[] {
  const chance = (share: number): boolean => random() < share
  const path = asPath(random)
  const origin = path.at(-1)!
  return [
    ...attribute(FLAGS.wellKnown, TYPE.origin, [chance(0.9) ? 0 : 2]),
    ...attribute(FLAGS.wellKnown, TYPE.asPath, [2, path.length, ...path.flatMap(u32)]),
    ...attribute(FLAGS.wellKnown, TYPE.nextHop, u32(FIRST_HOP + integer(random, 0, NEXT_HOPS - 1))),
    ...attribute(FLAGS.optional, TYPE.med, u32(chance(0.3) ? integer(random, 1, 500) : 0)),
    ...attribute(FLAGS.wellKnown, TYPE.localPref, u32(integer(random, 0, 4) * 50 + 80)),
    ...(chance(0.05) ? attribute(FLAGS.wellKnown, TYPE.atomicAggregate, []) : []),
    ...(chance(0.08) ? attribute(FLAGS.optionalTransitive, TYPE.aggregator, [...u32(origin), ...u32(integer(random, 1, 1e9))]) : []),
    ...communities(random, path, chance(0.75) ? integer(random, 1, 12) : 0),
    ...(chance(0.2) ? largeCommunities(random, path[0], integer(random, 1, 4)) : []),
  ]
}

/** 2–8 ASes, four on average, the first of which is a neighbor; some prepend. */
function asPath(random: () => number): number[] {
  const path = [1_000 + integer(random, 0, NEIGHBORS - 1)]
  const length = 2 + Math.floor(random() * random() * 7)
  while (path.length < length) {
    const as = integer(random, 2_000, 400_000)
    if (as !== OWN_AS && as !== 23_456 && !path.includes(as)) path.push(as)
  }
  while (path.length < 8 && random() < 0.1) path.push(path.at(-1)!)
  return path
}

function communities(random: () => number, path: readonly number[], count: number): number[] {
  // sorted and each once, as some daemons send them on
  const values = new Set(Array.from({ length: count }, () => (path[integer(random, 0, 1)] & 0x7fff) * 65_536 + integer(random, 1, 3_000)))
  if (values.size === 0) return []
  return attribute(FLAGS.optionalTransitive, TYPE.communities, [...values].sort((a, b) => a - b).flatMap(u32))
}

function largeCommunities(random: () => number, as: number, count: number): number[] {
  const values = new Set(Array.from({ length: count }, () => integer(random, 1, 5_000)))
  const sorted = [...values].sort((a, b) => a - b)
  return attribute(
    FLAGS.optionalTransitive,
    TYPE.largeCommunities,
    sorted.flatMap((value) => [...u32(as), ...u32(1), ...u32(value)]),
  )
}
