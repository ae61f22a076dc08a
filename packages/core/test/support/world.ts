import { ManualClock } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { expect } from 'vitest'
import {
  DATAPLANE_FEATURES,
  OverlayModel,
  type DataplaneState,
  type Encapsulation,
  type EndpointIntent,
  type FibTransaction,
  type Observation,
  type TrafficIntents,
  type VpnRoute,
  type VpnRouteKey,
  type VrfIntent,
} from '../../src/index.js'
import {
  applyToState,
  describeLabels,
  describePorts,
  describeState,
  describeTraffic,
  describeVnis,
  emptyState,
  expectedExports,
  expectedLabels,
  expectedPorts,
  expectedTables,
  expectedTraffic,
  expectedVnis,
  type ModelInputs,
} from '../../src/testing/index.js'
import { failing, failure, without } from './failures.js'
import { changedMeanings, danglingIn, namesIn, type Name } from './references.js'
import type { Outcome, Step } from './steps.js'

export const LIMITS = {
  vrfs: 64,
  ports: 1024,
  nextHops: 4096,
  groups: 4096,
  groupMembers: 64,
  labels: 4096,
  vnis: 16,
  routes: 65_536,
  liveness: 64,
  labelStackDepth: 4,
}

const QUARANTINE = 1000
const MAXIMUM_PATHS = 2
/** Joint labels first: what says nothing gets the second. */
const PREFERENCES: readonly Encapsulation[] = ['mpls-udp-joint', 'mpls-gre', 'vxlan', 'mpls-udp']
/** Of a node whose tunnels end at 192.0.2.1. */
const ROUTER_MAC = '02:68:c0:00:02:01'

/** A model, the inputs that hold, and a dataplane that applies what it is told, sometimes not. */
export class World {
  readonly clock = new ManualClock()
  readonly localAddresses: readonly IpAddress[]
  readonly model: OverlayModel
  state: DataplaneState = emptyState()
  /** What the dataplane held at one time or another. */
  readonly history: DataplaneState[] = [emptyState()]
  vrfs: readonly VrfIntent[] = []
  traffic: TrafficIntents = {}
  /** Far ends that the dataplane said it hears no more. */
  readonly down = new Map<string, IpAddress>()
  readonly observed: Observation[] = []
  readonly endpoints = new Map<string, EndpointIntent>()
  readonly routes = new Map<string, VpnRoute>()
  /** What others were told and still hold. */
  readonly told = new Map<string, VpnRoute>()
  /** Taken, and not reported yet; `changed`: something was told since. */
  #underWay: { readonly transaction: FibTransaction; changed: boolean } | undefined
  /** Who gave up a VNI last, and when. */
  readonly #lastOwners = new Map<number, { readonly name: string; readonly since: number }>()
  /** When each label was released last. */
  readonly #released = new Map<number, number>()

  /** @param dual whether the underlay has IPv6 beside IPv4 */
  constructor({ dual = false }: { readonly dual?: boolean } = {}) {
    this.localAddresses = [IpAddress.parse('192.0.2.1'), ...(dual ? [IpAddress.parse('2001:db8::1')] : [])]
    this.model = this.newModel()
  }

  /** A model of the same node that knows nothing yet. */
  newModel(): OverlayModel {
    return new OverlayModel({
      clock: this.clock,
      localAddresses: this.localAddresses,
      capabilities: { encapsulations: PREFERENCES, limits: LIMITS, features: DATAPLANE_FEATURES },
      encapsulations: PREFERENCES,
      labels: { quarantine: QUARANTINE },
      maximumPaths: MAXIMUM_PATHS,
    })
  }

  get inputs(): ModelInputs {
    return {
      localAddresses: this.localAddresses,
      encapsulations: PREFERENCES,
      maximumPaths: MAXIMUM_PATHS,
      vrfs: this.vrfs.map(({ vni, ...vrf }) => (vni !== undefined && this.withVni.has(vrf.name) ? { ...vrf, vni } : vrf)),
      endpoints: [...this.endpoints.values()],
      routes: [...this.routes.values()],
      traffic: this.traffic,
      down: [...this.down.values()],
    }
  }

  run(action: Step): void {
    this.clock.advance(10)
    if (this.#underWay !== undefined && action.type !== 'apply') this.#underWay.changed = true
    const labels = this.#labels()
    const vnis = this.#vnis()
    switch (action.type) {
      case 'vrfs':
        if (succeeds(() => this.model.setVrfs(action.vrfs))) this.vrfs = action.vrfs
        break
      case 'traffic':
        if (succeeds(() => this.model.setIntents(this.vrfs, action.traffic))) this.traffic = action.traffic
        break
      case 'heard':
        this.hear(this.state.liveness?.[action.which]?.id ?? -1, action.isUp)
        break
      case 'observe':
        this.#observe(action.which)
        break
      case 'add':
        if (succeeds(() => this.model.addEndpoint(action.endpoint))) {
          this.model.setAttached(action.endpoint, true)
          this.endpoints.set(endpointName(action.endpoint), action.endpoint)
        }
        break
      case 'remove':
        this.model.removeEndpoint(action.endpoint)
        this.endpoints.delete(endpointName(action.endpoint))
        break
      case 'announce':
        this.model.applyRoutes([{ kind: 'announce', route: action.route }])
        this.routes.set(routeKey(action.route), action.route)
        break
      case 'withdraw':
        this.model.applyRoutes([{ kind: 'withdraw', ...action.route }])
        this.routes.delete(routeKey(action.route))
        break
      case 'source-down':
        this.model.withdrawSource(action.source)
        for (const [key, { source }] of this.routes) if (source === action.source) this.routes.delete(key)
        break
      case 'begin':
        this.begin()
        break
      case 'apply':
        this.apply(action.outcome, action.seed)
        break
      case 'replaced':
        this.replaced(this.history[action.past % this.history.length] ?? emptyState())
    }
    this.#checkQuarantine(labels)
    this.#checkVnis(vnis)
  }

  /** The dataplane is replaced by one that holds `state`. */
  replaced(state: DataplaneState): void {
    const late = this.#underWay?.transaction.generation
    this.#underWay = undefined
    this.state = state
    this.model.replaced(state)
    this.down.clear()
    if (late !== undefined) expect(this.model.programmed({ status: 'applied', generation: late, failures: [] })).toBe(false)
  }

  /** Takes a transaction, so that what is told from now on happens while it is under way. */
  begin(): void {
    const transaction = this.model.takeTransaction()
    this.#forgetUnwatched()
    if (this.#underWay !== undefined) expect(transaction).toBeUndefined()
    else if (transaction !== undefined) this.#underWay = { transaction, changed: false }
  }

  /** Lets the dataplane answer to the transaction that is under way, or to the next one. */
  apply(outcome: Outcome, seed = 0): void {
    this.begin()
    if (this.#underWay === undefined) return
    const { transaction, changed } = this.#underWay
    const { generation } = transaction
    const after = applyToState(this.state, transaction)
    expect(generation).toBeGreaterThan(this.state.generation)
    expect(danglingIn(after)).toEqual([])
    expect(changedMeanings(this.state, after)).toEqual([])
    if (outcome === 'lost') {
      this.replaced(seed % 2 === 0 ? this.state : after)
      return
    }
    this.#underWay = undefined
    const failed = outcome === 'partly' ? failing(this.state, transaction, seed) : new Set<Name>()
    if (outcome !== 'refused') this.state = applyToState(this.state, without(transaction, failed))
    this.history.push(this.state)
    const failures = [...(outcome === 'refused' ? namesIn(transaction).set : failed)].map(failure)
    const complete = this.model.programmed({ status: outcome === 'refused' ? 'refused' : 'applied', generation, failures })
    expect(complete).toBe(outcome !== 'refused' && failed.size === 0)
    // A dataplane with ids of its own is emptied in a first transaction.
    if (complete && !changed && this.state.ports.length > 0) this.checkTables()
    this.tell()
  }

  /** Lets the dataplane take everything; then it holds what the definitions say, and so do those who were told. */
  settle(): void {
    for (const observation of this.observed.splice(0)) observation.release()
    this.clock.advance(QUARANTINE)
    if (this.#underWay !== undefined) this.#underWay.changed = true // a VNI may have rested by now
    for (let tries = 0; tries < 4; tries++) this.apply('ok')
    expect(this.model.takeTransaction()).toBeUndefined()
    for (const { name, vni } of this.vrfs) expect(this.withVni.has(name)).toBe(vni !== undefined)
    expect(this.model.due).toBe(Number.POSITIVE_INFINITY)
    this.checkTables()
    this.checkRows()
    this.tell()
    const told = [...this.told.values()].map(
      (route) => [toldName(route), `${this.#leadsTo(route)} for ${route.routeTargets.map(String).sort().join(' ')}`] as const,
    )
    expect(new Map(told)).toEqual(expectedExports(this.inputs))
  }

  /** What the dataplane holds is what follows from the inputs. */
  checkTables(): void {
    expect(new Map(describeState(this.state, this.portName))).toEqual(new Map(expectedTables(this.inputs)))
    expect([...describeLabels(this.state, this.portName).values()].sort()).toEqual(expectedLabels(this.inputs))
    expect(describeVnis(this.state)).toEqual(expectedVnis(this.inputs, ROUTER_MAC))
    expect(describePorts(this.state, this.portName)).toEqual(expectedPorts(this.inputs))
    expect(describeTraffic(this.state, this.portName, (id) => this.#mirrorName(id))).toEqual(expectedTraffic(this.inputs))
  }

  /** What people are shown is what packets do: the best rows of a prefix are installed, and lead where its route leads. */
  checkRows(): void {
    const shown = new Map<string, Set<string>>()
    for (const { vrf, prefix, best, installed, nextHop, encapsulation, label, routerMac } of this.model.routes()) {
      expect(installed).toBe(best)
      if (!best) continue
      const words = shown.get(`${vrf} ${prefix}`) ?? new Set()
      const number = routerMac === undefined ? `label ${label}` : `vni ${label} of ${routerMac}`
      shown.set(`${vrf} ${prefix}`, words.add(nextHop === undefined ? 'local' : `${encapsulation} ${number} to ${nextHop}`))
    }
    const expected = [...expectedTables(this.inputs)].filter(([, words]) => words !== '')
    const remote = expected.map(([key, words]) => [key, /^(port of|discard|look up)/.test(words) ? 'local' : words] as const)
    expect(new Map([...shown].map(([key, words]) => [key, [...words].sort().join(', ')]))).toEqual(new Map(remote))
  }

  /** Takes the exports; whatever is told now leads, at this moment, to where it says. */
  tell(): void {
    for (const change of this.model.takeExports()) {
      if (change.kind === 'announce') this.told.set(routeKey(change.route), change.route)
      else expect(this.told.delete(routeKey(change))).toBe(true)
    }
    const expected = expectedExports(this.inputs)
    for (const route of this.told.values()) {
      expect(route.nextHop).toBe(this.localAddresses[0])
      expect(expected.get(toldName(route))).toContain(this.#leadsTo(route) ?? 'what is not there')
    }
  }

  /** Where packets go that others send by a route of ours. */
  #leadsTo({ evpn, label, routerMac }: VpnRoute): string | undefined {
    if (evpn !== true)
      return describeLabels(this.state, this.portName)
        .get(label)
        ?.replace(/ from .*$/, '')
    const entry = this.state.vnis.find(({ vni, routerMac: own }) => vni === label && String(own) === String(routerMac))
    return entry && `vni ${label} in ${this.state.vrfs.find(({ id }) => id === entry.vrf)?.name}`
  }

  /** VRFs whose VNI does not rest. */
  get withVni(): ReadonlySet<string> {
    return new Set(this.model.vrfs().flatMap(({ name, routerMac }) => (routerMac === undefined ? [] : [name])))
  }

  /** The dataplane says of a session that it has how it stands. */
  hear(id: number, isUp: boolean): void {
    const session = this.state.liveness?.find((object) => object.id === id)
    if (session === undefined || !this.model.watchedPaths.heard(session.id, isUp)) return
    if (isUp) this.down.delete(String(session.remote))
    else this.down.set(String(session.remote), session.remote)
  }

  /** What a dump would say of sessions. */
  get downIds(): readonly number[] {
    return (this.state.liveness ?? []).filter(({ remote }) => this.down.has(String(remote))).map(({ id }) => id)
  }

  /** Ports in the oracle's words. */
  readonly portName = (port: number): string => {
    const row = this.model.endpoints().find((endpoint) => endpoint.port === port)
    return row === undefined ? `unknown port ${port}` : `port of ${endpointName(row)}`
  }

  /** Nobody is down whom nobody watches. */
  #forgetUnwatched(): void {
    const watched = new Set(expectedTraffic(this.inputs))
    for (const remote of this.down.keys()) if (!watched.has(`watch ${remote}`)) this.down.delete(remote)
  }

  /** Begins to observe something, or lets go of it. */
  #observe(which: number): void {
    const [endpoint] = [...this.endpoints.values()]
    if (which % 3 === 0) this.observed.shift()?.release()
    else {
      const filter = which > 4 ? {} : { vrf: 'a' }
      const begun = which % 3 === 1 ? this.model.trace(filter) : endpoint === undefined ? undefined : this.model.mirror(endpoint, 'both')
      if (begun !== undefined) this.observed.push(begun)
    }
  }

  #mirrorName(id: number): string {
    const sink = this.state.mirrors?.find((mirror) => mirror.id === id)?.sink
    if (sink?.type !== 'erspan') return '?'
    const { mirrors = [] } = this.traffic
    return mirrors.find(({ collector, session }) => session === sink.session && collector.equals(sink.remote))?.name ?? '?'
  }

  #labels(): ReadonlySet<number> {
    return new Set(this.model.labels().map(({ label }) => label))
  }

  /** VNIs in use, with the names of their VRFs. */
  #vnis(): ReadonlyMap<number, string> {
    return new Map(
      this.model.vrfs().flatMap(({ name, vni, routerMac }) => (vni === undefined || routerMac === undefined ? [] : [[vni, name]])),
    )
  }

  /** A VNI that was another VRF's has rested. */
  #checkVnis(before: ReadonlyMap<number, string>): void {
    const after = this.#vnis()
    for (const [vni, name] of after) {
      const last = this.#lastOwners.get(vni)
      if (last !== undefined && last.name !== name) expect(this.clock.now() - last.since).toBeGreaterThanOrEqual(QUARANTINE)
    }
    for (const [vni, name] of before) if (after.get(vni) !== name) this.#lastOwners.set(vni, { name, since: this.clock.now() })
  }

  #checkQuarantine(before: ReadonlySet<number>): void {
    const after = this.#labels()
    for (const label of after) {
      const since = this.#released.get(label)
      if (!before.has(label) && since !== undefined) expect(this.clock.now() - since).toBeGreaterThanOrEqual(QUARANTINE)
    }
    for (const label of before) if (!after.has(label)) this.#released.set(label, this.clock.now())
  }
}

function succeeds(change: () => void): boolean {
  try {
    change()
    return true
  } catch (error) {
    // Refused whole: a VRF that has endpoints would go, an address is in use…
    expect((error as Error).name).toMatch(/^(IntentError|EndpointError)$/)
    return false
  }
}

function endpointName({ netns, ifname }: Pick<EndpointIntent, 'netns' | 'ifname'>): string {
  return `${netns} ${ifname}`
}

function routeKey({ source, rd, prefix, pathId, evpn }: VpnRouteKey): string {
  return `${source} ${rd} ${prefix} ${pathId} ${evpn === true}`
}

/** The name of an export in the oracle's words. */
function toldName({ rd, prefix, evpn }: VpnRoute): string {
  return `${rd} ${prefix}${evpn === true ? ' evpn' : ''}`
}
