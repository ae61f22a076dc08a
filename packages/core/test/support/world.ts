import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { Clock } from '@heddle/io'
import fc from 'fast-check'
import { expect } from 'vitest'
import {
  OverlayModel,
  RouteBatch,
  type ApplyReport,
  type DataplaneState,
  type EndpointIntent,
  type VpnRoute,
  type VrfIntent,
} from '../../src/index.js'
import { applyToState, emptyState } from '../../src/testing/index.js'

export const LOCAL = IpAddress.parse('192.0.2.1')
export const LIMITS = {
  vrfs: 64,
  ports: 1024,
  nextHops: 4096,
  groups: 4096,
  groupMembers: 64,
  labels: 4096,
  vnis: 16,
  routes: 65_536,
  labelStackDepth: 4,
}

export class TestClock implements Clock {
  time = 0
  now(): number {
    return this.time
  }
  setTimer(): { cancel(): void } {
    return { cancel: () => undefined }
  }
}

const targets = fc.subarray(['65000:1', '65000:2', '65000:3']).map((list) => list.map((text) => RouteTarget.parse(text)))
const vrfIntent = (name: string) =>
  fc.record({
    name: fc.constant(name),
    rd: fc.constant(RouteDistinguisher.parse(`192.0.2.1:${name.length}`)),
    import: targets,
    export: targets,
  })
const vrfList: fc.Arbitrary<VrfIntent[]> = fc
  .tuple(fc.option(vrfIntent('a')), fc.option(vrfIntent('bb')), fc.option(vrfIntent('ccc')))
  .map((list) => list.filter((vrf) => vrf !== null))
const addresses = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1').map((text) => IpAddress.parse(text))
const endpoint: fc.Arbitrary<EndpointIntent> = fc.record({
  vrf: fc.constantFrom('a', 'bb', 'ccc'),
  netns: fc.constantFrom('/run/netns/1', '/run/netns/2', '/run/netns/3'),
  ifname: fc.constant('eth0'),
  addresses: fc.uniqueArray(addresses, { minLength: 1, maxLength: 2, selector: String }),
  mtu: fc.constant(1468),
})
const route: fc.Arbitrary<VpnRoute> = fc.record({
  source: fc.constantFrom('198.51.100.1', '198.51.100.2'),
  rd: fc.constantFrom('1:1', '1:2').map((text) => RouteDistinguisher.parse(text)),
  prefix: fc.constantFrom('10.0.0.1/32', '10.0.0.9/32', '10.0.0.0/24', 'fd00::9/128').map((text) => IpPrefix.parse(text)),
  pathId: fc.nat(1),
  routeTargets: targets,
  label: fc.integer({ min: 16, max: 20 }),
  nextHop: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.3').map((text) => IpAddress.parse(text)),
  encapsulations: fc.constant([]),
  preference: fc.record({
    localPref: fc.constantFrom(100, 200),
    asPathLength: fc.nat(1),
    origin: fc.constant(0 as const),
    med: fc.nat(1),
    neighborAs: fc.constant(0),
    external: fc.constant(false),
    clusterListLength: fc.constant(0),
    originatorId: fc.nat(3),
  }),
})

export type Step =
  | { type: 'vrfs'; vrfs: VrfIntent[] }
  | { type: 'add'; endpoint: EndpointIntent }
  | { type: 'remove'; endpoint: EndpointIntent }
  | { type: 'announce'; route: VpnRoute }
  | { type: 'withdraw'; route: VpnRoute }
  | { type: 'source-down'; source: string }
  | { type: 'apply'; outcome: 'ok' | 'refused' | 'partly' | 'lost' }
  | { type: 'replaced'; past: number }

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: vrfList.map((vrfs) => ({ type: 'vrfs' as const, vrfs })) },
  { weight: 3, arbitrary: endpoint.map((value) => ({ type: 'add' as const, endpoint: value })) },
  { weight: 1, arbitrary: endpoint.map((value) => ({ type: 'remove' as const, endpoint: value })) },
  { weight: 5, arbitrary: route.map((value) => ({ type: 'announce' as const, route: value })) },
  { weight: 2, arbitrary: route.map((value) => ({ type: 'withdraw' as const, route: value })) },
  { weight: 1, arbitrary: fc.constantFrom('198.51.100.1', '198.51.100.2').map((source) => ({ type: 'source-down' as const, source })) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('ok' as const, 'refused' as const, 'partly' as const, 'lost' as const)
      .map((outcome) => ({ type: 'apply' as const, outcome })),
  },
  { weight: 1, arbitrary: fc.nat(5).map((past) => ({ type: 'replaced' as const, past })) },
)

/** A model, the inputs that hold, and a dataplane that applies what it is told, sometimes not. */
export class World {
  readonly clock = new TestClock()
  readonly model = new OverlayModel({
    clock: this.clock,
    localAddresses: [LOCAL],
    capabilities: { encapsulations: ['mpls-udp'], limits: LIMITS },
    labels: { quarantine: 1000 },
  })
  state: DataplaneState = emptyState()
  /** What the dataplane held at one time or another. */
  readonly history: DataplaneState[] = [emptyState()]
  vrfs: readonly VrfIntent[] = []
  readonly endpoints = new Map<string, EndpointIntent>()
  readonly routes = new Map<string, VpnRoute>()
  /** Every label that was released, with the time and its VRF. */
  readonly released = new Map<number, number>()

  run(action: Step): void {
    this.clock.time += 10
    switch (action.type) {
      case 'vrfs': {
        const before = this.labels()
        try {
          this.model.setVrfs(action.vrfs)
          this.vrfs = action.vrfs
        } catch {
          break // refused whole: endpoints are attached to a VRF that would go
        }
        this.note(before)
        break
      }
      case 'add': {
        const before = this.labels()
        try {
          this.model.addEndpoint(action.endpoint)
          this.model.setAttached(action.endpoint, true)
          this.endpoints.set(action.endpoint.netns, action.endpoint)
        } catch {
          break // refused whole
        }
        for (const label of this.labels()) if (!before.has(label)) this.checkQuarantine(label)
        break
      }
      case 'remove': {
        const before = this.labels()
        if (this.model.removeEndpoint(action.endpoint) !== undefined) this.endpoints.delete(action.endpoint.netns)
        this.note(before)
        break
      }
      case 'announce':
        this.model.applyRoutes([{ kind: 'announce', route: action.route }])
        this.routes.set(keyOf(action.route), action.route)
        break
      case 'withdraw':
        this.model.applyRoutes([{ kind: 'withdraw', ...action.route }])
        this.routes.delete(keyOf(action.route))
        break
      case 'source-down':
        this.model.withdrawSource(action.source)
        for (const [key, { source }] of this.routes) if (source === action.source) this.routes.delete(key)
        break
      case 'apply':
        this.apply(action.outcome)
        break
      case 'replaced':
        this.replaced(this.history[action.past % this.history.length] ?? emptyState())
    }
  }

  /** The dataplane is replaced by one that holds `state`. */
  replaced(state: DataplaneState): void {
    this.state = state
    this.model.replaced(state)
  }

  labels(): Set<number> {
    return new Set(this.model.labels().map(({ label }) => label))
  }

  note(before: Set<number>): void {
    const after = this.labels()
    for (const label of before) if (!after.has(label)) this.released.set(label, this.clock.time)
    for (const label of after) if (!before.has(label)) this.checkQuarantine(label)
  }

  checkQuarantine(label: number): void {
    const since = this.released.get(label)
    if (since !== undefined) expect(this.clock.time - since).toBeGreaterThanOrEqual(1000)
  }

  apply(outcome: 'ok' | 'refused' | 'partly' | 'lost'): void {
    const transaction = this.model.takeTransaction()
    if (transaction === undefined) return
    const after = applyToState(this.state, transaction)
    expect(transaction.generation).toBeGreaterThan(this.state.generation)
    expect(danglingIn(after)).toEqual([])
    expect(changedMeanings(this.state, after)).toEqual([])
    if (outcome === 'lost') {
      // It was applied, but the dataplane goes before it can say so, and comes back with what it had before or after.
      this.replaced(transaction.generation % 2 === 0 ? this.state : after)
      return
    }
    let report: ApplyReport = { status: 'applied', generation: transaction.generation, failures: [] }
    if (outcome === 'refused') {
      report = {
        status: 'refused',
        generation: transaction.generation,
        failures: [{ object: { kind: 'vrf', key: '0' }, code: 'test', message: 'refused' }],
      }
    } else if (outcome === 'partly') {
      // The dataplane does not take the first route that is new to it.
      const known = new Set(
        Array.from({ length: this.state.routes.count }, (_, row) => `${this.state.routes.vrf[row]} ${this.state.routes.prefixAt(row)}`),
      )
      const routes = new RouteBatch()
      let failed: string | undefined
      for (let row = 0; row < transaction.routes.count; row++) {
        const name = `${transaction.routes.vrf[row]} ${transaction.routes.prefixAt(row)}`
        if (failed === undefined && !known.has(name)) failed = name
        else routes.push(transaction.routes.vrf[row], transaction.routes.prefixAt(row), transaction.routes.group[row])
      }
      this.state = applyToState(this.state, { ...transaction, routes })
      if (failed !== undefined)
        report = { ...report, failures: [{ object: { kind: 'route', key: failed }, code: 'test', message: 'not taken' }] }
    } else this.state = after
    this.history.push(this.state)
    this.model.programmed(report)
    this.model.takeExports()
  }

  settle(): void {
    for (let tries = 0; tries < 4; tries++) this.apply('ok')
    expect(this.model.takeTransaction()).toBeUndefined()
  }
}

function keyOf({ source, rd, prefix, pathId }: VpnRoute): string {
  return `${source} ${rd} ${prefix} ${pathId}`
}

/** References of a state that lead nowhere. */
export function danglingIn({ vrfs, ports, nextHops, groups, tunnelSources, labels, routes }: DataplaneState): readonly string[] {
  const has = (list: readonly { readonly id: number }[], id: number | undefined): boolean => list.some((object) => object.id === id)
  return [
    ...ports.filter(({ kind, vrf }) => kind === 'endpoint' && !has(vrfs, vrf)).map(({ id }) => `port ${id}`),
    ...nextHops.filter(({ action }) => action.type === 'port' && !has(ports, action.port)).map(({ id }) => `next hop ${id}`),
    ...groups.filter(({ members }) => members.some(({ nextHop }) => !has(nextHops, nextHop))).map(({ id }) => `group ${id}`),
    ...labels
      .filter(
        ({ action, sources }) =>
          !has(tunnelSources, sources) ||
          (action.type === 'pop-forward' ? !has(ports, action.port) : action.type === 'pop-lookup' && !has(vrfs, action.vrf)),
      )
      .map(({ label }) => `label ${label}`),
    ...Array.from({ length: routes.count }, (_, row) => row)
      .filter((row) => !has(vrfs, routes.vrf[row]) || !has(groups, routes.group[row]))
      .map((row) => `route ${row}`),
  ]
}

/**
 * Ids and labels that mean another thing after a transaction than before it. Whatever still refers to them in the middle of it would lead into another
 * VRF for a moment.
 */
function changedMeanings(before: DataplaneState, after: DataplaneState): readonly string[] {
  const changed = <T>(
    kind: string,
    all: (state: DataplaneState) => readonly T[],
    keyOf: (object: T) => number,
    of: (object: T) => unknown,
  ) => {
    const meanings = new Map(all(before).map((object) => [keyOf(object), JSON.stringify(of(object))]))
    return all(after)
      .filter((object) => (meanings.get(keyOf(object)) ?? JSON.stringify(of(object))) !== JSON.stringify(of(object)))
      .map((object) => `${kind} ${keyOf(object)}`)
  }
  const id = (object: { readonly id: number }): number => object.id
  return [
    ...changed(
      'vrf',
      ({ vrfs }) => vrfs,
      id,
      ({ name }) => name,
    ),
    ...changed(
      'port',
      ({ ports }) => ports,
      id,
      ({ kind, vrf }) => [kind, vrf ?? null],
    ),
    ...changed(
      'next hop',
      ({ nextHops }) => nextHops,
      id,
      ({ action }) => action,
    ),
    ...changed(
      'group',
      ({ groups }) => groups,
      id,
      ({ members }) => members,
    ),
    ...changed(
      'label',
      ({ labels }) => labels,
      ({ label }) => label,
      ({ action }) => action,
    ),
  ]
}
