// What the kernel refuses is a failure in the report of `apply`, whichever call it was: an agent takes everything else for the end of its dataplane.
import {
  NO_GROUP,
  RouteBatch,
  type ApplyFailure,
  type DataplaneState,
  type FibTransaction,
  type LivenessObject,
  type ObjectKind,
  type PortObject,
} from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { canonicalText } from '../../core/src/fib/canonical.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { FLOW_COUNT } from '../src/layout/structs/policy.js'
import { FaultyNative, type Fails } from './support/faulty-native.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'

const [PEER, OTHER] = PEERS[4]
const MAC = MacAddress.parse('02:00:00:00:00:0a')
const PORTS = [1, 2] as const
const POD = (id: number): IpAddress => IpAddress.parse(`10.1.0.${id}`)

type Wanted = Omit<FibTransaction, 'generation' | 'routes'> & { readonly routes: readonly (readonly [prefix: string, group: number])[] }

/** Every kind of object; of the second variety each is another one. */
function wantedOf(variety: 0 | 1): Wanted {
  const all = <T>(...set: readonly T[]): { readonly set: readonly T[]; readonly remove: readonly number[] } => ({ set, remove: [] })
  const isOther = variety === 1
  const tunnel = { type: 'tunnel', local: LOCAL[4], remote: isOther ? OTHER : PEER, ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
  const liveness = { local: LOCAL[4], remote: PEER, hops: 'multiple', desiredMinTx: 1_000_000, requiredMinRx: 1_000_000 } as const
  return {
    vrfs: all({ id: 1, name: 'red' }, { id: 2, name: isOther ? 'blue' : 'green' }),
    ports: all<PortObject>(
      ...PORTS.map((id) => ({
        id,
        kind: 'endpoint' as const,
        vrf: 1,
        allowedSources: [IpPrefix.of(POD(id))],
        gateways: [],
        mtu: 1400 - variety,
        maxFlows: 100 + variety,
        rateLimits: { egress: { bitsPerSecond: 1_000_000 + variety, burstOctets: 100_000 } },
        ...(isOther && { link: { mac: MAC } }),
      })),
      { id: 3, kind: 'host', vrf: 1 + variety, allowedSources: [], gateways: [], mtu: 1400 },
    ),
    liveness: all<LivenessObject>(
      { id: 1, ...liveness, multiplier: 3 + variety },
      ...(isOther ? [] : [{ id: 2, ...liveness, remote: OTHER, multiplier: 3 }]),
    ),
    nextHops: all(
      { id: 1, action: { type: 'port', port: 1 } },
      { id: 2, action: { ...tunnel, encapsulation: 'mpls-udp', labels: [20] }, liveness: 1 },
      { id: 3, action: { ...tunnel, encapsulation: 'vxlan', labels: [], vni: 7, routerMac: MAC } },
    ),
    groups: all(...[1, 2, 3].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: variety }))),
    tunnelSources: all({ id: 1, prefixes: [IpPrefix.of(tunnel.remote), IpPrefix.parse('198.51.100.0/24')] }),
    labels: all(
      { label: 100, action: { type: 'pop-lookup', vrf: 1 + variety }, sources: 1 },
      ...(isOther ? [{ label: 101, action: { type: 'swap' as const, nextHop: 2 }, sources: 1 }] : []),
    ),
    vnis: all({ vni: 7, vrf: 1, routerMac: isOther ? MacAddress.parse('02:00:00:00:00:0b') : MAC, sources: 1 }),
    mirrors: all(
      { id: 1, ports: [{ port: 1, direction: isOther ? 'egress' : 'both' }], snapLength: 60, sink: { type: 'stream' } },
      { id: 2, ports: [{ port: 1, direction: 'ingress' }], sink: { type: 'erspan', local: LOCAL[4], remote: tunnel.remote, session: 1 } },
    ),
    policies: all(
      ...PORTS.map((id) => ({
        id,
        port: id,
        direction: 'egress' as const,
        rules: [{ verdict: 'allow' as const, mirror: 1, protocol: 6 + variety }],
        defaultVerdict: 'deny' as const,
      })),
    ),
    services: all({
      id: 1,
      vrf: 1,
      address: IpAddress.parse(`10.9.0.${1 + variety}`),
      protocol: 'tcp',
      port: 80,
      backends: [{ address: POD(1), port: 8080, weight: 1 }],
      seed: 1,
    }),
    natPools: all({
      id: 1,
      vrf: 1 + variety,
      outside: 2 - variety,
      address: IpAddress.parse('203.0.113.1'),
      ports: { first: 1024, last: 2048 },
    }),
    traces: all({ id: 1, filter: { protocol: 6 + variety } }, { id: 2 + variety, filter: {} }),
    routes: [
      ['10.1.0.1/32', 1],
      ['10.2.0.0/16', 2 + variety],
      [isOther ? '10.3.0.0/16' : '10.4.0.0/16', 3],
    ],
  }
}
const NOTHING: Wanted = {
  ...emptyTransaction(0),
  liveness: none(),
  mirrors: none(),
  policies: none(),
  services: none(),
  natPools: none(),
  traces: none(),
  routes: [],
}

function none(): { readonly set: readonly never[]; readonly remove: readonly number[] } {
  return { set: [], remove: [] }
}

const MEMBERS = {
  vrfs: 'vrf',
  ports: 'port',
  liveness: 'liveness',
  nextHops: 'next-hop',
  groups: 'group',
  tunnelSources: 'tunnel-sources',
  labels: 'label',
  vnis: 'vni',
  mirrors: 'mirror',
  policies: 'policy',
  services: 'service',
  natPools: 'nat-pool',
  traces: 'trace',
} as const satisfies Readonly<Record<Exclude<keyof Wanted, 'routes'>, ObjectKind>>
type Member = keyof typeof MEMBERS

function keyOf(object: unknown): number {
  const { id, label, vni } = object as { readonly id?: number; readonly label?: number; readonly vni?: number }
  return (id ?? label ?? vni) as number
}

/** Objects by `kind key`, and what each says. */
type Named = ReadonlyMap<string, unknown>

function namedOf(wanted: Wanted): Named {
  const objects = (Object.keys(MEMBERS) as Member[]).flatMap((member) =>
    (wanted[member]?.set ?? []).map((object) => [`${MEMBERS[member]} ${keyOf(object)}`, object] as const),
  )
  return new Map<string, unknown>([...objects, ...wanted.routes.map(([prefix, group]) => [`route 1 ${prefix}`, group] as const)])
}

function held(state: DataplaneState): Named {
  const { routes } = state
  const objects = (Object.keys(MEMBERS) as Member[]).flatMap((member) =>
    (state[member] ?? []).map((object) => [`${MEMBERS[member]} ${keyOf(object)}`, object] as const),
  )
  const rows = Array.from(
    { length: routes.count },
    (_, row) => [`route ${routes.vrf[row]} ${routes.prefixAt(row)}`, routes.group[row]] as const,
  )
  return new Map<string, unknown>([...objects, ...rows])
}

const same = (a: unknown, b: unknown): boolean => a === b || (a !== undefined && b !== undefined && canonicalText(a) === canonicalText(b))

/** As an agent makes it: what differs, and what was refused. */
function differenceOf(before: Named, wanted: Named, generation: number, refused: ReadonlySet<string>): FibTransaction {
  const names = [...new Set([...before.keys(), ...wanted.keys(), ...refused])].filter(
    (name) => refused.has(name) || !same(before.get(name), wanted.get(name)),
  )
  const routes = new RouteBatch()
  for (const name of names) {
    const [kind, vrf, prefix] = name.split(' ')
    if (kind === 'route') routes.push(Number(vrf), IpPrefix.parse(prefix), (wanted.get(name) as number | undefined) ?? NO_GROUP)
  }
  const changes = (wantedKind: string): { readonly set: unknown[]; readonly remove: number[] } => {
    const ofKind = names.filter((name) => name.split(' ')[0] === wantedKind)
    const set = ofKind.filter((name) => wanted.has(name)).map((name) => wanted.get(name))
    return { set, remove: ofKind.filter((name) => !wanted.has(name)).map((name) => Number(name.split(' ')[1])) }
  }
  const members = Object.entries(MEMBERS).map(([member, kind]) => [member, changes(kind)])
  return { ...emptyTransaction(generation), ...Object.fromEntries(members), routes } as FibTransaction
}

/** What dumps do not show. */
const BESIDE = ['observed', 'snap_lengths', 'watches', 'hosts', 'pools_between', 'virtual_addresses', 'flow_counts', 'rates']

describe.skipIf(missing() !== '')(titled('what the kernel refuses while a transaction is written'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  let native: FaultyNative
  let generation = 0
  beforeAll(() => {
    namespace = new RouterNamespace('refusals')
    namespace.namespaces.add('refusals-pods')
    for (const address of ['192.0.2.1/24 dev up0', '2001:db8::1/64 dev up0 nodad'])
      namespace.namespaces.in('refusals', ...`ip address add ${address}`.split(' '))
  })
  afterAll(() => namespace.close())
  beforeEach(async () => {
    // Nothing but transactions asks the kernel.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
    router = await namespace.open()
    native = new FaultyNative()
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await router.close()
    vi.useRealTimers()
  })

  /** An element as it is but for when flows were counted, which is another time each time. */
  const timeless = (map: string, [key, value]: readonly [Uint8Array, Uint8Array]): string => {
    if (map !== 'flow_counts') return `${key},${value}`
    const count = new View(FLOW_COUNT, value)
    return `${key}: ${count.get('count')}${count.get('recount') >= 0x8000_0000 ? ', counted' : `, ${count.get('recount')}`}`
  }
  const beside = (): unknown =>
    Object.fromEntries(BESIDE.map((map) => [map, Array.from(router.parts.maps.entries(map), (entry) => timeless(map, entry)).toSorted()]))
  const attach = async (): Promise<void> => {
    for (const port of PORTS)
      await router.attachPort(port, {
        netns: namespace.namespaces.path('refusals-pods'),
        ifname: `p${port}`,
        addresses: [POD(port)],
        mtu: 1400,
      })
  }
  const links = (): string => namespace.namespaces.in('refusals-pods', ...'ip -o link show type veth'.split(' '))
  /** Applies what differs, with a call that fails; what is reported, and the calls. */
  const make = async (wanted: Named, fails?: Fails, refused: ReadonlySet<string> = new Set()) => {
    const transaction = differenceOf(held(await router.dump()), wanted, ++generation, refused)
    native.begin(fails)
    try {
      const { status, failures } = await router.apply(transaction)
      return { status, failures, calls: [...native.calls] }
    } finally {
      native.end()
    }
  }
  const nameOf = ({ object: { kind, key } }: ApplyFailure): string => `${kind} ${key}`
  /** What differs from what was wanted. */
  const differing = async (wanted: Named): Promise<string[]> => {
    const found = held(await router.dump())
    return [...new Set([...found.keys(), ...wanted.keys()])].filter((name) => !same(found.get(name), wanted.get(name)))
  }

  const [first, second, nothing] = [wantedOf(0), wantedOf(1), NOTHING].map(namedOf)
  const STEPS = [
    { what: 'all is set', before: [nothing], after: first },
    { what: 'all is replaced', before: [first], after: second },
    { what: 'all is removed', before: [first, second], after: nothing },
  ] as const
  /** Makes tables without a refusal, and the devices of their ports. */
  const prepare = async (tables: readonly Named[]): Promise<void> => {
    for (const named of tables) {
      expect((await make(named)).failures).toEqual([])
      if (named !== nothing) await attach()
    }
  }
  /** The tables are what they were to be, and so is what follows from them. */
  const expectMade = async (after: Named, besides: unknown, call: string): Promise<void> => {
    expect(await differing(after), call).toEqual([])
    expect(beside(), call).toEqual(besides)
    if (after !== nothing) return
    // Links that were given up go a moment later, and what was left of one with the next look.
    await vi.advanceTimersByTimeAsync(3000)
    await expect.poll(links, { message: call }).toBe('')
    for (const map of ['links', 'devices', 'requests']) expect([...router.parts.maps.entries(map)], call).toEqual([])
  }

  it.each(STEPS)(
    'is told of the objects that it was for when $what, whichever call it was, and all else is done; they are when they are made again',
    async ({ what, before, after }) => {
      await prepare(before)
      const { failures: none, calls: all } = await make(after)
      expect([none, await differing(after)]).toEqual([[], []])
      const besides = beside()
      expect(all.length).toBeGreaterThan(80)
      for (let failsAt = 0; ; failsAt++) {
        await prepare(before)
        const { status, failures, calls } = await make(after, [failsAt, failsAt])
        if (calls.length <= failsAt) break
        const call = `${what}: call ${failsAt}, ${calls[failsAt]}`
        expect(status, call).toBe('applied')
        const names = new Set(failures.map(nameOf))
        expect(
          (await differing(after)).filter((name) => !names.has(name)),
          call,
        ).toEqual([])
        for (const { code } of failures) expect(['dataplane.limit', 'dataplane.kernel', 'dataplane.device'], call).toContain(code)
        expect((await make(after, undefined, names)).failures, call).toEqual([])
        await expectMade(after, besides, call)
      }
    },
    600_000 * PACE,
  )

  // The tables cannot be read either, by which the next transaction is judged.
  it.each(STEPS)(
    'is told of while the kernel refuses everything from some call on, when $what, until it refuses nothing',
    async ({ what, before, after }) => {
      await prepare(before)
      const { calls } = await make(after)
      const besides = beside()
      let refusals = 0
      for (let failsFrom = 0; failsFrom < calls.length; failsFrom += 7) {
        await prepare(before)
        const call = `${what}: from call ${failsFrom} on, ${calls[failsFrom]}`
        const { failures } = await make(after, [failsFrom, Number.POSITIVE_INFINITY])
        const names = new Set(failures.map(nameOf))
        expect(
          (await differing(after)).filter((name) => !names.has(name)),
          call,
        ).toEqual([])
        const again = await make(after, [0, Number.POSITIVE_INFINITY], names)
        if (again.status === 'refused') {
          refusals++
          expect(again.failures, call).toMatchObject([{ message: expect.stringMatching(/^what the kernel holds cannot be read/) }])
        }
        const all = new Set([...names, ...again.failures.map(nameOf)])
        expect((await make(after, undefined, all)).failures, call).toEqual([])
        await expectMade(after, besides, call)
      }
      expect(refusals).toBeGreaterThan(0)
    },
    600_000 * PACE,
  )

  // What is asked for once in a dataplane's life, to be faster.
  it(
    'is of no object where it is only slower then, and is asked for again by the next look',
    async () => {
      const faster = (): unknown => [router.parts.mergers.vxlan.because, router.parts.transit.because]
      const before = faster()
      const { calls: all } = await make(second)
      const expected = faster()
      expect(expected).not.toEqual(before)
      // Not by their numbers: how often programs are waited for in between depends on how long that takes.
      const asked = ['link', 'lookup drops'].flatMap((call) =>
        all.filter((one) => one === call).map((_, occurrence) => ({ call, occurrence })),
      )
      expect(asked).not.toEqual([])
      for (const fails of asked) {
        const { call } = fails
        await router.close()
        router = await namespace.open()
        expect((await make(second, fails)).failures).toEqual([])
        expect(faster(), call).not.toEqual(expected)
        await vi.advanceTimersByTimeAsync(2000)
        await expect.poll(faster, { message: call }).toEqual(expected)
      }
    },
    600_000 * PACE,
  )
})
