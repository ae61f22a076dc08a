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
import { TargetIndex } from '../target/target-index.js'
import type { VpnRouteChange } from '../vpn-route.js'
import { adoptedFrom, type Adopted } from './adopted.js'
import { Changes } from './changes.js'
import { endpointName, EndpointState } from './endpoint-state.js'
import { Exports } from './exports.js'
import { LocalRoutes } from './local-routes.js'
import { ReceivedRoutes } from './received-routes.js'
import { endpointRow, labelRows, routeRows, tunnelRows } from './rows.js'
import { TunnelChoice } from './tunnel-choice.js'
import type { EndpointRow, LabelRow, RouteRow, TunnelRow, VrfRow } from './views.js'
import { VrfState, type TableEntry } from './vrf-state.js'

/** What a model is told of its node and of the dataplane that it writes for. */
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
  readonly #changes = new Changes()
  readonly #received = new ReceivedRoutes(this.#targets, this.#changes)
  readonly #local = new LocalRoutes(this.#targets, this.#changes)
  readonly #tunnels: TunnelChoice
  readonly #exports: Exports
  #adopted: Adopted | undefined

  constructor(options: OverlayModelOptions) {
    const { clock, localAddresses, capabilities, maximumPaths = 16, underlayMtu: mtu = 1500 } = options
    this.#options = options
    this.#labels = new LabelSpace({ clock, ...options.labels })
    this.#fib = new FibCompiler(0, capabilities.limits)
    this.#tunnels = new TunnelChoice({
      localAddresses,
      preferences: options.encapsulations ?? ['mpls-udp', 'mpls-gre'],
      supported: capabilities.encapsulations,
      maximumPaths: Math.min(maximumPaths, capabilities.limits.groupMembers),
    })
    this.#exports = new Exports(this.#fib, { nextHop: localAddresses[0], encapsulations: this.#tunnels.offered })
    this.#fib.ports.want(UPLINK_PORT, { id: UPLINK_PORT, kind: 'uplink', allowedSources: [], gateways: [], mtu })
  }

  /**
   * Takes over what a running dataplane holds, before anything else is told: VRFs, endpoints, next hops and groups keep their ids and labels. Until
   * `endAdoption` nothing is removed from it, so that forwarding goes on while routes come in again; only routes to another VRF of this node go at once
   * when no route target allows them any more. Returns the endpoints whose devices are there.
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
    for (const vrf of this.#vrfs.values()) this.#changes.sources.add(vrf)
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
    this.#checkVrfs(vrfs)
    const names = new Set(vrfs.map(({ name }) => name))
    const gone = [...this.#vrfs.values()].filter(({ name }) => !names.has(name))
    for (const vrf of gone) {
      this.#local.removeAll(vrf)
      this.#targets.set(vrf, [])
      this.#vrfs.delete(vrf.name)
    }
    for (const intent of vrfs) {
      const vrf = this.#vrfs.get(intent.name) ?? this.#addVrf(intent)
      const before = vrf.intent
      vrf.intent = intent
      if (!sameList(before.tunnelSources ?? [], intent.tunnelSources ?? [])) this.#changes.sources.add(vrf)
      this.#targets.set(vrf, intent.import)
      this.#local.setStatics(vrf, intent.staticRoutes ?? [])
    }
    this.#received.reimport()
    for (const vrf of this.#vrfs.values()) this.#local.respread(vrf)
    for (const vrf of gone) this.#removeVrf(vrf)
    this.#forbidLeaks()
    for (const endpoint of this.#endpoints.values()) this.#fib.ports.want(endpoint.port, endpoint.portObject)
  }

  /**
   * Adds an endpoint: a port, a label, a host route an address. Its routes are told to others when `setAttached` says that its device is there.
   *
   * @throws EndpointError `endpoint.vrf-unknown`, `endpoint.conflict`, `endpoint.address-in-use`, `endpoint.labels-exhausted`, `endpoint.limit`,
   * `endpoint.invalid`; then nothing was changed
   */
  addEndpoint(intent: EndpointIntent): EndpointRow {
    const name = endpointName(intent)
    const vrf = this.#checkEndpoint(intent)
    const before = this.#adopted?.ports.get(`${vrf.name} ${name}`)
    // Others may still send to an address that it has no more: not with the label of the one that it has now.
    const isSame = before?.addresses.every((address) => intent.addresses.some((own) => own.equals(address))) === true
    const label = this.#takeLabel(name, isSame ? this.#adopted?.labels.get(`port ${before?.port}`) : undefined)
    const port = before !== undefined && this.#portIds.claim(before.port) ? before.port : this.#portIds.take()
    const endpoint = new EndpointState(port, label, vrf, intent)
    this.#endpoints.set(name, endpoint)
    this.#fib.ports.want(port, endpoint.portObject)
    this.#fib.labels.want(label, { label, action: { type: 'pop-forward', port }, sources: vrf.id })
    this.#local.addEndpoint(endpoint)
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
    this.#local.removeEndpoint(state)
    this.#fib.labels.drop(state.label)
    this.#labels.release(state.label)
    this.#fib.ports.drop(state.port)
    this.#portIds.release(state.port)
    return state.port
  }

  /** What others tell. */
  applyRoutes(changes: readonly VpnRouteChange[]): void {
    for (const change of changes) {
      if (change.kind === 'withdraw') this.#received.withdraw(change)
      else if (this.#options.localAddresses.some((address) => address.equals(change.route.nextHop))) this.#received.withdraw(change.route) // our own, reflected: nothing that came before it holds
      else this.#received.announce(change.route)
    }
  }

  /** Everything `source` told is void. */
  withdrawSource(source: string): void {
    this.#received.withdrawSource(source)
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
    return this.#exports.take(this.#vrfs.values())
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
  routes(): Iterable<RouteRow> {
    return routeRows(this.#vrfs.values(), this.#fib, this.#tunnels)
  }

  labels(): readonly LabelRow[] {
    return labelRows(this.#vrfs.values(), this.#endpoints.values(), this.#fib)
  }

  /** Tunnels that routes lead into. */
  tunnels(): readonly TunnelRow[] {
    return tunnelRows(this.routes(), this.#tunnels)
  }

  /** Works out what changed calls mean for the tables. */
  #compile(): void {
    for (const vrf of this.#changes.sources) {
      const kept = this.#adopted?.sources.get(vrf.id) ?? []
      this.#fib.tunnelSources.want(vrf.id, { id: vrf.id, prefixes: vrf.tunnelSources(kept) })
    }
    this.#changes.sources.clear()
    for (const [vrf, prefixes] of this.#changes.routes)
      for (const [name, prefix] of prefixes) this.#fib.setRoute(vrf.id, prefix, this.#actions(vrf, vrf.table.get(name)))
    this.#changes.routes.clear()
  }

  /** Where packets for an entry go; local routes before remote ones. */
  #actions(vrf: VrfState, entry: TableEntry | undefined): readonly NextHopAction[] | undefined {
    if (entry === undefined) return undefined
    const [local] = vrf.localCandidates(entry)
    if (local === undefined) return this.#tunnels.select(entry.remote.values()).flatMap((route) => this.#tunnels.tunnel(route) ?? [])
    const { endpoint } = local.via
    return [endpoint === undefined ? { type: 'discard', reason: 'discard' } : { type: 'port', port: endpoint.port }]
  }

  #checkVrfs(vrfs: readonly VrfIntent[]): void {
    const { limits } = this.#options.capabilities
    const names = new Set(vrfs.map(({ name }) => name))
    const problems = [...checkVrfs(vrfs)]
    for (const { vrf, intent } of this.#endpoints.values()) {
      if (names.has(vrf.name)) continue
      const message = `endpoint ${intent.ifname} of ${intent.netns} is attached to it`
      problems.push({ code: 'intent.vrf.in-use', subject: `vrf ${vrf.name}`, message })
    }
    const subject = `${vrfs.length} vrfs`
    if (vrfs.length > limits.vrfs) problems.push({ code: 'intent.vrf.limit', subject, message: `the dataplane takes ${limits.vrfs}` })
    const labels = vrfs.length + this.#endpoints.size
    if (labels > limits.labels) problems.push({ code: 'intent.vrf.limit', subject, message: `the dataplane takes ${limits.labels} labels` })
    const fresh = [...names].filter((name) => !this.#vrfs.has(name) && !this.#labels.isHeld(this.#adoptedVrfLabel(name) ?? -1))
    if (fresh.length > this.#labels.available)
      problems.push({ code: 'intent.vrf.labels-exhausted', subject, message: `${this.#labels.available} labels are left` })
    if (problems.length > 0) throw new IntentError(problems)
  }

  #checkEndpoint(intent: EndpointIntent): VrfState {
    const { vrf: vrfName, netns, ifname, addresses } = intent
    const { limits } = this.#options.capabilities
    const vrf = this.#vrfs.get(vrfName)
    if (vrf === undefined) throw new EndpointError('endpoint.vrf-unknown', `there is no vrf ${vrfName}`)
    const invalid = addresses.length === 0 ? 'has no address' : problemOf(intent)
    if (invalid !== undefined) throw new EndpointError('endpoint.invalid', `endpoint ${ifname} of ${netns} ${invalid}`)
    if (this.#endpoints.has(endpointName(intent))) throw new EndpointError('endpoint.conflict', `${ifname} of ${netns} is attached already`)
    for (const address of addresses)
      if (vrf.addresses.has(String(IpPrefix.of(address))))
        throw new EndpointError('endpoint.address-in-use', `${address} is in use in vrf ${vrf.name}`)
    if (this.#endpoints.size + 2 > limits.ports)
      throw new EndpointError('endpoint.limit', `the dataplane takes ${limits.ports} ports, one of them to the underlay`)
    if (this.#vrfs.size + this.#endpoints.size + 1 > limits.labels)
      throw new EndpointError('endpoint.limit', `the dataplane takes ${limits.labels} labels`)
    return vrf
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

  #adoptedVrfLabel(name: string): number | undefined {
    return this.#adopted?.labels.get(`vrf ${this.#adopted.vrfs.get(name)}`)
  }

  /** The label that `owner` had, if it is still there to be had: a range that was configured anew may not include it. */
  #takeLabel(owner: string, adopted: number | undefined): number {
    if (adopted !== undefined && this.#labels.isHeld(adopted)) {
      this.#labels.adopt(adopted, owner)
      return adopted
    }
    try {
      return this.#labels.allocate(owner)
    } catch (error) {
      throw error instanceof LabelError ? new EndpointError('endpoint.labels-exhausted', error.message, { cause: error }) : error
    }
  }

  #addVrf(intent: VrfIntent): VrfState {
    const before = this.#adopted?.vrfs.get(intent.name)
    const label = this.#takeLabel(`vrf ${intent.name}`, this.#adoptedVrfLabel(intent.name))
    const id = before !== undefined && this.#vrfIds.claim(before) ? before : this.#vrfIds.take()
    const vrf = new VrfState(id, label, intent)
    this.#vrfs.set(intent.name, vrf)
    this.#fib.vrfs.want(id, { id, name: intent.name })
    this.#fib.labels.want(label, { label, action: { type: 'pop-lookup', vrf: id }, sources: id })
    this.#changes.sources.add(vrf)
    return vrf
  }

  /** What leads from one VRF to another, and no route target says so any more, goes at once: it is not for the peers to say. */
  #forbidLeaks(): void {
    for (const { vrf: name, owner, prefix } of this.#adopted?.leaks ?? []) {
      const vrf = this.#vrfs.get(name)
      if (vrf === undefined) continue
      const exported = this.#vrfs.get(owner)?.intent.export ?? []
      if (!this.#targets.importers(exported).includes(vrf)) this.#fib.forbid(vrf.id, prefix)
    }
  }

  /** Takes a VRF, whose table is empty by now, from the dataplane. */
  #removeVrf(vrf: VrfState): void {
    for (const prefix of this.#changes.routes.get(vrf)?.values() ?? []) this.#fib.setRoute(vrf.id, prefix, undefined)
    this.#changes.routes.delete(vrf)
    this.#changes.sources.delete(vrf)
    this.#fib.labels.drop(vrf.label)
    this.#labels.release(vrf.label)
    this.#fib.tunnelSources.drop(vrf.id)
    this.#fib.vrfs.drop(vrf.id)
    this.#vrfIds.release(vrf.id)
  }
}

/** What no dataplane could forward for, if anything. */
function problemOf({ addresses, mtu }: EndpointIntent): string | undefined {
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535) return `has an MTU of ${mtu}, which is not within 68–65535`
  const unusable = addresses.find((address) => address.isUnspecified || address.isLoopback || address.isMulticast || address.isLinkLocal)
  return unusable === undefined ? undefined : `cannot have the address ${unusable}`
}

function sameList(a: readonly IpPrefix[], b: readonly IpPrefix[]): boolean {
  return a.length === b.length && a.join(' ') === b.join(' ')
}
