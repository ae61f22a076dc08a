import { RouteBatch, type ApplyFailure, type DataplaneState, type FibTransaction, type ObjectChanges, type ObjectKind } from '@heddle/core'
import { arbitraryTables, stateOf, type Tables } from '@heddle/dataplane-conformance'
import { ForwardingEngine } from '@heddle/forwarding'
import { LinuxError } from '@heddle/linux'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { canonicalText } from '../../core/src/fib/canonical.js'
import { ObjectSet } from '../../core/src/fib/object-set.js'
import { OFFERED_FEATURES } from '../src/features.js'
import { readRules } from '../src/layout/policy.js'
import { View } from '../src/layout/struct.js'
import { COUNTED } from '../src/layout/structs/counters.js'
import { PORT, VRF } from '../src/layout/structs/objects.js'
import { ATOM, POLICY, PORT_POLICY } from '../src/layout/structs/policy.js'
import { SERVICE } from '../src/layout/structs/service.js'
import { limitsOf } from '../src/limits.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { Died, MapsInMemory } from './support/maps-in-memory.js'
import { LOCAL, PEERS } from './support/router.js'

// No program reads these maps: nobody has to be waited for.
vi.mock('../src/native/call.js', () => ({
  call: (work: (native: unknown) => unknown) => work({ waitForPrograms: () => undefined }),
  callAsync: () => Promise.resolve(),
}))

const ENCAPSULATIONS = ['mpls-udp', 'mpls-gre', 'vxlan', 'mpls-udp-joint'] as const
const around = {
  encapsulations: ENCAPSULATIONS,
  underlays: ([4, 6] as const).map((family) => ({ local: LOCAL[family], peers: PEERS[family] })),
  features: OFFERED_FEATURES,
}
/** Ends of a process that are tried in each transaction that is drawn. */
const CUTS = 20
const LIMITS = limitsOf(1000, 1000, 1000)

/** What keeps tables, as `EbpfRouter` does it. */
class Process {
  readonly tables: KernelTables
  #judge: ForwardingEngine

  constructor(maps: KernelMaps) {
    this.tables = new KernelTables(maps)
    this.#judge = this.#newJudge()
  }

  /** Makes `wanted` of what is there, and sets what differs alone, and what was refused before. Returns what is refused. */
  make(wanted: Tables, refused: readonly ApplyFailure[] = []): ApplyFailure[] {
    const found = this.tables.dump()
    const names = new Set(refused.map(({ object: { kind, key } }) => `${kind} ${key}`))
    const transaction = differenceOf(found, stateOf(wanted), found.generation + 1, names)
    if (isEmpty(transaction)) return []
    expect(this.#judge.judge(transaction)).toMatchObject({ failures: [] })
    const failures = this.tables.program(transaction, () => this.#judge.commit(transaction))
    if (failures.length > 0) this.#judge = this.#newJudge()
    return failures
  }

  #newJudge(): ForwardingEngine {
    const newRoutes = (vrf: number) => this.tables.routes.of(vrf)
    const judge = new ForwardingEngine({ limits: LIMITS, encapsulations: ENCAPSULATIONS, features: OFFERED_FEATURES, newRoutes })
    this.tables.routes.load(() => judge.load(this.tables.dump()))
    return judge
  }
}

type Programmed = Omit<DataplaneState, 'devices' | 'generation'>

/** As an agent finds it, by what objects say. */
function differenceOf(found: Programmed, wanted: Programmed, generation: number, refused: ReadonlySet<string>): FibTransaction {
  const changes = <T>(
    kind: ObjectKind,
    of: (state: Programmed) => readonly T[] | undefined,
    keyOf: (object: T) => number,
  ): ObjectChanges<T> => {
    const objects = new ObjectSet<T>()
    const isWanted = new Set((of(wanted) ?? []).map(keyOf))
    for (const object of of(found) ?? []) {
      const key = keyOf(object)
      if (!isWanted.has(key) || !refused.has(`${kind} ${key}`)) objects.adopt(key, object)
    }
    for (const object of of(wanted) ?? []) objects.want(keyOf(object), object)
    return objects.diff({ keep: false })
  }
  const idOf = ({ id }: { readonly id: number }): number => id
  const routes = new RouteBatch()
  const [before, after] = [found, wanted].map((state) => routesOf(state.routes))
  for (const [name, row] of before) if (!after.has(name)) routes.push(row.vrf, row.prefix, 0xffff_ffff)
  for (const [name, row] of after) if (before.get(name)?.group !== row.group) routes.push(row.vrf, row.prefix, row.group)
  return {
    generation,
    vrfs: changes('vrf', ({ vrfs }) => vrfs, idOf),
    ports: changes('port', ({ ports }) => ports, idOf),
    nextHops: changes('next-hop', ({ nextHops }) => nextHops, idOf),
    groups: changes('group', ({ groups }) => groups, idOf),
    tunnelSources: changes('tunnel-sources', ({ tunnelSources }) => tunnelSources, idOf),
    labels: changes(
      'label',
      ({ labels }) => labels,
      ({ label }) => label,
    ),
    vnis: changes(
      'vni',
      ({ vnis }) => vnis,
      ({ vni }) => vni,
    ),
    policies: changes('policy', ({ policies }) => policies, idOf),
    services: changes('service', ({ services }) => services, idOf),
    natPools: changes('nat-pool', ({ natPools }) => natPools, idOf),
    routes,
  }
}

/** Nobody programs what changes nothing. */
function isEmpty({ generation: _generation, routes, ...objects }: FibTransaction): boolean {
  return routes.count === 0 && Object.values(objects).every(({ set, remove }) => set.length + remove.length === 0)
}

function routesOf(batch: RouteBatch) {
  const rows = Array.from({ length: batch.count }, (_, row) => ({
    vrf: batch.vrf[row],
    prefix: batch.prefixAt(row),
    group: batch.group[row],
  }))
  return new Map(rows.map((row) => [`${row.vrf} ${row.prefix}`, row]))
}

/** What programs read, but for where it lies, and for numbers that only have to be others than before. */
function readByPrograms(maps: KernelMaps, tables: KernelTables) {
  const atoms = maps.words('atoms')
  const rulesAt = (atom: number, count: number) =>
    readRules(atoms.subarray((atom * ATOM.size) / 4), count).map((rule) => canonicalText(rule))
  const without = (value: Uint8Array, ...fields: readonly (readonly [offset: number, size: number])[]): string => {
    const bytes = value.slice()
    for (const [offset, size] of fields) bytes.fill(0, offset, offset + size)
    return bytes.join()
  }
  const field = (struct: { offsetOf(name: string): number }, name: string) => [struct.offsetOf(name), 4] as const
  const table = (map: string, read: (value: Uint8Array) => unknown = (value) => value.join()) =>
    Object.fromEntries(
      Array.from(maps.entries(map), ([key, value]) => [key.join(), read(value)] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
  const policed = (value: Uint8Array): unknown => {
    const view = new View(PORT, value.slice())
    const policies = [0, 1].map((direction) => {
      const policy = view.element('policies', PORT_POLICY, direction)
      if (policy.get('is_there') === 0) return undefined
      const rules = rulesAt(policy.get('atom'), policy.get('atom_count'))
      policy.set('atom', 0)
      return rules
    })
    return [policies, view.get('policy_version') > 0, without(view.bytes, field(PORT, 'policy_version'), field(PORT, 'policy_since'))]
  }
  const { config } = tables
  return {
    state: inOrder(tables.dump()),
    vrfs: table('vrfs', (value) => without(value, field(VRF, 'root4'), field(VRF, 'root6'))),
    ports: table('ports', policed),
    policies: table('policies', (value) => without(value, field(POLICY, 'atom'))),
    services: table('services', (value) => without(value, field(SERVICE, 'backend'))),
    // What is counted is where, not how much.
    counted: ['port_counters', 'vrf_counters', 'label_counters', 'next_hop_counters'].map((map) =>
      table(map, (value) => value.length === COUNTED.size),
    ),
    // Places in a list are for dumps.
    sources: ['source_hosts', 'source_nets'].map((map) => Object.keys(table(map))),
    others: ['next_hops', 'labels', 'vnis', 'hosts', 'virtual_addresses', 'nat_pools', 'pools_between'].map((map) => [map, table(map)]),
    limited: Object.keys(table('flow_counts')),
    told: [config.get('translates'), config.get('uplink_mtu')],
  }
}

/** Lists of objects, whatever their order. */
function inOrder({ routes, generation: _generation, ...lists }: Omit<DataplaneState, 'devices'>) {
  const rows = [...routesOf(routes)].map(([name, { group }]) => `${name} ${group}`)
  return Object.fromEntries(
    Object.entries({ ...lists, rows }).map(([kind, list]) => [kind, list.map((one) => canonicalText(one)).toSorted()]),
  )
}

/** Of a transaction's steps, in thousandths. */
const place = fc.integer({ min: 0, max: 999 })
const tables = arbitraryTables(around)
const places = fc.array(place, { minLength: CUTS, maxLength: CUTS })
/** A kernel with the first tables, or with nothing, and the steps that lead from there to the second ones. */
function worldOf(first: Tables, second: Tables, isFirst: boolean): { readonly kernel: MapsInMemory; readonly steps: number } {
  const kernel = new MapsInMemory()
  if (!isFirst) expect(new Process(kernel.seenBy().maps).make(first)).toEqual([])
  const whole = kernel.copy().seenBy()
  expect(new Process(whole.maps).make(second)).toEqual([])
  return { kernel, steps: whole.steps() }
}

/** What programs read of tables before which there was nothing. */
function readAnew(wanted: Tables) {
  const { maps } = new MapsInMemory().seenBy()
  const process = new Process(maps)
  expect(process.make(wanted)).toEqual([])
  return readByPrograms(maps, process.tables)
}

describe('tables that are written', { timeout: 600_000 }, () => {
  // Objects were there, and programs had not been told: nobody found anything to set, and rules were written where a port's were looked for.
  // What the next process wants is the same, or something else by then.
  it('are made what they shall be by the next process, wherever the one before ended in a transaction', () => {
    fc.assert(
      fc.property(tables, tables, fc.option(tables, { freq: 1 }), fc.boolean(), places, (first, second, other, isFirst, ends) => {
        const { kernel, steps } = worldOf(first, second, isFirst)
        const third = other ?? second
        const wanted = readAnew(third)
        for (const where of ends) {
          const left = kernel.copy()
          const dying = left.seenBy({ diesAt: 1 + Math.floor((where * steps) / 1000) })
          expect(() => new Process(dying.maps).make(second)).toThrow(Died)
          const next = left.seenBy()
          const heir = new Process(next.maps)
          // An agent takes no tables over that are of no generation.
          if (heir.tables.dump().generation === 0) expect([...next.maps.entries('vrfs'), ...next.maps.entries('ports')]).toEqual([])
          expect(heir.make(third)).toEqual([])
          expect(readByPrograms(next.maps, heir.tables)).toEqual(wanted)
        }
      }),
      { numRuns: 30, endOnFailure: true },
    )
  })

  // Some refusals were thrown: an agent took that for the end of the dataplane, and programmed nothing any more.
  it('are what they shall be once what the kernel refused is set again, whatever it was', () => {
    let found = 0
    fc.assert(
      fc.property(tables, tables, fc.boolean(), places, (first, second, isFirst, refusals) => {
        const { kernel, steps } = worldOf(first, second, isFirst)
        const wanted = readAnew(second)
        for (const where of refusals) {
          const { maps } = kernel.copy().seenBy({ refusesAt: 1 + Math.floor((where * steps) / 1000) })
          const process = openOrNot(maps)
          if (process === undefined) continue
          const refused = process.make(second)
          found += refused.length
          expect(process.make(second, refused)).toEqual([])
          expect(readByPrograms(maps, process.tables)).toEqual(wanted)
        }
      }),
      { numRuns: 30, endOnFailure: true },
    )
    expect(found).toBeGreaterThan(100)
  })
})

/** Undefined where the kernel refuses what is told anew when tables are taken over. */
function openOrNot(maps: KernelMaps): Process | undefined {
  try {
    return new Process(maps)
  } catch (error) {
    expect(error).toBeInstanceOf(LinuxError)
    return undefined
  }
}
