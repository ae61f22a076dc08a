import {
  NO_GROUP,
  NO_MATCH,
  unsupportedObjects,
  type ApplyFailure,
  type DataplaneFeature,
  type DataplaneLimits,
  type FibTransaction,
  type GroupObject,
  type LabelObject,
  type LivenessObject,
  type NatPoolObject,
  type NextHopAction,
  type NextHopObject,
  type ObjectChanges,
  type ObjectKind,
  type PolicyObject,
  type PortObject,
  type RouteBatch,
  type ServiceObject,
  type TunnelSourcesObject,
  type VniObject,
  type VrfObject,
} from '@heddle/core'
import { MAX_LABEL, MIN_UNRESERVED_LABEL } from '@heddle/mpls'
import { serviceProblems } from './nat/check-services.js'
import { policyProblems } from './policy/check-policies.js'
import type { NextHop, Port, Tables, TunnelSources, Vrf } from './tables.js'

/** What the trie of a FIB can hold as a value. */
const MAX_ID = 0x7ffffffe
const MAX_VNI = 0xffffff
const MIN_MTU = 68
const MAX_MTU = 65_535

/**
 * What is wrong with a transaction, given the tables that it would change: values out of range, objects that would be too many, and references
 * that would dangle after it. Empty when it may be programmed.
 */
export function validate(
  tables: Tables,
  transaction: FibTransaction,
  limits: DataplaneLimits,
  features: readonly DataplaneFeature[],
): ApplyFailure[] {
  const failures: ApplyFailure[] = unsupportedObjects(transaction, features)
  const fail = (kind: ObjectKind, key: number | string, code: string, message: string): void => {
    failures.push({ object: { kind, key: String(key) }, code, message })
  }
  const after = new After(tables, transaction)

  checkRanges(transaction, limits, fail)
  checkLimits(after, limits, fail)
  checkPolicies(after, limits, fail)
  checkServices(after, limits, fail)
  checkPools(after, limits, fail)
  checkLiveness(after, limits, fail)
  checkReferences(after, fail)
  checkRoutes(after, limits, fail)
  return failures
}

type Fail = (kind: ObjectKind, key: number | string, code: string, message: string) => void

/** The ids and objects that there will be, as a view of the tables and the transaction. */
class After {
  readonly vrfs: Changed<VrfObject, Vrf>
  readonly ports: Changed<PortObject, Port>
  readonly nextHops: Changed<NextHopObject, NextHop>
  readonly groups: Changed<GroupObject, GroupObject>
  readonly tunnelSources: Changed<TunnelSourcesObject, TunnelSources>
  readonly labels: Changed<LabelObject, LabelObject>
  readonly vnis: Changed<VniObject, VniObject>
  readonly policies: Changed<PolicyObject, PolicyObject>
  readonly services: Changed<ServiceObject, ServiceObject>
  readonly natPools: Changed<NatPoolObject, NatPoolObject>
  readonly liveness: Changed<LivenessObject, LivenessObject>

  constructor(
    readonly tables: Tables,
    readonly transaction: FibTransaction,
  ) {
    const idOf = ({ id }: { readonly id: number }): number => id
    this.vrfs = new Changed(transaction.vrfs, tables.vrfs, idOf, ({ object }) => object)
    this.ports = new Changed(transaction.ports, tables.ports, idOf, ({ object }) => object)
    this.nextHops = new Changed(transaction.nextHops, tables.nextHops, idOf, ({ object }) => object)
    this.groups = new Changed(transaction.groups, tables.groups, idOf, (object) => object)
    this.tunnelSources = new Changed(transaction.tunnelSources, tables.tunnelSources, idOf, ({ object }) => object)
    this.policies = new Changed(transaction.policies ?? { set: [], remove: [] }, tables.policies, idOf, (object) => object)
    this.liveness = new Changed(transaction.liveness ?? { set: [], remove: [] }, tables.liveness, idOf, (object) => object)
    this.natPools = new Changed(transaction.natPools ?? { set: [], remove: [] }, tables.natPools, idOf, (object) => object)
    this.services = new Changed(transaction.services ?? { set: [], remove: [] }, tables.serviceObjects, idOf, (object) => object)
    this.labels = new Changed(
      transaction.labels,
      tables.labels,
      ({ label }) => label,
      (object) => object,
    )
    this.vnis = new Changed(
      transaction.vnis,
      tables.vnis,
      ({ vni }) => vni,
      (object) => object,
    )
  }
}

/** One kind of objects as it will be. */
class Changed<T, Held> {
  readonly #set = new Map<number, T>()
  readonly #removed: ReadonlySet<number>
  readonly #objectOf: (held: Held) => T

  constructor(
    changes: ObjectChanges<T>,
    private readonly before: ReadonlyMap<number, Held>,
    keyOf: (object: T) => number,
    objectOf: (held: Held) => T,
  ) {
    for (const object of changes.set) this.#set.set(keyOf(object), object)
    this.#removed = new Set(changes.remove.filter((key) => !this.#set.has(key)))
    this.#objectOf = objectOf
  }

  has(key: number): boolean {
    return this.#set.has(key) || (this.before.has(key) && !this.#removed.has(key))
  }

  get size(): number {
    let size = this.before.size
    for (const key of this.#set.keys()) if (!this.before.has(key)) size++
    for (const key of this.#removed) if (this.before.has(key)) size--
    return size
  }

  /** Keys that are there now and will not be. */
  get lost(): number[] {
    return [...this.#removed].filter((key) => this.before.has(key))
  }

  /** Objects that are set. */
  *[Symbol.iterator](): Generator<readonly [number, T]> {
    yield* this.#set
  }

  /** Every object that there will be, to be looked at when something that it may refer to gets lost. */
  *all(): Generator<readonly [number, T]> {
    yield* this.#set
    for (const [key, held] of this.before) if (!this.#set.has(key) && !this.#removed.has(key)) yield [key, this.#objectOf(held)]
  }
}

function checkRanges(transaction: FibTransaction, limits: DataplaneLimits, fail: Fail): void {
  const within = (kind: ObjectKind, key: number, what: string, value: number, min: number, max: number): void => {
    if (!Number.isInteger(value) || value < min || value > max) {
      fail(kind, key, 'dataplane.range', `${what} ${value} is not within ${min}–${max}`)
    }
  }
  const ids = [
    ['vrf', transaction.vrfs.set],
    ['port', transaction.ports.set],
    ['next-hop', transaction.nextHops.set],
    ['group', transaction.groups.set],
    ['tunnel-sources', transaction.tunnelSources.set],
  ] as const
  for (const [kind, objects] of ids) for (const { id } of objects) within(kind, id, 'id', id, 0, MAX_ID)
  for (const { id, mtu } of transaction.ports.set) within('port', id, 'MTU', mtu, MIN_MTU, MAX_MTU)
  for (const { id, action } of transaction.nextHops.set) checkTunnel(id, action, limits, within, fail)
  for (const { id, members, seed } of transaction.groups.set) {
    within('group', id, 'seed', seed, 0, 0xffffffff)
    for (const { weight } of members) within('group', id, 'weight', weight, 1, 0xffffffff)
    if (members.length > limits.groupMembers) {
      fail('group', id, 'dataplane.limit', `${members.length} members are more than ${limits.groupMembers}`)
    }
  }
  for (const { label } of transaction.labels.set) within('label', label, 'label', label, MIN_UNRESERVED_LABEL, MAX_LABEL)
  for (const { vni } of transaction.vnis.set) within('vni', vni, 'VNI', vni, 0, MAX_VNI)
}

function checkTunnel(
  id: number,
  action: NextHopAction,
  limits: DataplaneLimits,
  within: (kind: ObjectKind, key: number, what: string, value: number, min: number, max: number) => void,
  fail: Fail,
): void {
  if (action.type !== 'tunnel') return
  const { encapsulation, local, remote, labels, vni, routerMac } = action
  if (local.family !== remote.family) fail('next-hop', id, 'dataplane.range', `${local} and ${remote} are not of one family`)
  if (labels.length > limits.labelStackDepth) {
    fail('next-hop', id, 'dataplane.limit', `${labels.length} labels are more than ${limits.labelStackDepth}`)
  }
  for (const label of labels) within('next-hop', id, 'label', label, 0, MAX_LABEL)
  if (encapsulation !== 'vxlan') return
  within('next-hop', id, 'VNI', vni ?? -1, 0, MAX_VNI)
  if (routerMac === undefined) fail('next-hop', id, 'dataplane.range', 'a VXLAN tunnel needs the far router’s MAC address')
  if (labels.length > 0) fail('next-hop', id, 'dataplane.range', 'a VXLAN tunnel has no labels')
}

function checkLimits(after: After, limits: DataplaneLimits, fail: Fail): void {
  const counted = [
    ['vrf', after.vrfs, limits.vrfs],
    ['port', after.ports, limits.ports],
    ['next-hop', after.nextHops, limits.nextHops],
    ['group', after.groups, limits.groups],
    ['label', after.labels, limits.labels],
    ['vni', after.vnis, limits.vnis],
  ] as const
  for (const [kind, { size }, limit] of counted) {
    if (size > limit) fail(kind, 'all', 'dataplane.limit', `${size} objects are more than ${limit}`)
  }
}

function checkPolicies({ policies, transaction }: After, limits: DataplaneLimits, fail: Fail): void {
  const { policies: most = Number.POSITIVE_INFINITY, policyRules = Number.POSITIVE_INFINITY } = limits
  if (policies.size > most) fail('policy', 'all', 'dataplane.limit', `${policies.size} objects are more than ${most}`)
  for (const { id, maxFlows = 0 } of transaction.ports.set) {
    if (!Number.isInteger(maxFlows) || maxFlows < 0) fail('port', id, 'dataplane.range', `${maxFlows} flows`)
  }
  if (transaction.policies === undefined) return
  for (const [id, policy] of policies) {
    for (const problem of policyProblems(policy)) fail('policy', id, 'dataplane.range', problem)
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) fail('policy', id, 'dataplane.range', `id ${id} is not within 0–${MAX_ID}`)
    const { length } = policy.rules
    if (length > policyRules) fail('policy', id, 'dataplane.limit', `${length} rules are more than ${policyRules}`)
  }
  const places = new Map<string, number>()
  for (const [id, { port, direction }] of policies.all()) {
    const other = places.get(`${port} ${direction}`)
    if (other !== undefined) fail('policy', id, 'dataplane.range', `policy ${other} is for ${direction} of port ${port} too`)
    places.set(`${port} ${direction}`, id)
  }
}

function checkServices({ services, transaction }: After, limits: DataplaneLimits, fail: Fail): void {
  const { services: most = Number.POSITIVE_INFINITY, serviceBackends = Number.POSITIVE_INFINITY } = limits
  if (services.size > most) fail('service', 'all', 'dataplane.limit', `${services.size} objects are more than ${most}`)
  if (transaction.services === undefined) return
  for (const [id, service] of services) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) fail('service', id, 'dataplane.range', `id ${id} is not within 0–${MAX_ID}`)
    for (const { code, message } of serviceProblems(service)) fail('service', id, code, message)
    const { length } = service.backends
    if (length > serviceBackends) fail('service', id, 'dataplane.limit', `${length} backends are more than ${serviceBackends}`)
  }
  const places = new Map<string, number>()
  for (const [id, { vrf, address, protocol, port }] of services.all()) {
    const place = `${vrf} ${address} ${protocol} ${port}`
    const other = places.get(place)
    if (other !== undefined) fail('service', id, 'dataplane.range', `service ${other} is at ${address} ${protocol} port ${port} too`)
    places.set(place, id)
  }
}

function checkPools({ natPools, transaction }: After, { natPools: most = Number.POSITIVE_INFINITY }: DataplaneLimits, fail: Fail): void {
  if (natPools.size > most) fail('nat-pool', 'all', 'dataplane.limit', `${natPools.size} objects are more than ${most}`)
  if (transaction.natPools === undefined) return
  for (const [id, { ports }] of natPools) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_ID) fail('nat-pool', id, 'dataplane.range', `id ${id} is not within 0–${MAX_ID}`)
    const { first, last } = ports
    const isRange = Number.isInteger(first) && Number.isInteger(last) && first >= 1 && last <= 65_535 && first <= last
    if (!isRange) fail('nat-pool', id, 'dataplane.range', `ports ${first}–${last} are no range within 1–65,535`)
  }
  const places = new Map<string, number>()
  for (const [id, { vrf, outside, address }] of natPools.all()) {
    const place = `${vrf} ${outside} ${address.family}`
    const other = places.get(place)
    if (other !== undefined) fail('nat-pool', id, 'dataplane.range', `pool ${other} stands between VRF ${vrf} and VRF ${outside} too`)
    places.set(place, id)
  }
}

function checkLiveness({ liveness }: After, { liveness: most = Number.POSITIVE_INFINITY }: DataplaneLimits, fail: Fail): void {
  if (liveness.size > most) fail('liveness', 'all', 'dataplane.limit', `${liveness.size} objects are more than ${most}`)
  for (const [id, { local, remote, desiredMinTx, requiredMinRx, multiplier }] of liveness) {
    const within = (what: string, value: number, first: number, last: number): void => {
      if (Number.isInteger(value) && value >= first && value <= last) return
      fail('liveness', id, 'dataplane.range', `${what} ${value} is not within ${first}–${last}`)
    }
    within('id', id, 0, MAX_ID)
    within('interval', desiredMinTx, 1, 0xffffffff)
    within('interval', requiredMinRx, 1, 0xffffffff)
    within('multiplier', multiplier, 1, 255)
    if (local.family !== remote.family) fail('liveness', id, 'dataplane.range', `${local} and ${remote} are not of one family`)
  }
}

function checkReferences(after: After, fail: Fail): void {
  const { vrfs, ports, nextHops, groups, tunnelSources, labels, vnis, policies, services, natPools, liveness } = after
  const need = (kind: ObjectKind, key: number, what: string, there: { has(id: number): boolean }, id: number): void => {
    if (!there.has(id)) fail(kind, key, 'dataplane.dangling-reference', `${what} ${id} does not exist`)
  }
  const lost = (...kinds: readonly { readonly lost: readonly number[] }[]): boolean => kinds.some((kind) => kind.lost.length > 0)

  for (const [id, { vrf }] of lost(vrfs) ? ports.all() : ports) if (vrf !== undefined) need('port', id, 'VRF', vrfs, vrf)
  for (const [id, { action, liveness: needed }] of lost(ports, vrfs, liveness) ? nextHops.all() : nextHops) {
    if (needed !== undefined) need('next-hop', id, 'liveness', liveness, needed)
    if (action.type === 'port') need('next-hop', id, 'port', ports, action.port)
    else if (action.type === 'lookup') need('next-hop', id, 'VRF', vrfs, action.vrf)
  }
  for (const [id, { vrf, outside }] of lost(vrfs) ? natPools.all() : natPools) {
    need('nat-pool', id, 'VRF', vrfs, vrf)
    need('nat-pool', id, 'VRF', vrfs, outside)
  }
  for (const [id, { vrf }] of lost(vrfs) ? services.all() : services) need('service', id, 'VRF', vrfs, vrf)
  for (const [id, { port }] of lost(ports) ? policies.all() : policies) need('policy', id, 'port', ports, port)
  for (const [id, { members }] of lost(nextHops) ? groups.all() : groups) {
    for (const { nextHop } of members) need('group', id, 'next hop', nextHops, nextHop)
  }
  for (const [label, { action, sources }] of lost(ports, vrfs, nextHops, tunnelSources) ? labels.all() : labels) {
    need('label', label, 'tunnel sources', tunnelSources, sources)
    if (action.type === 'pop-forward') need('label', label, 'port', ports, action.port)
    else if (action.type === 'pop-lookup') need('label', label, 'VRF', vrfs, action.vrf)
    else need('label', label, 'next hop', nextHops, action.nextHop)
  }
  for (const [vni, { vrf, sources }] of lost(vrfs, tunnelSources) ? vnis.all() : vnis) {
    need('vni', vni, 'tunnel sources', tunnelSources, sources)
    need('vni', vni, 'VRF', vrfs, vrf)
  }
}

function checkRoutes(after: After, limits: DataplaneLimits, fail: Fail): void {
  const { tables, transaction, vrfs, groups } = after
  const { routes } = transaction
  const name = (row: number): string => `${routes.vrf[row]} ${routes.prefixAt(row)}`
  const dangling: [row: number, message: string][] = []
  let isMalformed = false
  for (let row = 0; row < routes.count; row++) {
    const group = routes.group[row]
    const problem = rowProblem(routes, row)
    if (problem !== undefined) {
      isMalformed = true
      fail('route', `${routes.vrf[row]} row ${row}`, 'dataplane.range', problem)
      continue
    }
    if (group === NO_GROUP) continue
    if (!vrfs.has(routes.vrf[row])) dangling.push([row, `VRF ${routes.vrf[row]} does not exist`])
    if (!groups.has(group)) dangling.push([row, `group ${group} does not exist`])
  }
  if (isMalformed) return // what cannot be read cannot be counted
  if (dangling.length > 0) {
    const last = lastRows(routes)
    for (const [row, message] of dangling)
      if (last.get(name(row)) === row) fail('route', name(row), 'dataplane.dangling-reference', message)
  }

  // What the tables hold is looked at only when something under its routes gets lost, or when there may be too many.
  const mayOverflow = tables.routeCount + routes.count > limits.routes
  if (vrfs.lost.length === 0 && groups.lost.length === 0 && !mayOverflow) return
  const change = routeChange(tables, routes)
  const count = tables.routeCount + change.count
  if (count > limits.routes) fail('route', 'all', 'dataplane.limit', `${count} routes are more than ${limits.routes}`)
  const left = (id: number): number => (tables.vrfs.get(id)?.fib.size ?? 0) + (change.byVrf.get(id) ?? 0)
  const uses = (id: number): number => (tables.groupUses.get(id) ?? 0) + (change.byGroup.get(id) ?? 0)
  if (!vrfs.lost.some((id) => left(id) > 0) && !groups.lost.some((id) => uses(id) > 0)) return

  // Something dangles: routes that stay are searched for what to name.
  const before = tables.state().routes
  for (let row = 0; row < before.count; row++) {
    const key = `${before.vrf[row]} ${before.prefixAt(row)}`
    if (change.names.has(key)) continue
    if (!vrfs.has(before.vrf[row])) fail('route', key, 'dataplane.dangling-reference', `VRF ${before.vrf[row]} would be gone`)
    if (!groups.has(before.group[row])) fail('route', key, 'dataplane.dangling-reference', `group ${before.group[row]} would be gone`)
  }
}

/** The row that counts for each route: later rows win over earlier ones. */
function lastRows(routes: RouteBatch): ReadonlyMap<string, number> {
  const last = new Map<string, number>()
  for (let row = 0; row < routes.count; row++) last.set(`${routes.vrf[row]} ${routes.prefixAt(row)}`, row)
  return last
}

/** Why a row is no prefix, if it is none. */
function rowProblem(routes: RouteBatch, row: number): string | undefined {
  const family = routes.family[row]
  const length = routes.length[row]
  if ((family !== 4 && family !== 6) || length > (family === 4 ? 32 : 128)) return `family ${family}, length ${length}`
  const { w0, w1, w2, w3 } = routes.prefixAt(row).address
  const at = row * 4
  const { address } = routes
  const hasHostBits = address[at] !== w0 || (family === 6 && (address[at + 1] !== w1 || address[at + 2] !== w2 || address[at + 3] !== w3))
  return hasHostBits ? `bits are set behind the first ${length}` : undefined
}

/** What the rows of a batch change in the number of routes: in all, by VRF and by the group they lead to. */
function routeChange(
  tables: Tables,
  routes: RouteBatch,
): {
  readonly names: ReadonlySet<string>
  readonly count: number
  readonly byVrf: ReadonlyMap<number, number>
  readonly byGroup: ReadonlyMap<number, number>
} {
  const last = lastRows(routes)
  const byVrf = new Map<number, number>()
  const byGroup = new Map<number, number>()
  let count = 0
  for (const row of last.values()) {
    const vrf = routes.vrf[row]
    const { address, family, length } = routes
    const at = row * 4
    const fib = tables.vrfs.get(vrf)?.fib
    const before = fib?.get(family[row] as 4 | 6, address[at], address[at + 1], address[at + 2], address[at + 3], length[row]) ?? NO_MATCH
    const after = routes.group[row] === NO_GROUP ? NO_MATCH : routes.group[row]
    const more = Number(after !== NO_MATCH) - Number(before !== NO_MATCH)
    count += more
    byVrf.set(vrf, (byVrf.get(vrf) ?? 0) + more)
    if (before !== NO_MATCH) byGroup.set(before, (byGroup.get(before) ?? 0) - 1)
    if (after !== NO_MATCH) byGroup.set(after, (byGroup.get(after) ?? 0) + 1)
  }
  return { names: new Set(last.keys()), count, byVrf, byGroup }
}
