import { NO_GROUP, RouteBatch, type DataplaneState, type FibTransaction, type NextHopAction, type ObjectChanges } from '@heddle/core'
import { applyToState, emptyState } from '@heddle/core/testing'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ForwardingEngine } from '../src/index.js'

const LIMITS = { vrfs: 3, ports: 3, nextHops: 4, groups: 4, groupMembers: 2, labels: 3, vnis: 0, routes: 6, labelStackDepth: 2 }

const id = fc.nat(3)
const changes = <T>(object: fc.Arbitrary<T>, key = id): fc.Arbitrary<ObjectChanges<T>> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant({ set: [], remove: [] }) },
    { weight: 2, arbitrary: fc.record({ set: fc.array(object, { maxLength: 2 }), remove: fc.constant([]) }) },
    { weight: 1, arbitrary: fc.record({ set: fc.array(object, { maxLength: 1 }), remove: fc.array(key, { maxLength: 2 }) }) },
  )
const action: fc.Arbitrary<NextHopAction> = fc.oneof(
  id.map((port) => ({ type: 'port' as const, port })),
  id.map((vrf) => ({ type: 'lookup' as const, vrf })),
  fc.constant({ type: 'discard' as const }),
)
const row = fc.record({
  vrf: id,
  prefix: fc.constantFrom('10.0.0.0/8', '10.0.0.1/32', '0.0.0.0/0', 'fd00::/8', 'fd00::1/128').map((text) => IpPrefix.parse(text)),
  group: fc.oneof({ weight: 3, arbitrary: id }, { weight: 2, arbitrary: fc.constant(NO_GROUP) }),
})
const transaction: fc.Arbitrary<Omit<FibTransaction, 'generation'>> = fc
  .record({
    vrfs: changes(id.map((own) => ({ id: own, name: `vrf ${own}` }))),
    ports: changes(
      fc.record({ id, vrf: id }).map((port) => ({ ...port, kind: 'endpoint' as const, allowedSources: [], gateways: [], mtu: 1400 })),
    ),
    nextHops: changes(fc.record({ id, action })),
    groups: changes(
      fc.record({
        id,
        members: fc.uniqueArray(id, { maxLength: 2 }).map((list) => list.map((nextHop) => ({ nextHop, weight: 1 }))),
        seed: fc.constant(0),
      }),
    ),
    tunnelSources: changes(id.map((own) => ({ id: own, prefixes: [] }))),
    labels: changes(
      fc.record({ label: id.map((own) => 16 + own), action: id.map((vrf) => ({ type: 'pop-lookup' as const, vrf })), sources: id }),
      id.map((own) => 16 + own),
    ),
    rows: fc.array(row, { maxLength: 3 }),
  })
  .map(({ rows, ...rest }) => {
    const routes = new RouteBatch()
    for (const { vrf, prefix, group } of rows) routes.push(vrf, prefix, group)
    return { ...rest, vnis: { set: [], remove: [] }, routes }
  })

/** Something of each kind, so that what follows has something to refer to. */
const first: FibTransaction = {
  generation: 1,
  vrfs: { set: [0, 1].map((own) => ({ id: own, name: `vrf ${own}` })), remove: [] },
  ports: { set: [{ id: 0, kind: 'endpoint', vrf: 0, allowedSources: [], gateways: [], mtu: 1400 }], remove: [] },
  nextHops: { set: [0, 1].map((own) => ({ id: own, action: { type: 'port', port: 0 } })), remove: [] },
  groups: { set: [0, 1].map((own) => ({ id: own, members: [{ nextHop: own, weight: 1 }], seed: 0 })), remove: [] },
  tunnelSources: { set: [{ id: 0, prefixes: [] }], remove: [] },
  labels: { set: [], remove: [] },
  vnis: { set: [], remove: [] },
  routes: new RouteBatch(),
}

/** Whether everything that a state refers to is there, and nothing is too much: by looking everything up. */
function isSound({ vrfs, ports, nextHops, groups, tunnelSources, labels, routes }: DataplaneState): boolean {
  const has = (list: readonly { readonly id: number }[], wanted: number | undefined): boolean => list.some((object) => object.id === wanted)
  const rows = Array.from({ length: routes.count }, (_, at) => at)
  return (
    ports.every(({ vrf }) => has(vrfs, vrf)) &&
    nextHops.every(({ action: to }) => (to.type === 'port' ? has(ports, to.port) : to.type !== 'lookup' || has(vrfs, to.vrf))) &&
    groups.every(({ members }) => members.every(({ nextHop }) => has(nextHops, nextHop))) &&
    labels.every(({ action: does, sources }) => has(tunnelSources, sources) && does.type === 'pop-lookup' && has(vrfs, does.vrf)) &&
    rows.every((at) => has(vrfs, routes.vrf[at]) && has(groups, routes.group[at])) &&
    vrfs.length <= LIMITS.vrfs &&
    ports.length <= LIMITS.ports &&
    labels.length <= LIMITS.labels &&
    routes.count <= LIMITS.routes
  )
}

function contentOf({ routes, ...objects }: Omit<DataplaneState, 'devices'>): unknown {
  const rows = Array.from({ length: routes.count }, (_, at) => `${routes.vrf[at]} ${routes.prefixAt(at)} ${routes.group[at]}`)
  const lists = [objects.vrfs, objects.ports, objects.nextHops, objects.groups, objects.tunnelSources, objects.labels]
  return [objects.generation, ...lists.map((list) => new Set(list.map((object) => JSON.stringify(object)))), new Set(rows)]
}

test('a transaction is applied exactly when nothing dangles after it and nothing is too much, and then as the reference applies it', () => {
  const outcomes = { applied: 0, refused: 0 }
  fc.assert(
    fc.property(fc.array(transaction, { minLength: 1, maxLength: 30 }), (list) => {
      const engine = new ForwardingEngine({ limits: LIMITS })
      let state = applyToState(emptyState(), first)
      expect(engine.apply(first).status).toBe('applied')
      for (const [index, part] of list.entries()) {
        const next = { ...part, generation: index + 2 }
        const after = applyToState(state, next)
        const { status, failures } = engine.apply(next)
        expect(status, JSON.stringify(failures)).toBe(isSound(after) ? 'applied' : 'refused')
        expect(failures.length > 0).toBe(status === 'refused')
        outcomes[status]++
        if (status === 'applied') state = after
        expect(contentOf(engine.state())).toEqual(contentOf(state))
      }
    }),
    { numRuns: 1000 },
  )
  expect(Math.min(outcomes.applied, outcomes.refused)).toBeGreaterThan(500) // both happen
})

test.each([
  ['a family of 5', 5, [0x0a00_0000, 0, 0, 0], 8],
  ['a length of 33', 4, [0x0a00_0000, 0, 0, 0], 33],
  ['bits behind the prefix', 4, [0x0a00_0001, 0, 0, 0], 8],
  ['bits behind an IPv6 prefix', 6, [0xfd00_0000, 0, 0, 1], 64],
])('a row with %s is refused and named, also when the tables are full', (_, family, [w0 = 0, w1 = 0, w2 = 0, w3 = 0], length) => {
  const engine = new ForwardingEngine({ limits: { ...LIMITS, routes: 0 } })
  const routes = new RouteBatch()
  routes.pushWords(1, 4, w0, w1, w2, w3, length, NO_GROUP)
  routes.family[0] = family
  const none = { set: [], remove: [] }
  const parts = { vrfs: none, ports: none, nextHops: none, groups: none, tunnelSources: none, labels: none, vnis: none }
  const report = engine.apply({ generation: 1, ...parts, routes })
  expect(report).toMatchObject({ status: 'refused', failures: [{ code: 'dataplane.range', object: { kind: 'route' } }] })
})
