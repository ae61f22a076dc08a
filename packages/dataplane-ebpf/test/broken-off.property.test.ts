import {
  FibCompiler,
  type ApplyFailure,
  type ApplyReport,
  type DataplaneState,
  type FibTransaction,
  type PortObject,
  type RouteBatch,
} from '@heddle/core'
import { arbitraryTables, stateOf, type Tables } from '@heddle/dataplane-conformance'
import { ForwardingEngine } from '@heddle/forwarding'
import { LinuxError } from '@heddle/linux'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalText } from '../../core/src/fib/canonical.js'
import { OFFERED_FEATURES } from '../src/features.js'
import { readRules } from '../src/layout/policy.js'
import { View } from '../src/layout/struct.js'
import { COUNTED } from '../src/layout/structs/counters.js'
import { PORT, VRF } from '../src/layout/structs/objects.js'
import { ATOM, POLICY, PORT_POLICY } from '../src/layout/structs/policy.js'
import { SERVICE } from '../src/layout/structs/service.js'
import { limitsOf } from '../src/limits.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { Died, MapsInMemory, type SeenMaps, type Step } from './support/maps-in-memory.js'
import { PACE } from './support/pace.js'
import { LOCAL, PEERS } from './support/router.js'

const ENCAPSULATIONS = ['mpls-udp', 'mpls-gre', 'vxlan', 'mpls-udp-joint'] as const
const around = {
  encapsulations: ENCAPSULATIONS,
  underlays: ([4, 6] as const).map((family) => ({ local: LOCAL[family], peers: PEERS[family] })),
  features: OFFERED_FEATURES,
}
/** Steps that are tried in each transaction that is drawn. */
const TRIES = 20
/** Transactions by which an agent has all done that one step was refused of, at most: one that says it, and one for each part of an adoption. */
const TURNS = 4
const LIMITS = limitsOf(1000, 1000, 1000, 1000)
/** What paths take that take less than the underlay, octets. */
const PATHS = new Map([PEERS[4][0], PEERS[4][1], PEERS[6][0]].map((remote, index) => [String(remote), 1300 + index] as const))
/** No program reads these maps: nobody has to be waited for. */
const NO_PROGRAMS = { wait: () => undefined, passed: () => Promise.resolve() }

/** What keeps tables, as `EbpfRouter` does it. */
class Process {
  readonly tables: KernelTables
  #judge: ForwardingEngine

  constructor(readonly seen: SeenMaps) {
    this.tables = new KernelTables(seen.maps, NO_PROGRAMS)
    const { rows } = this.tables.fib
    Object.assign(rows, { words: seen.stepped(rows.words) })
    this.#judge = this.#newJudge()
  }

  apply(transaction: FibTransaction): ApplyReport {
    const judged = this.#judge.judge(transaction)
    if (judged.status === 'refused') return judged
    const failures = this.tables.program(transaction, () => this.#judge.commit(transaction))
    if (failures.length > 0) this.#judge = this.#newJudge()
    return { ...judged, failures }
  }

  /** Tells programs what paths take that it has not told, as `PathWatch` does every second. */
  look(): void {
    try {
      for (const { remote, mtu } of this.tables.paths.all()) {
        const takes = PATHS.get(String(remote)) ?? 0
        if (mtu !== takes) this.tables.paths.tell(remote, takes)
      }
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
  }

  #newJudge(): ForwardingEngine {
    const newRoutes = (vrf: number) => this.tables.routes.of(vrf)
    const judge = new ForwardingEngine({ limits: LIMITS, encapsulations: ENCAPSULATIONS, features: OFFERED_FEATURES, newRoutes })
    this.tables.routes.load(() => judge.load(this.tables.dump()))
    return judge
  }
}

type Programmed = Omit<DataplaneState, 'devices' | 'generation'>

/** Kinds of objects in tables that are drawn. */
const KINDS = [
  'vrfs',
  'ports',
  'nextHops',
  'groups',
  'tunnelSources',
  'labels',
  'vnis',
  'policies',
  'services',
  'natPools',
] as const satisfies readonly (keyof Programmed & keyof FibCompiler['objects'])[]

/** Who wants tables of a process, and takes over what it finds. What is not wanted is kept until the adoption ends, which is at once or behind the first transactions. */
class Agent {
  readonly #fib = new FibCompiler(0)
  readonly #process: Process
  #wanted: Programmed | undefined

  constructor(process: Process, isAdopting: boolean) {
    this.#process = process
    this.#fib.adopt({ ...process.tables.dump(), devices: [] })
    if (!isAdopting) this.#fib.release()
  }

  want(tables: Tables): void {
    const wanted = stateOf(tables)
    const { objects, routes } = this.#fib
    for (const kind of KINDS) {
      const set = objects[kind] as {
        readonly wanted: ReadonlyMap<number, unknown>
        drop(key: number): void
        want(key: number, object: unknown): void
      }
      const list = new Map((wanted[kind] ?? []).map((object) => [keyOf(object), object] as const))
      for (const key of set.wanted.keys()) if (!list.has(key)) set.drop(key)
      for (const [key, object] of list) set.want(key, object)
    }
    const rows = routesOf(wanted.routes)
    for (const [name, { vrf, prefix }] of this.#wanted === undefined ? [] : routesOf(this.#wanted.routes))
      if (!rows.has(name)) routes.want(vrf, prefix, undefined)
    for (const { vrf, prefix, group } of rows.values()) routes.want(vrf, prefix, group)
    this.#wanted = wanted
  }

  /** Carries what is wanted now to the dataplane, once. Undefined when there is nothing to do. */
  once(): ApplyReport | undefined {
    const transaction = this.#fib.take()
    if (transaction === undefined) return undefined
    const report = this.#process.apply(transaction)
    this.#fib.commit(report)
    // What is kept may be in the way of what is wanted.
    if (!this.#fib.keep) expect(report.status, canonicalText(report.failures)).toBe('applied')
    return report
  }

  /** Does all that there is to do. Returns what was refused. */
  settle(): ApplyFailure[] {
    const failures = this.#settle()
    this.#fib.release()
    failures.push(...this.#settle())
    this.#process.look()
    return failures
  }

  #settle(): ApplyFailure[] {
    const failures: ApplyFailure[] = []
    for (let turn = 0; turn < TURNS; turn++) {
      const report = this.once()
      if (report === undefined || report.status === 'refused') return failures
      failures.push(...report.failures)
    }
    throw new Error(`there is still something to do: ${canonicalText(failures)}`)
  }
}

/** Makes `wanted` of what is there. Returns what was refused. */
function settle(process: Process, wanted: Tables, isAdopting: boolean): ApplyFailure[] {
  const agent = new Agent(process, isAdopting)
  agent.want(wanted)
  return agent.settle()
}

/** Labels and VNIs are their own keys. */
function keyOf(object: { readonly id: number } | { readonly label: number } | { readonly vni: number }): number {
  return 'id' in object ? object.id : 'label' in object ? object.label : object.vni
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
function readByPrograms({ seen: { maps }, tables }: Process) {
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
    others: ['next_hops', 'labels', 'vnis', 'hosts', 'virtual_addresses', 'nat_pools', 'pools_between', 'rates'].map((map) => [
      map,
      table(map),
    ]),
    limited: Object.keys(table('flow_counts')),
    sets: Object.keys(table('source_sets')),
    // Even: no flows are left to be ended.
    told: [config.get('translates'), config.get('nat_version') % 2, config.get('uplink_mtu'), config.get('encapsulations')],
  }
}

/** Lists of objects, whatever their order. */
function inOrder({ routes, generation: _generation, ...lists }: Omit<DataplaneState, 'devices'>) {
  const rows = [...routesOf(routes)].map(([name, { group }]) => `${name} ${group}`)
  return Object.fromEntries(
    Object.entries({ ...lists, rows }).map(([kind, list]) => [kind, list.map((one) => canonicalText(one)).toSorted()]),
  )
}

/** Limits of what a port sends and gets: they are no part of tables that are drawn for packets, which know no time. */
const limits = fc.record(
  {
    ingress: fc.constantFrom(...[1000, 2000].map((burstOctets) => ({ bitsPerSecond: 1_000_000, burstOctets }))),
    egress: fc.constantFrom(...[1000, 2000].map((burstOctets) => ({ bitsPerSecond: 2_000_000, burstOctets }))),
  },
  { requiredKeys: [] },
)
/** Ports of uplinks, whose MTUs programs are told. */
const uplinks = fc
  .subarray([1400, 1280])
  .map((mtus) => mtus.map((mtu, index): PortObject => ({ id: 5 + index, kind: 'uplink', allowedSources: [], gateways: [], mtu })))
const tables = fc
  .tuple(arbitraryTables(around), fc.tuple(...Array.from({ length: 4 }, () => fc.option(limits, { nil: undefined }))), uplinks)
  .map(([drawn, rates, more]): Tables => {
    const ports = drawn.ports.map((port, index) => (rates[index] === undefined ? port : { ...port, rateLimits: rates[index] }))
    return { ...drawn, ports: [...ports, ...more] }
  })

/** A step of a process: one of a kind, of which it is so far in, in thousandths. */
interface Place {
  readonly kind: Step
  readonly where: number
}

const placesOf = (...kinds: readonly Step[]): fc.Arbitrary<Place[]> =>
  fc.array(fc.record({ kind: fc.constantFrom(...kinds), where: fc.integer({ min: 0, max: 999 }) }), { minLength: TRIES, maxLength: TRIES })

/** The index of a step; of any when there is none of its kind. */
function indexOf(steps: readonly Step[], { kind, where }: Place): number {
  const ofKind = steps.flatMap((step, index) => (step === kind ? [index] : []))
  const among = ofKind.length > 0 ? ofKind : [...steps.keys()]
  return among[Math.floor((where * among.length) / 1000)]
}

const world = fc.record({
  first: fc.option(tables, { freq: 3 }),
  second: tables,
  /** What is wanted by then: as a rule the same. */
  third: fc.option(tables, { freq: 1 }),
  order: fc.integer(),
  isAdopting: fc.boolean(),
})

/** A kernel with the first tables, or with nothing, and the steps that lead from there to the second ones. */
function worldOf({ first, second, order, isAdopting }: { first: Tables | null; second: Tables; order: number; isAdopting: boolean }) {
  const kernel = new MapsInMemory(order)
  if (first !== null) expect(settle(new Process(kernel.seenBy()), first, false)).toEqual([])
  const whole = new Process(kernel.copy().seenBy())
  expect(settle(whole, second, isAdopting)).toEqual([])
  return { kernel, steps: whole.seen.steps }
}

/** What programs read of tables before which there was nothing. */
function readAnew(wanted: Tables) {
  const process = new Process(new MapsInMemory().seenBy())
  expect(settle(process, wanted, false)).toEqual([])
  return readByPrograms(process)
}

describe('tables that are written', { timeout: 600_000 * PACE }, () => {
  // Objects were there, and programs had not been told: nobody found anything to set, and rules were written where a port's were looked for.
  // What the next process wants is the same, or something else by then.
  it('are made what they shall be by the next process, wherever the one before ended in a transaction', () => {
    fc.assert(
      fc.property(world, placesOf('set', 'delete', 'run', 'store'), (drawn, places) => {
        const { kernel, steps } = worldOf(drawn)
        const { second, third, isAdopting } = drawn
        const wanted = readAnew(third ?? second)
        for (const place of places) {
          const left = kernel.copy()
          expect(() => settle(new Process(left.seenBy({ diesAt: indexOf(steps, place) })), second, isAdopting)).toThrow(Died)
          const heir = new Process(left.seenBy())
          // An agent takes no tables over that are of no generation.
          const { maps } = heir.seen
          if (heir.tables.dump().generation === 0) expect([...maps.entries('vrfs'), ...maps.entries('ports')]).toEqual([])
          expect(settle(heir, third ?? second, isAdopting)).toEqual([])
          expect(readByPrograms(heir)).toEqual(wanted)
        }
      }),
      { numRuns: 30, endOnFailure: true },
    )
  })

  // Some refusals were thrown: an agent took that for the end of the dataplane, and programmed nothing any more. Others were named by objects that it did not set
  // again, since it had not set them.
  it('are what they shall be once what the kernel refused is tried again, whatever it was', () => {
    let tried = 0
    let found = 0
    fc.assert(
      fc.property(world, placesOf('set', 'delete', 'run'), fc.integer({ min: 1, max: 3 }), (drawn, places, inTurn) => {
        const { kernel, steps } = worldOf(drawn)
        const { second, third, isAdopting } = drawn
        const wanted = readAnew(third ?? second)
        for (const place of places) {
          const first = indexOf(steps, place)
          // What is to be undone then may be refused, too.
          const process = openOrNot(kernel.copy().seenBy({ refuses: (_step, _map, index) => index >= first && index < first + inTurn }))
          if (process === undefined) continue
          const agent = new Agent(process, isAdopting)
          agent.want(second)
          const report = agent.once()
          agent.want(third ?? second)
          const failures = [...(report?.failures ?? []), ...agent.settle()]
          // As every second, and every ten seconds: no object is at fault when paths were not told, or flows could not be swept.
          for (let turn = 0; turn < inTurn; turn++) process.look()
          Array.from(process.tables.sweep())
          expect(readByPrograms(process)).toEqual(wanted)
          tried++
          if (failures.length > 0) found++
        }
      }),
      { numRuns: 30, endOnFailure: true },
    )
    // Of what is refused some is of no object, as the sweep of flows.
    expect(found).toBeGreaterThan(tried / 10)
  })
})

/** Undefined where the kernel refuses what is told anew when tables are taken over. */
function openOrNot(seen: SeenMaps): Process | undefined {
  try {
    return new Process(seen)
  } catch (error) {
    expect(error).toBeInstanceOf(LinuxError)
    return undefined
  }
}
