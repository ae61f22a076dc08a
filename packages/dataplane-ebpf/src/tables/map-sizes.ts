import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { COUNTS } from '../layout/structs/counters.js'
import { SPARE_VERSIONS } from './versioned-map.js'

/** How much a dataplane holds; see `EbpfDataplaneOptions`. */
export interface Capacity {
  readonly fibBlocks: number
  readonly routes: number
  readonly flows: number
  readonly ports: number
}

/** What was said of it. */
export type AskedCapacity = { readonly [Size in keyof Capacity]: number | undefined }

/** What the usual number of routes has: fewer may lie as far apart. */
const LEAST_BLOCKS = 65_536
/** Routes that have a block together where nobody says how they lie; the README tells for which that is enough. */
const ROUTES_OF_BLOCK = 4

/** What was not said follows, or is as it is for most. */
export function capacityOf(asked: AskedCapacity): Capacity {
  const { routes = 262_144, flows = 65_536, ports = 16_384 } = asked
  const { fibBlocks = Math.max(LEAST_BLOCKS, Math.ceil(routes / ROUTES_OF_BLOCK)) } = asked
  return { fibBlocks, routes, flows, ports }
}

/** How the sizes that were asked for are had of tables that have others. */
export const OTHER_SIZES =
  'drain the node, end it by `heddle stop`, or `close()` without `keep`, which takes its tables away, and start it again'

/** How large a table is, what it would be if nothing was taken over, and why it is as it is. */
export interface FoundSize {
  readonly option: keyof Capacity
  readonly found: number
  readonly wanted: number
  readonly because: string
}

/** The map that tells each. */
const MAPS = { routes: 'routes', fibBlocks: 'fib', flows: 'flows', ports: 'ports' } as const

/** @param capacity how many entries a map has room for */
export function foundSizes(asked: AskedCapacity, capacity: (map: string) => number): FoundSize[] {
  const wanted = capacityOf(asked)
  return (Object.keys(MAPS) as (keyof typeof MAPS)[]).map((option) => {
    const size = { option, found: capacity(MAPS[option]), wanted: wanted[option] }
    return { ...size, because: reasonOf(size, asked[option] !== undefined) }
  })
}

function reasonOf({ option, found, wanted }: Omit<FoundSize, 'because'>, isAsked: boolean): string {
  if (found !== wanted) {
    const kept = 'tables were taken over, and stay as large as they are'
    return isAsked ? `${kept}; to have ${wanted}, ${OTHER_SIZES}` : kept
  }
  if (isAsked) return `asked for by \`${option}: ${wanted}\``
  return option === 'fibBlocks' ? 'a quarter of the routes, at least 65536' : `what there is without \`${option}\``
}

/** Least and most flows of each direction whose decisions a CPU remembers. */
const [LEAST_PLACES, MOST_PLACES] = [1024, 16_384]
/** Policies that there may be at least, and those that a port may have: with one more than there may be a whole transaction is refused. */
const LEAST_POLICIES = 32_768
const DIRECTIONS = 2
/** Slots of counters for VRFs, labels and next hops that are no port's. */
const SLOTS = 81_920
/** Slots of a port, and of the label and the next hop that lead to it. */
const SLOTS_OF_PORT = 5

/**
 * Entries that a CPU has of a map which forgets the quietest: before Linux 6.15.7 (and 6.6.99) each takes 128 of those that are free for itself, so that a small
 * map forgets what is under way while most of it is unused.
 */
const ENTRIES_OF_CPU = 256
const POSSIBLE_CPUS = '/sys/devices/system/cpu/possible'

/** Entries of maps, by name, where they differ from those in `bpf/maps.h`. @param possible CPUs, of which some may not run */
export function mapSizes({ fibBlocks, routes, flows, ports }: Capacity, possible = possibleCpus()): Readonly<Record<string, number>> {
  const places = placesOf(flows, cpus().length)
  const remembered = possible * ENTRIES_OF_CPU
  return {
    told_paths: Math.max(1024, remembered),
    fragments: Math.max(4096, remembered),
    nat_fragments: Math.max(4096, remembered),
    ways_out: places,
    ways_in: places,
    openings: places,
    fib: fibBlocks,
    routes,
    flows,
    nat_flows: flows * 2,
    affinities: flows,
    ports,
    links: ports,
    devices: ports,
    port_versions: ports + SPARE_VERSIONS,
    link_versions: ports + SPARE_VERSIONS,
    requests: ports,
    port_counters: ports,
    flow_counts: ports,
    policies: Math.max(LEAST_POLICIES, ports * DIRECTIONS),
    rates: ports * 2,
    counts: Math.ceil((SLOTS + ports * SLOTS_OF_PORT) / COUNTS),
  }
}

/**
 * Flows of each direction whose decisions each CPU remembers, a power of two: of all CPUs together half as many as there may be flows, since each of them sees
 * its own.
 */
export function placesOf(flows: number, count: number): number {
  const wanted = 2 ** Math.floor(Math.log2(Math.max(1, flows / count / 2)))
  return Math.min(Math.max(wanted, LEAST_PLACES), MOST_PLACES)
}

function possibleCpus(): number {
  try {
    return countedIn(readFileSync(POSSIBLE_CPUS, 'utf8'))
  } catch {
    return cpus().length
  }
}

/** How many numbers a list of Linux names: `0-3,8`. */
export function countedIn(list: string): number {
  const sizes = list.split(',').map((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return last - first + 1
  })
  return sizes.reduce((sum, size) => sum + size, 0)
}
