import type { FibTransaction, NatPoolObject, PolicyObject, PortObject, ServiceObject } from '@heddle/core'
import { only } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { decodeNextHop } from '../src/layout/next-hop.js'
import { View } from '../src/layout/struct.js'
import { NEXT_HOP } from '../src/layout/structs/next-hop.js'
import { PORT, SOURCE_HOST_KEY, VRF } from '../src/layout/structs/objects.js'
import { PORT_POLICY } from '../src/layout/structs/policy.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { wordAt, wordBytes } from '../src/layout/word.js'
import { Died, MapsInMemory, type SeenMaps, type Step } from './support/maps-in-memory.js'
import { PACE } from './support/pace.js'

const NO_PROGRAMS = { wait: () => undefined, passed: () => Promise.resolve() }
const VRFS = [1, 2, 3].map((id) => ({ id, name: `vrf-${id}` }))
const PORT_5: PortObject = { id: 5, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }
const POLICY: PolicyObject = { id: 9, port: 5, direction: 'ingress', rules: [], defaultVerdict: 'deny' }
const POOL: NatPoolObject = { id: 1, vrf: 1, outside: 2, address: IpAddress.parse('192.0.2.8'), ports: { first: 1, last: 9 } }
const SERVICE: ServiceObject = {
  id: 4,
  vrf: 1,
  address: IpAddress.parse('10.0.0.9'),
  protocol: 'udp',
  port: 53,
  backends: [],
  seed: 0,
}

/** Steps of maps that the kernel refuses now. */
let refused: readonly (readonly [Step, string])[]
let kernel: MapsInMemory
let seen: SeenMaps
let tables: KernelTables
let generation: number

function open(): void {
  seen = kernel.seenBy({ refuses: (step, map) => refused.some(([one, of]) => one === step && of === map) })
  tables = new KernelTables(seen.maps, NO_PROGRAMS)
}

/** Writes a part of a transaction; returns the names of what was refused. */
function program(part: Partial<Omit<FibTransaction, 'generation'>>, setRoutes?: () => void): string[] {
  return tables.program(only(++generation, part), setRoutes).map(({ object: { kind, key } }) => `${kind} ${key}`)
}

const set = <T>(...objects: readonly T[]) => ({ set: objects, remove: [] })
const remove = (...keys: readonly number[]) => ({ set: [], remove: keys })
const swept = (): number => seen.steps.filter((step) => step === 'run').length
const version = (): number => tables.config.get('nat_version')

beforeEach(() => {
  refused = []
  generation = 0
  kernel = new MapsInMemory()
  open()
  expect(program({ vrfs: set(...VRFS), ports: set(PORT_5) })).toEqual([])
})

/** Whether programs judge what the port sends by a policy. */
function isPoliced(): boolean {
  const port = new View(PORT, seen.maps.get('ports', 5))
  return port.element('policies', PORT_POLICY, 0).get('is_there') === 1
}

// While it was there without, everything passed.
describe('a port that is removed with its policy', () => {
  const both = { ports: remove(5), policies: remove(9) }
  beforeEach(() => {
    expect(program({ policies: set(POLICY) })).toEqual([])
  })

  it('is not there without it on the way', () => {
    const written = vi.spyOn(seen.maps, 'set')
    expect(program(both)).toEqual([])
    expect(written.mock.calls.filter(([map]) => map === 'ports')).toEqual([])
    expect(tables.dump()).toMatchObject({ ports: [], policies: [] })
  })

  it('keeps it where the kernel does not let it go, and goes with it the next time', () => {
    refused = [['delete', 'ports']]
    expect(program(both)).toEqual(['port 5', 'policy 9'])
    expect(isPoliced()).toBe(true)
    refused = []
    expect(program(both)).toEqual([])
    expect(tables.dump()).toMatchObject({ ports: [], policies: [] })
  })

  it('leaves none to the next process where this one ends in between', () => {
    refused = [['delete', 'policies']]
    expect(program(both)).toEqual(['policy 9'])
    refused = []
    open()
    expect(tables.dump()).toMatchObject({ ports: [], policies: [] })
  })
})

// Each attempt kept what it had taken until another policy was told of.
it('a policy that is refused takes no memory of rules, however often it is tried', () => {
  const policyOf = (port: number): PolicyObject => ({
    ...POLICY,
    rules: [{ protocol: 6, ports: [{ first: port, last: port }], verdict: 'allow' }],
  })
  refused = [['set', 'policies']]
  for (let attempt = 1; attempt <= 200; attempt++) expect(program({ policies: set(policyOf(attempt)) })).toEqual(['policy 9'])
  refused = []
  expect(program({ policies: set(policyOf(1)) })).toEqual([])
})

// All of them stood as arguments of one call, which nothing was programmed behind any more.
it('routes without room are told of, however many they are', { timeout: 120_000 * PACE }, () => {
  const count = 150_000
  const failures = program({}, () => {
    const routes = tables.routes.of(1)
    for (let index = 0; index < count; index++) routes.set(4, 0x1400_0000 + index * 0x101, 0, 0, 0, 32, 1)
  })
  expect(failures.length).toBeGreaterThan(count - 4096)
  expect(program({ ports: remove(5) })).toEqual([])
})

describe('what programs could not be told', () => {
  it('of policies they are told with the next transaction, whatever it is about', () => {
    refused = [['set', 'ports']]
    expect(program({ policies: set(POLICY) })).toEqual(['port 5'])
    expect(isPoliced()).toBe(false)
    refused = []
    expect(program({})).toEqual([])
    expect(isPoliced()).toBe(true)
  })

  it('of where the routes of a VRF are they are told with the next transaction, and with it of no other VRF', () => {
    const root = (): number => new View(VRF, seen.maps.get('vrfs', 1)).get('root4')
    const before = root()
    refused = [['set', 'vrfs']]
    expect(program({}, () => tables.routes.of(1).set(4, 0x0a000001, 0, 0, 0, 32, 1))).toEqual(['vrf 1'])
    expect(root()).toBe(before)
    refused = []
    const at = seen.steps.length
    expect(program({})).toEqual([])
    expect(root()).not.toBe(before)
    expect(seen.steps.slice(at).filter((step) => step === 'set')).toHaveLength(1)
    expect(program({})).toEqual([])
  })

  const tunnel = {
    type: 'tunnel',
    encapsulation: 'vxlan',
    local: IpAddress.parse('192.0.2.1'),
    remote: IpAddress.parse('192.0.2.2'),
  } as const
  const hop = {
    id: 7,
    action: {
      ...tunnel,
      labels: [],
      vni: 70,
      routerMac: MacAddress.parse('02:00:00:00:00:09'),
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    },
  } as const
  const vni = (mac: string) => ({ vni: 70, vrf: 1, routerMac: MacAddress.parse(mac), sources: 0 })
  /** The source address in the frames of the tunnel. */
  const source = (): string => {
    const value = seen.maps.get('next_hops', 7) as Uint8Array
    expect(decodeNextHop(7, value)).toEqual(hop)
    return ['02:00:00:00:00:01', '02:00:00:00:00:02'].filter((mac) => value.join().includes(MacAddress.parse(mac).toBytes().join())).join()
  }

  it('of the MAC address of a VNI, which tunnels have, they are told with the next transaction', () => {
    program({ nextHops: set(hop), vnis: set(vni('02:00:00:00:00:01')) })
    expect(source()).toBe('02:00:00:00:00:01')
    refused = [['set', 'next_hops']]
    expect(program({ vnis: set(vni('02:00:00:00:00:02')) })).toEqual(['next-hop 7'])
    refused = []
    expect(program({})).toEqual([])
    expect(source()).toBe('02:00:00:00:00:02')
  })

  it('has no tunnel have the MAC address of a VNI that was refused', () => {
    program({ nextHops: set(hop), vnis: set(vni('02:00:00:00:00:01')) })
    refused = [['set', 'vnis']]
    expect(program({ nextHops: set(hop), vnis: set(vni('02:00:00:00:00:02')) })).toEqual(['vni 70'])
    expect(source()).toBe('02:00:00:00:00:01')
  })
})

// A process ended between the two: the path was known by then, so that nobody told the other one, and what was too large was lost.
it('tunnels to one router all have what the path to it takes, when one of them has', () => {
  const tunnel = {
    type: 'tunnel',
    encapsulation: 'mpls-udp',
    local: IpAddress.parse('192.0.2.1'),
    remote: IpAddress.parse('192.0.2.2'),
    ttlModel: 'pipe',
    trafficClassModel: 'pipe',
  } as const
  program({ nextHops: set(...[16, 17, 18].map((label) => ({ id: label, action: { ...tunnel, labels: [label] } }))) })
  const hop = new View(NEXT_HOP, seen.maps.get('next_hops', 17))
  seen.maps.set('next_hops', 17, hop.set('path_mtu', 1400).bytes)
  open()
  expect(Array.from(seen.maps.numbered('next_hops'), ([, value]) => new View(NEXT_HOP, value).get('path_mtu'))).toEqual([1400, 1400, 1400])
  expect(tables.paths.to(tunnel.remote)).toMatchObject({ mtu: 1400 })
})

/** Between which VRFs programs are led to a pool. */
const places = (): string[] =>
  Array.from(seen.maps.entries('pools_between'), ([key]) => `${wordAt(key)} → ${wordAt(key.subarray(4))}`).toSorted()

// Packets of one VRF went on in the other one with the addresses that they were to be hidden by, while the rest of the transaction was written.
describe('what pools hide', () => {
  const moved: NatPoolObject = { ...POOL, vrf: 3 }
  const before: NatPoolObject = { ...POOL, id: 6, vrf: 3, outside: 1 }

  it('they hide before anything leads there', () => {
    const written: string[] = []
    seen = kernel.seenBy({ refuses: (step, map) => step === 'set' && written.push(map) < 0 })
    tables = new KernelTables(seen.maps, NO_PROGRAMS)
    program({
      nextHops: set({ id: 7, action: { type: 'lookup', vrf: 2 } }),
      groups: set({ id: 7, members: [{ nextHop: 7, weight: 1 }], seed: 0 }),
      labels: set({ label: 100, action: { type: 'pop-lookup', vrf: 1 }, sources: 0 }),
      natPools: set(POOL),
    })
    const first = Math.min(...['next_hops', 'groups', 'labels'].map((map) => written.indexOf(map)))
    expect(first).toBeGreaterThan(written.indexOf('pools_between'))
    expect(tables.config.get('translates')).toBe(1)
  })

  it('they hide until nothing leads there any more', () => {
    program({ natPools: set(POOL, before) })
    const during: unknown[] = []
    const watched = () => during.push(places(), tables.dump().natPools, tables.config.get('translates'))
    expect(program({ natPools: { set: [moved], remove: [6] } }, watched)).toEqual([])
    expect(during).toEqual([['1 → 2', '3 → 1', '3 → 2'], expect.arrayContaining([moved, before]), 1])
    expect(places()).toEqual(['3 → 2'])
    expect(program({ natPools: remove(1) }, () => during.splice(0, 3, places()))).toEqual([])
    expect([during, places(), tables.config.get('translates')]).toEqual([[['3 → 2']], [], 0])
  })

  it('they hide where two of them change places', () => {
    program({ natPools: set(POOL, before) })
    program({ natPools: set({ ...POOL, vrf: 3, outside: 1 }, { ...before, vrf: 1, outside: 2 }) })
    const pools = Array.from(seen.maps.entries('pools_between'), ([key, value]) => [wordAt(key), wordAt(value)])
    expect(new Set(pools)).toEqual(
      new Set([
        [3, 1],
        [1, 6],
      ]),
    )
  })

  // Taken away from between the VRFs first, it would have those packets show that had found their way before.
  it('is hidden, or dropped, while a pool is taken away', () => {
    program({ natPools: set(POOL) })
    const done: string[] = []
    const refuses = (step: Step, map: string): boolean => (step === 'set' ? 0 : done.push(`${step} ${map}`)) < 0
    seen = kernel.seenBy({ refuses })
    tables = new KernelTables(seen.maps, NO_PROGRAMS)
    done.splice(0)
    program({ natPools: remove(1) })
    expect(done).toEqual(['delete nat_pools', 'run nat_flows', 'delete pools_between'])
  })
})

describe('flows of what is gone', () => {
  const moved: NatPoolObject = { ...POOL, vrf: 3 }

  // They would have gone on as flows of the other VRF: one tenant's replies went to another one.
  it('have ended before a pool is set in another VRF', () => {
    program({ natPools: set(POOL) })
    refused = [['run', 'nat_flows']]
    expect(program({ natPools: set(moved) })).toEqual(['nat-pool 1'])
    expect(tables.dump().natPools).toEqual([])
    expect(program({ natPools: set(moved) })).toEqual(['nat-pool 1'])
    refused = []
    expect(program({ natPools: set(moved) })).toEqual([])
    expect(tables.dump().natPools).toEqual([moved])
  })

  it('have ended before a pool gets the number of another one that went before', () => {
    program({ natPools: set(POOL) })
    refused = [['run', 'nat_flows']]
    expect(program({ natPools: remove(1) })).toEqual([])
    expect(program({ natPools: set(moved) })).toEqual(['nat-pool 1'])
    open()
    expect(program({ natPools: set(moved) })).toEqual(['nat-pool 1'])
    refused = []
    expect(program({ natPools: set(moved) })).toEqual([])
  })

  it('leave a pool where it is that cannot be taken away there', () => {
    program({ natPools: set(POOL) })
    refused = [['delete', 'nat_pools']]
    expect(program({ natPools: set(moved) })).toEqual(['nat-pool 1'])
    expect(tables.dump().natPools).toEqual([POOL])
  })

  it('have programs led to a pool where it was until the kernel lets them be led to none', () => {
    program({ natPools: set(POOL) })
    refused = [['delete', 'pools_between']]
    expect(program({ natPools: set(moved) })).toEqual(['nat-pool 1'])
    expect(tables.dump().natPools).toEqual([moved])
    expect(places()).toEqual(['1 → 2', '3 → 2'])
    refused = []
    expect(program({})).toEqual([])
    expect(places()).toEqual(['3 → 2'])
  })

  it('that could not be ended are ended by the next transaction, or as every ten seconds, when nothing is translated any more, too', () => {
    const sweep = () => Array.from(tables.sweep())
    for (const next of [() => program({}), sweep, open]) {
      program({ services: set(SERVICE) })
      refused = [['run', 'nat_flows']]
      program({ services: remove(4) })
      refused = []
      const before = swept()
      next()
      expect(swept()).toBe(next === open ? 1 : before + 1)
      sweep()
      expect(swept()).toBe(next === open ? 1 : before + 1)
    }
  })

  it('end when the process ended before it ended them', () => {
    program({ services: set(SERVICE) })
    let runs = 0
    const refuses = (step: Step): boolean => {
      // The first is of whoever takes over.
      if (step === 'run' && ++runs === 2) throw new Died()
      return false
    }
    const dying = kernel.seenBy({ refuses })
    expect(() => new KernelTables(dying.maps, NO_PROGRAMS).program(only(2, { services: remove(4) }))).toThrow(Died)
    expect(version() % 2).toBe(1)
    open()
    expect(swept()).toBe(1)
    expect(version() % 2).toBe(0)
  })
})

// Later parts of a datagram whose first one came before were dropped, or sent on as they were.
it('fragments of datagrams are translated as before by who takes over what is whole', () => {
  program({ services: set(SERVICE), natPools: set(POOL) })
  const before = version()
  open()
  expect(version()).toBe(before)
  program({ services: set({ ...SERVICE, seed: 1 }) })
  expect(version()).not.toBe(before)
})

describe('a pool whose place another one has', () => {
  // It depended on the order of the kernel's hash, and by the other one the removal of the first left none: what was to be hidden was not.
  it.each([...Array(8).keys()])(
    'is gone, and the one that programs have is there, when a process ended between the two (order %i)',
    (order) => {
      kernel = new MapsInMemory(order)
      open()
      program({ natPools: set(POOL) })
      const next = { ...POOL, id: 2, ports: { first: 10, last: 19 } }
      seen.maps.set('nat_pools', 2, seen.maps.get('nat_pools', 1) as Uint8Array)
      const [[key]] = seen.maps.entries('pools_between')
      seen.maps.set('pools_between', key, wordBytes(2))
      open()
      expect(tables.dump().natPools).toEqual([{ ...POOL, id: 2 }])
      expect(program({ natPools: { set: [next], remove: [1] } })).toEqual([])
      expect(Array.from(seen.maps.entries('pools_between'), ([, value]) => wordAt(value))).toEqual([2])
    },
  )

  it('goes when it was refused, and what was written of it could not be taken back', () => {
    refused = [
      ['set', 'pools_between'],
      ['delete', 'nat_pools'],
    ]
    expect(program({ natPools: set(POOL) })).toEqual(['nat-pool 1'])
    refused = []
    expect(program({ natPools: remove(1) })).toEqual([])
    expect(tables.dump().natPools).toEqual([])
  })

  it('is left by a pool that has an address of the other family by now, whatever was refused', () => {
    program({ natPools: set(POOL) })
    const other = { ...POOL, address: IpAddress.parse('2001:db8::8') }
    refused = [['delete', 'pools_between']]
    expect(program({ natPools: set(other) })).toEqual(['nat-pool 1'])
    refused = []
    expect(program({ natPools: set(other) })).toEqual([])
    expect([...seen.maps.entries('pools_between')]).toHaveLength(1)
  })
})

describe('a service', () => {
  it('that cannot be removed is there until it is', () => {
    program({ services: set(SERVICE) })
    refused = [['delete', 'services']]
    expect(program({ services: remove(4) })).toEqual(['service 4'])
    expect(tables.dump().services).toHaveLength(1)
    refused = []
    expect(program({ services: remove(4) })).toEqual([])
    expect(tables.dump().services).toEqual([])
    expect([...seen.maps.entries('virtual_addresses')]).toEqual([])
  })

  it('that moves leaves where it was, also when that was refused at first', () => {
    program({ services: set(SERVICE) })
    const there = { ...SERVICE, vrf: 2 }
    refused = [['delete', 'services']]
    expect(program({ services: set(there) })).toEqual(['service 4'])
    expect(tables.dump().services).toEqual([there])
    refused = []
    expect(program({ services: set(there) })).toEqual([])
    expect([...seen.maps.entries('services')]).toHaveLength(1)
    expect([...seen.maps.entries('virtual_addresses')]).toHaveLength(1)
  })
})

describe('sources of tunnels', () => {
  const prefixes = ['192.0.2.1/32', '192.0.2.2/32', '198.51.100.0/24'].map((text) => IpPrefix.parse(text))
  const accepted = (): number => ['source_hosts', 'source_nets'].reduce((sum, map) => sum + [...seen.maps.entries(map)].length, 0)

  // Processes before wrote them first, and the set last.
  it('that are of no set are accepted no more behind a restart', () => {
    program({ tunnelSources: set({ id: 1, prefixes }) })
    seen.maps.delete('source_sets', 1)
    seen.maps.set('source_hosts', new View(SOURCE_HOST_KEY).set('set', 3).set('family', 4).bytes, wordBytes(0))
    open()
    expect(accepted()).toBe(0)
  })

  it('that were refused, and could not be taken back, are accepted no more when the set says something else', () => {
    program({ tunnelSources: set({ id: 1, prefixes: [prefixes[0]] }) })
    refused = [
      ['set', 'source_nets'],
      ['delete', 'source_hosts'],
    ]
    expect(program({ tunnelSources: set({ id: 1, prefixes }) })).toEqual(['tunnel-sources 1'])
    expect(accepted()).toBe(2)
    refused = []
    expect(program({ tunnelSources: set({ id: 1, prefixes: [prefixes[0]] }) })).toEqual([])
    expect(accepted()).toBe(1)
  })
})
