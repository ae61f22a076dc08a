import type { Clock } from '@heddle/io'
import { IpPrefix, type IpAddress, type RouteTarget } from '@heddle/wire'
import type { DataplaneCapabilities, DataplaneState } from '../dataplane/dataplane.js'
import type { Encapsulation, NextHopAction } from '../dataplane/objects.js'
import type { ApplyReport, FibTransaction } from '../dataplane/transaction.js'
import { EndpointError } from '../endpoint-service.js'
import { FibCompiler } from '../fib/fib-compiler.js'
import { IdSpace } from '../fib/id-space.js'
import { checkVrfs, IntentError, type EndpointIntent, type VrfIntent } from '../intent/intents.js'
import { LabelError, LabelSpace } from '../label/label-space.js'
import { chooseEncapsulation } from '../nexthop/encapsulation-choice.js'
import { selectRoutes } from '../table/best-path.js'
import { TargetIndex } from '../target/target-index.js'
import type { RoutePreference, VpnRoute, VpnRouteChange, VpnRouteKey } from '../vpn-route.js'
import { EndpointState } from './endpoint-state.js'
import type { EndpointRow, LabelRow, RouteRow, TunnelRow, VrfRow } from './views.js'
import { VrfState, type LocalRoute, type TableEntry } from './vrf-state.js'

export interface OverlayModelOptions {
  readonly clock: Clock
  /** This node's tunnel ends, at most one a family. */
  readonly localAddresses: readonly IpAddress[]
  readonly capabilities: Pick<DataplaneCapabilities, 'encapsulations' | 'limits'>
  /** Best first; `mpls-udp`, then `mpls-gre` when left out. */
  readonly encapsulations?: readonly Encapsulation[]
  readonly labels?: { readonly first?: number; readonly last?: number; readonly quarantine?: number }
  /** Most next hops a route is spread over, 16 when left out. */
  readonly maximumPaths?: number
  /** Largest packet of the underlay, octets; 1,500 when left out. */
  readonly underlayMtu?: number
}

/** Id of the port to the underlay. */
export const UPLINK_PORT = 0

const LOCAL_PREFERENCE: RoutePreference = {
  localPref: 100,
  asPathLength: 0,
  origin: 0,
  med: 0,
  neighborAs: 0,
  external: false,
  clusterListLength: 0,
  originatorId: 0,
}

/**
 * The overlay as one node sees it: VRFs and endpoints as someone wants them, routes as others tell them, and what follows for the dataplane and for
 * what is told to others. Pure and synchronous: calls change the model, `takeTransaction` and `takeExports` collect what follows, in batches.
 */
export class OverlayModel {
  readonly #options: OverlayModelOptions
  readonly #labels: LabelSpace
  readonly #fib: FibCompiler
  readonly #vrfIds = new IdSpace()
  readonly #portIds = new IdSpace(UPLINK_PORT + 1)
  readonly #vrfs = new Map<string, VrfState>()
  readonly #endpoints = new Map<string, EndpointState>()
  readonly #targets = new TargetIndex<VrfState>()
  /** Every VPN route that was told, imported or not: a new import finds it at once. */
  readonly #received = new Map<string, { readonly route: VpnRoute; importers: readonly VrfState[] }>()
  readonly #bySource = new Map<string, Set<string>>()
  readonly #dirty = new Map<VrfState, Set<string>>()
  readonly #dirtySources = new Set<VrfState>()
  readonly #advertised = new Map<string, VpnRoute>()
  readonly #preferences: readonly Encapsulation[]
  #adopted: Adopted | undefined

  constructor(options: OverlayModelOptions) {
    this.#options = options
    this.#labels = new LabelSpace({ clock: options.clock, ...options.labels })
    this.#fib = new FibCompiler(0)
    this.#preferences = options.encapsulations ?? ['mpls-udp', 'mpls-gre']
    this.#fib.ports.want(UPLINK_PORT, {
      id: UPLINK_PORT,
      kind: 'uplink',
      allowedSources: [],
      gateways: [],
      mtu: options.underlayMtu ?? 1500,
    })
  }

  /**
   * Takes over what a running dataplane holds, before anything else is told: VRFs, endpoints, next hops and groups keep their ids and labels. Until
   * `endAdoption` nothing is removed from it, so that forwarding goes on while routes come in again. Returns the endpoints whose devices are there.
   */
  adopt(state: DataplaneState): readonly EndpointIntent[] {
    this.#fib.adopt(state)
    const adopted = adoptedFrom(state)
    this.#adopted = adopted
    this.#labels.resume(
      state.labels.map(({ label }) => label),
      state.generation,
    )
    this.#holdIds(state)
    return adopted.endpoints
  }

  /**
   * The dataplane was replaced by another one, which holds `state`: nothing, for example, because its process died and a new one was started. What is
   * under way is void, and the next transaction brings the new one to what is wanted; while adopting, nothing is removed from it, unless it uses ids
   * for other things than this model does: then it is emptied first. Endpoints keep their ports and labels; whether their devices are there is for
   * the caller to say (`setAttached`).
   */
  replaced(state: DataplaneState): void {
    this.#fib.replaced(state)
    this.#holdIds(state)
    for (const { label } of state.labels) this.#labels.hold(label)
    if (!this.isAdopting) this.#releaseHeld()
  }

  /** The model knows all it needs: what was adopted and is not wanted goes with the next transaction. */
  endAdoption(): void {
    this.#compile() // while adopted ids can still be claimed
    this.#adopted = undefined
    this.#fib.release()
    this.#releaseHeld()
    for (const vrf of this.#vrfs.values()) this.#dirtySources.add(vrf)
  }

  get isAdopting(): boolean {
    return this.#adopted !== undefined
  }

  /**
   * Brings the VRFs to what is wanted; routes that are known are imported or dropped at once. Nothing is applied when something is wrong.
   *
   * @throws IntentError, also when a VRF that still has endpoints would go
   */
  setVrfs(vrfs: readonly VrfIntent[]): void {
    const names = new Set(vrfs.map(({ name }) => name))
    const problems = [
      ...checkVrfs(vrfs),
      ...[...this.#endpoints.values()]
        .filter(({ vrf }) => !names.has(vrf.name))
        .map(({ vrf, intent }) => ({
          code: 'intent.vrf.in-use',
          subject: `vrf ${vrf.name}`,
          message: `endpoint ${intent.ifname} of ${intent.netns} is attached to it`,
        })),
    ]
    const { limits } = this.#options.capabilities
    if (vrfs.length > limits.vrfs)
      problems.push({ code: 'intent.vrf.limit', subject: `${vrfs.length} vrfs`, message: `the dataplane takes ${limits.vrfs}` })
    if (problems.length > 0) throw new IntentError(problems)
    for (const vrf of this.#vrfs.values()) if (!names.has(vrf.name)) this.#removeVrf(vrf)
    for (const intent of vrfs) {
      const vrf = this.#vrfs.get(intent.name)
      if (vrf === undefined) this.#addVrf(intent)
      else this.#changeVrf(vrf, intent)
    }
  }

  /**
   * Adds an endpoint: a port, a label, a host route an address. Its routes are told to others when `setAttached` says that its device is there.
   *
   * @throws EndpointError `endpoint.vrf-unknown`, `endpoint.conflict`, `endpoint.address-in-use`, `endpoint.labels-exhausted`, `endpoint.invalid`
   */
  addEndpoint(intent: EndpointIntent): EndpointRow {
    const name = endpointName(intent)
    const vrf = this.#vrfs.get(intent.vrf)
    if (vrf === undefined) throw new EndpointError('endpoint.vrf-unknown', `there is no vrf ${intent.vrf}`)
    if (intent.addresses.length === 0)
      throw new EndpointError('endpoint.invalid', `endpoint ${intent.ifname} of ${intent.netns} has no address`)
    if (this.#endpoints.has(name)) throw new EndpointError('endpoint.conflict', `${intent.ifname} of ${intent.netns} is attached already`)
    for (const address of intent.addresses) {
      const other = vrf.local.get(String(IpPrefix.of(address)))
      if (other !== undefined) throw new EndpointError('endpoint.address-in-use', `${address} is in use in vrf ${vrf.name}`)
    }
    const before = this.#adopted?.ports.get(`${vrf.name} ${name}`)
    const label = this.#allocateLabel(name, this.#adopted?.labels.get(`port ${before}`))
    const port = before !== undefined && this.#portIds.claim(before) ? before : this.#portIds.take()
    const endpoint = new EndpointState(port, label, vrf, intent)
    this.#endpoints.set(name, endpoint)
    this.#fib.ports.want(port, {
      id: port,
      kind: 'endpoint',
      vrf: vrf.id,
      allowedSources: intent.addresses.map((address) => IpPrefix.of(address)),
      gateways: [],
      mtu: intent.mtu,
    })
    this.#fib.labels.want(label, { label, action: { type: 'pop-forward', port }, sources: vrf.id })
    for (const address of intent.addresses)
      this.#addLocal({
        key: localKey(vrf, IpPrefix.of(address)),
        prefix: IpPrefix.of(address),
        owner: vrf,
        via: { type: 'endpoint', endpoint },
      })
    return endpointRow(endpoint)
  }

  /** The endpoint's device is there, or not any more. */
  setAttached(endpoint: Pick<EndpointIntent, 'netns' | 'ifname'>, attached: boolean): void {
    const state = this.#endpoints.get(endpointName(endpoint))
    if (state !== undefined) state.attached = attached
  }

  /** Whether the dataplane holds an endpoint's port, label and routes, so that its device can come. */
  isProgrammed(endpoint: Pick<EndpointIntent, 'netns' | 'ifname'>): boolean {
    const state = this.#endpoints.get(endpointName(endpoint))
    if (state === undefined || !this.#fib.ports.isProgrammed(state.port) || !this.#fib.labels.isProgrammed(state.label)) return false
    return state.intent.addresses.every((address) => this.#fib.isInstalled(state.vrf.id, IpPrefix.of(address)))
  }

  /** Removes an endpoint with its routes; its label rests. Returns the port it had. */
  removeEndpoint(endpoint: Pick<EndpointIntent, 'netns' | 'ifname'>): number | undefined {
    const name = endpointName(endpoint)
    const state = this.#endpoints.get(name)
    if (state === undefined) return undefined
    this.#endpoints.delete(name)
    for (const address of state.intent.addresses) this.#removeLocal(state.vrf, IpPrefix.of(address))
    this.#fib.labels.drop(state.label)
    this.#labels.release(state.label)
    this.#fib.ports.drop(state.port)
    this.#portIds.release(state.port)
    return state.port
  }

  /** What others tell. */
  applyRoutes(changes: readonly VpnRouteChange[]): void {
    for (const change of changes) {
      if (change.kind === 'announce') this.#announce(change.route)
      else this.#withdraw(receivedKey(change))
    }
  }

  /** Everything `source` told is void. */
  withdrawSource(source: string): void {
    for (const key of this.#bySource.get(source) ?? []) this.#withdraw(key)
  }

  /** The next generation for the dataplane, or `undefined` when there is nothing to do or the last one is still under way. */
  takeTransaction(): FibTransaction | undefined {
    this.#compile()
    const transaction = this.#fib.take()
    if (transaction !== undefined && !this.isAdopting) {
      this.#vrfIds.seal()
      this.#portIds.seal()
    }
    return transaction
  }

  /** What became of the last transaction; what was not taken comes again. Returns whether all of it was applied. */
  programmed(report: ApplyReport): boolean {
    const complete = this.#fib.commit(report)
    if (complete && !this.isAdopting) {
      this.#vrfIds.settle()
      this.#portIds.settle()
    }
    return complete
  }

  /** Local routes to tell others, as changes since the last call. Only what the dataplane holds is announced. */
  takeExports(): readonly VpnRouteChange[] {
    const wanted = new Map<string, VpnRoute>()
    const [address] = this.#options.localAddresses
    if (address !== undefined) {
      for (const vrf of this.#vrfs.values()) {
        if (vrf.intent.export.length === 0) continue
        for (const local of vrf.local.values()) {
          const route = this.#exported(vrf, local, address)
          if (route !== undefined) wanted.set(receivedKey(route), route)
        }
      }
    }
    const changes: VpnRouteChange[] = []
    for (const [key, route] of this.#advertised) {
      if (wanted.has(key)) continue
      this.#advertised.delete(key)
      changes.push({ kind: 'withdraw', source: route.source, rd: route.rd, prefix: route.prefix, pathId: route.pathId })
    }
    for (const [key, route] of wanted) {
      const before = this.#advertised.get(key)
      if (before !== undefined && sameRoute(before, route)) continue
      this.#advertised.set(key, route)
      changes.push({ kind: 'announce', route })
    }
    return changes
  }

  /** Every route target that some VRF imports. */
  importTargets(): readonly RouteTarget[] {
    return this.#targets.targets()
  }

  vrfs(): readonly VrfRow[] {
    return [...this.#vrfs.values()].map((vrf) => ({ ...vrf.intent, id: vrf.id, label: vrf.label, routes: vrf.table.size }))
  }

  endpoints(): readonly EndpointRow[] {
    return [...this.#endpoints.values()].map(endpointRow)
  }

  /** Every candidate for every prefix of every VRF, best first. */
  *routes(): Iterable<RouteRow> {
    for (const vrf of this.#vrfs.values()) {
      for (const entry of vrf.table.values()) {
        const installed = this.#fib.isInstalled(vrf.id, entry.prefix)
        let first = true
        for (const local of vrf.localCandidates(entry)) {
          yield {
            vrf: vrf.name,
            prefix: entry.prefix,
            rd: local.owner.intent.rd,
            routeTargets: local.owner.intent.export,
            ...localFacts(local),
            source: 'local',
            best: first,
            installed: first && installed,
          }
          first = false
        }
        const remote = [...entry.remote.values()]
        const chosen = new Set(first ? selectRoutes(this.#usable(remote), this.#maximumPaths) : [])
        for (const route of [...chosen, ...remote.filter((candidate) => !chosen.has(candidate))]) {
          const encapsulation = this.#encapsulation(route)
          yield {
            vrf: vrf.name,
            prefix: entry.prefix,
            rd: route.rd,
            routeTargets: route.routeTargets,
            label: route.label,
            nextHop: route.nextHop,
            ...(encapsulation === undefined ? {} : { encapsulation }),
            source: route.source,
            best: chosen.has(route),
            installed: chosen.has(route) && installed,
            ...(route.stale === true ? { stale: true } : {}),
          }
        }
      }
    }
  }

  labels(): readonly LabelRow[] {
    return [
      ...[...this.#vrfs.values()].map((vrf) => ({
        label: vrf.label,
        vrf: vrf.name,
        action: 'pop-lookup' as const,
        installed: this.#fib.labels.isProgrammed(vrf.label),
      })),
      ...[...this.#endpoints.values()].map(({ label, vrf, intent }) => ({
        label,
        vrf: vrf.name,
        action: 'pop-forward' as const,
        endpoint: `${intent.ifname} of ${intent.netns}`,
        installed: this.#fib.labels.isProgrammed(label),
      })),
    ]
  }

  /** Tunnels that routes lead into. */
  tunnels(): readonly TunnelRow[] {
    const rows = new Map<string, { remote: IpAddress; encapsulation: Encapsulation; routes: number }>()
    for (const row of this.routes()) {
      if (!row.best || row.nextHop === undefined || row.encapsulation === undefined) continue
      const key = `${row.nextHop} ${row.encapsulation}`
      const known = rows.get(key)
      if (known === undefined) rows.set(key, { remote: row.nextHop, encapsulation: row.encapsulation, routes: 1 })
      else known.routes++
    }
    return [...rows.values()].flatMap((row) => {
      const local = this.#localAddress(row.remote)
      return local === undefined ? [] : [{ ...row, local }]
    })
  }

  /** Works out what changed calls mean for the tables. */
  #compile(): void {
    for (const vrf of this.#dirtySources) {
      if (!this.#vrfs.has(vrf.name)) continue
      const kept = this.#adopted?.sources.get(vrf.id) ?? []
      const prefixes = [...new Map([...vrf.tunnelSources(), ...kept].map((prefix) => [String(prefix), prefix])).values()].sort((a, b) =>
        a.compare(b),
      )
      this.#fib.tunnelSources.want(vrf.id, { id: vrf.id, prefixes })
    }
    this.#dirtySources.clear()
    for (const [vrf, prefixes] of this.#dirty) {
      for (const name of prefixes) {
        const prefix = vrf.table.get(name)?.prefix ?? IpPrefix.parse(name)
        this.#fib.setRoute(vrf.id, prefix, this.#actions(vrf, vrf.table.get(name)))
      }
    }
    this.#dirty.clear()
  }

  /** Keeps the ids that a dataplane uses, and that are not in use here, from being given out. */
  #holdIds(state: DataplaneState): void {
    const vrfs = new Set([...this.#vrfs.values()].map(({ id }) => id))
    const ports = new Set([UPLINK_PORT, ...[...this.#endpoints.values()].map(({ port }) => port)])
    for (const { id } of [...state.vrfs, ...state.tunnelSources]) if (!vrfs.has(id)) this.#vrfIds.hold(id)
    for (const { id } of state.ports) if (!ports.has(id)) this.#portIds.hold(id)
  }

  /** Nobody will claim what is held any more. */
  #releaseHeld(): void {
    this.#vrfIds.releaseHeld()
    this.#portIds.releaseHeld()
    this.#labels.releaseHeld()
  }

  get #maximumPaths(): number {
    return this.#options.maximumPaths ?? 16
  }

  #addVrf(intent: VrfIntent): void {
    const before = this.#adopted?.vrfs.get(intent.name)
    const label = this.#allocateLabel(`vrf ${intent.name}`, this.#adopted?.labels.get(`vrf ${before}`))
    const id = before !== undefined && this.#vrfIds.claim(before) ? before : this.#vrfIds.take()
    const vrf = new VrfState(id, label, intent)
    this.#vrfs.set(intent.name, vrf)
    this.#fib.vrfs.want(vrf.id, { id: vrf.id, name: intent.name })
    this.#fib.labels.want(label, { label, action: { type: 'pop-lookup', vrf: vrf.id }, sources: vrf.id })
    this.#dirtySources.add(vrf)
    this.#targets.set(vrf, intent.import)
    this.#setStatics(vrf, [], intent)
    this.#reimport()
  }

  #changeVrf(vrf: VrfState, intent: VrfIntent): void {
    const before = vrf.intent
    vrf.intent = intent
    this.#setStatics(vrf, before.staticRoutes ?? [], intent)
    if (!sameList(before.tunnelSources ?? [], intent.tunnelSources ?? [])) this.#dirtySources.add(vrf)
    if (sameList(before.import, intent.import) && sameList(before.export, intent.export)) return
    this.#targets.set(vrf, intent.import)
    this.#reimport()
  }

  #removeVrf(vrf: VrfState): void {
    for (const local of vrf.local.values()) this.#removeLocal(vrf, local.prefix)
    this.#targets.set(vrf, [])
    this.#reimport() // nothing is imported here any more: every prefix that was programmed is dirty now
    for (const name of this.#dirty.get(vrf) ?? []) this.#fib.setRoute(vrf.id, IpPrefix.parse(name), undefined)
    this.#dirty.delete(vrf)
    this.#vrfs.delete(vrf.name)
    this.#fib.labels.drop(vrf.label)
    this.#labels.release(vrf.label)
    this.#fib.tunnelSources.drop(vrf.id)
    this.#fib.vrfs.drop(vrf.id)
    this.#vrfIds.release(vrf.id)
  }

  /** Imports everything anew after a change of route targets; only what differs is touched. */
  #reimport(): void {
    for (const [key, received] of this.#received) {
      const importers = this.#targets.importers(received.route.routeTargets)
      if (importers === received.importers) continue
      for (const vrf of received.importers) if (!importers.includes(vrf)) this.#unimport(vrf, key, received.route)
      for (const vrf of importers) if (!received.importers.includes(vrf)) this.#import(vrf, key, received.route)
      received.importers = importers
    }
    for (const owner of this.#vrfs.values()) for (const local of owner.local.values()) this.#spreadLocal(local)
  }

  #announce(route: VpnRoute): void {
    const key = receivedKey(route)
    this.#withdraw(key)
    if (this.#options.localAddresses.some((address) => address.equals(route.nextHop))) return // our own, reflected
    const importers = this.#targets.importers(route.routeTargets)
    this.#received.set(key, { route, importers })
    const names = this.#bySource.get(route.source) ?? new Set()
    names.add(key)
    this.#bySource.set(route.source, names)
    for (const vrf of importers) this.#import(vrf, key, route)
  }

  #withdraw(key: string): void {
    const received = this.#received.get(key)
    if (received === undefined) return
    this.#received.delete(key)
    const names = this.#bySource.get(received.route.source)
    names?.delete(key)
    if (names?.size === 0) this.#bySource.delete(received.route.source)
    for (const vrf of received.importers) this.#unimport(vrf, key, received.route)
  }

  #import(vrf: VrfState, key: string, route: VpnRoute): void {
    vrf.entry(route.prefix).remote.set(key, route)
    if (vrf.addSource(route.nextHop)) this.#dirtySources.add(vrf)
    this.#touch(vrf, route.prefix)
  }

  #unimport(vrf: VrfState, key: string, route: VpnRoute): void {
    const entry = vrf.entry(route.prefix)
    entry.remote.delete(key)
    vrf.tidy(entry)
    if (vrf.removeSource(route.nextHop)) this.#dirtySources.add(vrf)
    this.#touch(vrf, route.prefix)
  }

  #setStatics(vrf: VrfState, before: NonNullable<VrfIntent['staticRoutes']>, { staticRoutes = [] }: VrfIntent): void {
    for (const { prefix } of before) if (!staticRoutes.some((route) => route.prefix.equals(prefix))) this.#removeLocal(vrf, prefix)
    for (const route of staticRoutes) {
      const known = vrf.local.get(String(route.prefix))
      if (known?.via.type === 'endpoint') continue // an endpoint's own address wins
      this.#addLocal({ key: localKey(vrf, route.prefix), prefix: route.prefix, owner: vrf, via: { type: 'static', route } })
    }
  }

  #addLocal(local: LocalRoute): void {
    local.owner.local.set(String(local.prefix), local)
    this.#spreadLocal(local)
  }

  #removeLocal(owner: VrfState, prefix: IpPrefix): void {
    const local = owner.local.get(String(prefix))
    if (local === undefined) return
    owner.local.delete(String(prefix))
    for (const vrf of this.#vrfs.values()) {
      const entry = vrf.table.get(String(prefix))
      if (entry === undefined || !entry.local.delete(local.key)) continue
      vrf.tidy(entry)
      this.#touch(vrf, prefix)
    }
  }

  /** Puts a local route into its own VRF and into those that import what its VRF exports. */
  #spreadLocal(local: LocalRoute): void {
    const importers = new Set([local.owner, ...this.#targets.importers(local.owner.intent.export)])
    for (const vrf of this.#vrfs.values()) {
      const entry = importers.has(vrf) ? vrf.entry(local.prefix) : vrf.table.get(String(local.prefix))
      if (entry === undefined) continue
      const before = entry.local.get(local.key)
      if (importers.has(vrf) ? before === local : before === undefined) continue
      if (importers.has(vrf)) entry.local.set(local.key, local)
      else {
        entry.local.delete(local.key)
        vrf.tidy(entry)
      }
      this.#touch(vrf, local.prefix)
    }
  }

  #touch(vrf: VrfState, prefix: IpPrefix): void {
    const names = this.#dirty.get(vrf) ?? new Set()
    names.add(String(prefix))
    this.#dirty.set(vrf, names)
  }

  /** Where packets for an entry go; local routes before remote ones. */
  #actions(vrf: VrfState, entry: TableEntry | undefined): readonly NextHopAction[] | undefined {
    if (entry === undefined) return undefined
    const [local] = vrf.localCandidates(entry)
    if (local !== undefined) return this.#localActions(local)
    return selectRoutes(this.#usable([...entry.remote.values()]), this.#maximumPaths).map((route) => this.#tunnel(route))
  }

  #localActions({ owner, via }: LocalRoute): readonly NextHopAction[] {
    if (via.type === 'endpoint') return [{ type: 'port', port: via.endpoint.port }]
    const { via: target } = via.route
    if (target.type === 'discard') return [{ type: 'discard', reason: 'discard' }]
    const endpoint = owner.local.get(String(IpPrefix.of(target.address)))
    return endpoint?.via.type === 'endpoint'
      ? [{ type: 'port', port: endpoint.via.endpoint.port }]
      : [{ type: 'discard', reason: 'no-next-hop' }]
  }

  #usable(routes: readonly VpnRoute[]): readonly VpnRoute[] {
    return routes.filter((route) => this.#encapsulation(route) !== undefined && this.#localAddress(route.nextHop) !== undefined)
  }

  #tunnel(route: VpnRoute): NextHopAction {
    return {
      type: 'tunnel',
      encapsulation: this.#encapsulation(route) as Encapsulation,
      local: this.#localAddress(route.nextHop) as IpAddress,
      remote: route.nextHop,
      labels: [route.label],
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    }
  }

  #encapsulation(route: VpnRoute): Encapsulation | undefined {
    return chooseEncapsulation(route.encapsulations, this.#preferences, this.#options.capabilities.encapsulations)
  }

  #localAddress(remote: IpAddress): IpAddress | undefined {
    return this.#options.localAddresses.find(({ family }) => family === remote.family)
  }

  #exported(vrf: VrfState, local: LocalRoute, nextHop: IpAddress): VpnRoute | undefined {
    const label = local.via.type === 'endpoint' ? local.via.endpoint.label : vrf.label
    const ready = local.via.type === 'static' || local.via.endpoint.attached
    if (!ready || !this.#fib.isInstalled(vrf.id, local.prefix) || !this.#fib.labels.isProgrammed(label)) return undefined
    return {
      source: 'local',
      rd: vrf.intent.rd,
      prefix: local.prefix,
      pathId: 0,
      routeTargets: vrf.intent.export,
      label,
      nextHop,
      encapsulations: this.#preferences.filter((encapsulation) => this.#options.capabilities.encapsulations.includes(encapsulation)),
      preference: LOCAL_PREFERENCE,
    }
  }

  /** The label that `owner` had, if it is still there to be had: a range that was configured anew may not include it. */
  #allocateLabel(owner: string, adopted: number | undefined): number {
    try {
      if (adopted === undefined || !this.#labels.isHeld(adopted)) return this.#labels.allocate(owner)
      this.#labels.adopt(adopted, owner)
      return adopted
    } catch (error) {
      if (error instanceof LabelError) throw new EndpointError('endpoint.labels-exhausted', error.message, { cause: error })
      throw error
    }
  }
}

/** What a dump tells of the ids and labels that things had. */
interface Adopted {
  readonly vrfs: ReadonlyMap<string, number>
  /** VRF and endpoint name to port: one that moved to another VRF starts anew, or packets for the old VRF would land in the new one. */
  readonly ports: ReadonlyMap<string, number>
  /** `vrf ID` or `port ID` to label. */
  readonly labels: ReadonlyMap<string, number>
  readonly sources: ReadonlyMap<number, readonly IpPrefix[]>
  readonly endpoints: readonly EndpointIntent[]
}

function adoptedFrom(state: DataplaneState): Adopted {
  const names = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const labels = state.labels.flatMap(({ label, action }): [string, number][] =>
    action.type === 'pop-forward' ? [[`port ${action.port}`, label]] : action.type === 'pop-lookup' ? [[`vrf ${action.vrf}`, label]] : [],
  )
  const endpoints = state.devices.flatMap(({ port, netns, ifname, addresses, mtu }): { port: number; intent: EndpointIntent }[] => {
    const vrf = names.get(state.ports.find(({ id }) => id === port)?.vrf ?? -1)
    return netns === undefined || vrf === undefined ? [] : [{ port, intent: { vrf, netns, ifname, addresses, mtu } }]
  })
  return {
    vrfs: new Map(state.vrfs.map(({ id, name }) => [name, id])),
    ports: new Map(endpoints.map(({ port, intent }) => [`${intent.vrf} ${endpointName(intent)}`, port])),
    labels: new Map(labels),
    sources: new Map(state.tunnelSources.map(({ id, prefixes }) => [id, prefixes])),
    endpoints: endpoints.map(({ intent }) => intent),
  }
}

function endpointName({ netns, ifname }: Pick<EndpointIntent, 'netns' | 'ifname'>): string {
  return `${netns} ${ifname}`
}

function endpointRow({ intent, label, port, attached }: EndpointState): EndpointRow {
  return { ...intent, label, port, attached }
}

function localFacts({ owner, via }: LocalRoute): { readonly label: number } {
  return { label: via.type === 'endpoint' ? via.endpoint.label : owner.label }
}

function localKey(owner: VrfState, prefix: IpPrefix): string {
  return `${owner.id} ${prefix}`
}

function receivedKey({ source, rd, prefix, pathId }: VpnRouteKey): string {
  return `${source} ${rd} ${prefix} ${pathId}`
}

function sameList(a: readonly (IpPrefix | RouteTarget)[], b: readonly (IpPrefix | RouteTarget)[]): boolean {
  return a.length === b.length && a.join(' ') === b.join(' ')
}

function sameRoute(a: VpnRoute, b: VpnRoute): boolean {
  return (
    a.label === b.label &&
    a.nextHop.equals(b.nextHop) &&
    sameList(a.routeTargets, b.routeTargets) &&
    a.encapsulations.join() === b.encapsulations.join()
  )
}
