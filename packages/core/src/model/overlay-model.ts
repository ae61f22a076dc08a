import type { Clock } from '@heddle/io'
import { IpPrefix, type IpAddress, type RouteTarget } from '@heddle/wire'
import type { DataplaneCapabilities, DataplaneState } from '../dataplane/dataplane.js'
import { hasFeature } from '../dataplane/feature.js'
import type { Encapsulation } from '../dataplane/objects.js'
import type { ApplyReport, FibTransaction } from '../dataplane/transaction.js'
import type { MirrorDirection } from '../dataplane/mirror.js'
import { FibCompiler } from '../fib/fib-compiler.js'
import { checkTraffic } from '../intent/check-traffic.js'
import { IntentError, type EndpointIntent, type IntentProblem, type VrfIntent } from '../intent/intents.js'
import type { TraceIntent, TrafficIntents } from '../intent/traffic.js'
import { LabelSpace, type LabelSpaceOptions } from '../label/label-space.js'
import { VniRest } from '../label/vni-rest.js'
import { TargetIndex } from '../target/target-index.js'
import type { VpnRouteChange } from '../vpn-route.js'
import { admitEndpoint, vrfProblems, type Admitted } from './admission.js'
import { adoptedFrom, leaksToEnd, type Adopted } from './adopted.js'
import { Changes } from './changes.js'
import { endpointName, EndpointState, type EndpointPlace } from './endpoint-state.js'
import { Exports } from './exports.js'
import { HopChoice } from './hop-choice.js'
import { Identities } from './identities.js'
import { LocalRoutes } from './local-routes.js'
import { Observations, type Observation } from './observations.js'
import { ReceivedRoutes } from './received-routes.js'
import { endpointRow, labelRows, routeRows, tunnelRows, vrfRow } from './rows.js'
import { Traffic, type BackendName } from './traffic.js'
import { TunnelChoice } from './tunnel-choice.js'
import { TunnelLiveness } from './tunnel-liveness.js'
import type { EndpointRow, LabelRow, RouteRow, TunnelRow, VrfRow } from './views.js'
import { Vnis } from './vnis.js'
import { VrfState } from './vrf-state.js'
import { WatchedPaths } from './watched-paths.js'

/** What a model is told of its node and of the dataplane that it writes for. */
export interface OverlayModelOptions {
  readonly clock: Clock
  /** This node's tunnel ends, at most one a family. */
  readonly localAddresses: readonly IpAddress[]
  readonly capabilities: Pick<DataplaneCapabilities, 'encapsulations' | 'limits' | 'features'>
  /**
   * Best first; `mpls-udp-joint`, `mpls-udp`, `mpls-gre`, `vxlan` when left out. VXLAN is for routes with a VNI alone, the others for those with a label;
   * joint labels are for next hops that are told to read them.
   */
  readonly encapsulations?: readonly Encapsulation[]
  /** `quarantine` also counts for a VNI that moves from one VRF to another. */
  readonly labels?: Omit<LabelSpaceOptions, 'clock'>
  /** Most next hops a route is spread over, 16 when left out. */
  readonly maximumPaths?: number
  /** Largest packet of the underlay, octets; 1,500 when left out. */
  readonly underlayMtu?: number
  /**
   * Most flows that policies remember of an endpoint, 1 and up, where the dataplane has policies; half of what it remembers of all (`limits.flows`) when
   * left out, so that none pushes out those of all others.
   */
  readonly endpointFlows?: number
}

/** Id of the port to the underlay. */
export const UPLINK_PORT = 0

/**
 * The overlay as one node sees it: VRFs and endpoints as someone wants them, routes as others tell them, and what follows for the dataplane and for
 * what is told to others. Pure and synchronous: calls change the model, `takeTransaction` and `takeExports` collect what follows, in batches.
 */
export class OverlayModel {
  /** What the dataplane watches by BFD. */
  readonly watchedPaths: WatchedPaths
  readonly #options: OverlayModelOptions
  readonly #ids: Identities
  readonly #fib: FibCompiler
  readonly #vrfs = new Map<string, VrfState>()
  readonly #endpoints = new Map<string, EndpointState>()
  readonly #targets = new TargetIndex<VrfState>()
  readonly #changes = new Changes()
  readonly #received = new ReceivedRoutes(this.#targets, this.#changes)
  readonly #local = new LocalRoutes(this.#targets, this.#changes)
  readonly #tunnels: TunnelChoice
  readonly #exports: Exports
  readonly #choice: HopChoice
  readonly #traffic: Traffic
  readonly #liveness: TunnelLiveness
  readonly #observations: Observations
  readonly #vnis: Vnis
  #adopted: Adopted | undefined

  constructor(options: OverlayModelOptions) {
    const { clock, localAddresses, capabilities, maximumPaths = 16, underlayMtu: mtu = 1500 } = options
    this.#options = options
    this.#ids = new Identities(new LabelSpace({ clock, ...options.labels }), UPLINK_PORT)
    this.#fib = new FibCompiler(0, capabilities.limits)
    this.#tunnels = new TunnelChoice({
      localAddresses,
      preferences: options.encapsulations ?? ['mpls-udp-joint', 'mpls-udp', 'mpls-gre', 'vxlan'],
      capabilities,
      maximumPaths: Math.min(maximumPaths, capabilities.limits.groupMembers),
      isDown: (remote) => this.#liveness.isDown(remote),
    })
    this.#liveness = new TunnelLiveness(this.#fib, (remote) => this.#tunnels.localAddress(remote), capabilities.limits.liveness ?? 0)
    this.watchedPaths = new WatchedPaths(this.#fib, this.#liveness, (remote) =>
      this.#changes.touchRemote(this.#vrfs.values(), (nextHop) => String(nextHop) === remote),
    )
    this.#choice = new HopChoice({ vrfs: this.#vrfs, tunnels: this.#tunnels, liveness: this.#liveness })
    this.#traffic = new Traffic(this.#fib, localAddresses)
    this.#observations = new Observations(this.#fib)
    const [nextHop] = localAddresses
    this.#vnis = new Vnis(this.#fib, new VniRest(clock, options.labels?.quarantine), nextHop)
    const { routerMac } = this.#vnis
    this.#exports = new Exports(this.#fib, this.#changes, { nextHop, encapsulations: this.#tunnels.offered, routerMac })
    this.#fib.objects.ports.want(UPLINK_PORT, { id: UPLINK_PORT, kind: 'uplink', allowedSources: [], gateways: [], mtu })
  }

  /**
   * Takes over what a running dataplane holds, before anything else is told: VRFs, endpoints, next hops and groups keep their ids and labels. Until
   * `endAdoption` nothing is removed from it, so that forwarding goes on while routes come in again; only routes to another VRF of this node go at once
   * when no route target allows them any more. Returns the endpoints whose devices are there.
   */
  adopt(state: DataplaneState): readonly EndpointIntent[] {
    this.#exports.touchAll()
    this.#fib.adopt(state)
    this.#learnLiveness(state)
    this.#vnis.learn(state)
    const adopted = adoptedFrom(state)
    this.#adopted = adopted
    this.#ids.resume(state, { vrfs: this.#vrfs.values(), endpoints: this.#endpoints.values() })
    return adopted.endpoints
  }

  /**
   * The dataplane was replaced by another one, which holds `state`: nothing, for example, because its process died and a new one was started. What is
   * under way is void, and the next transaction brings the new one to what is wanted; while adopting, nothing is removed from it, unless it uses ids
   * for other things than this model does: then it is emptied first. Endpoints keep their ports and labels; whether their devices are there is for
   * the caller to say (`setAttached`).
   */
  replaced(state: DataplaneState): void {
    this.#exports.touchAll()
    this.#fib.replaced(state)
    this.#learnLiveness(state)
    this.#ids.hold(state, { vrfs: this.#vrfs.values(), endpoints: this.#endpoints.values() })
    for (const { label } of state.labels) this.#ids.labels.hold(label)
    if (!this.isAdopting) this.#ids.releaseHeld()
  }

  /** The model knows all it needs: what was adopted and is not wanted goes with the next transaction. */
  endAdoption(): void {
    this.#exports.touchAll()
    this.#compile() // while adopted ids can still be claimed
    this.#adopted = undefined
    this.#liveness.compile(this.#vrfs.values(), false)
    this.#vnis.endAdoption(this.#vrfs.values())
    this.#fib.release()
    this.#ids.releaseHeld()
    for (const vrf of this.#vrfs.values()) this.#changes.sources.add(vrf)
  }

  get isAdopting(): boolean {
    return this.#adopted !== undefined
  }

  /** As `setIntents`, for the VRFs alone. @throws IntentError */
  setVrfs(vrfs: readonly VrfIntent[]): void {
    this.setIntents(vrfs, this.#traffic.intents)
  }

  /** What `setIntents` would refuse, once endpoints that are `leaving` are gone; empty when nothing. */
  checkIntents(vrfs: readonly VrfIntent[], traffic: TrafficIntents, leaving: readonly EndpointPlace[] = []): readonly IntentProblem[] {
    return [...vrfProblems(vrfs, this.#admitted, leaving), ...checkTraffic(traffic, { ...this.#options, vrfs })]
  }

  /**
   * Brings VRFs, and what is done with their traffic, to what is wanted; routes that are known are imported or dropped at once. Nothing is applied when
   * something is wrong.
   *
   * @throws IntentError, also when a VRF that still has endpoints would go
   */
  setIntents(vrfs: readonly VrfIntent[], traffic: TrafficIntents): void {
    const problems = this.checkIntents(vrfs, traffic)
    if (problems.length > 0) throw new IntentError(problems)
    this.#exports.touchAll()
    const names = new Set(vrfs.map(({ name }) => name))
    const gone = [...this.#vrfs.values()].filter(({ name }) => !names.has(name))
    for (const vrf of gone) {
      this.#local.removeAll(vrf)
      this.#targets.set(vrf, [])
      this.#vrfs.delete(vrf.name)
    }
    for (const intent of vrfs) {
      const vrf = this.#vrfs.get(intent.name) ?? this.#addVrf(intent)
      if (vrf.intent.tunnelSources?.join(' ') !== intent.tunnelSources?.join(' ')) this.#changes.sources.add(vrf)
      vrf.intent = intent
      this.#targets.set(vrf, intent.import)
    }
    this.#changes.touchRemote(this.#vnis.follow(this.#vrfs.values(), gone), () => true)
    this.#traffic.set(traffic, this.#vrfs, this.#endpoints.values())
    for (const vrf of this.#vrfs.values()) this.#local.setStatics(vrf, this.#traffic.staticsOf(vrf.intent))
    if (this.#liveness.set(traffic.tunnelLiveness)) this.#changes.touchRemote(this.#vrfs.values(), () => true)
    this.#received.reimport()
    for (const vrf of this.#vrfs.values()) this.#local.respread(vrf)
    for (const vrf of gone) this.#removeVrf(vrf)
    // What leads from one VRF to another, and no route target says so any more, goes at once: it is not for the peers to say.
    for (const { vrf, prefix } of leaksToEnd(this.#adopted?.leaks ?? [], this.#vrfs, this.#targets)) this.#fib.forbid(vrf.id, prefix)
    for (const endpoint of this.#endpoints.values()) this.#fib.objects.ports.want(endpoint.port, endpoint.portObject)
  }

  /**
   * Adds an endpoint: a port, a label, a host route an address. Its routes are told to others when `setAttached` says that its device is there.
   *
   * @throws EndpointError `endpoint.vrf-unknown`, `endpoint.conflict`, `endpoint.address-in-use`, `endpoint.labels-exhausted`, `endpoint.limit`,
   * `endpoint.invalid`, `endpoint.unsupported`; then nothing was changed
   */
  addEndpoint(intent: EndpointIntent): EndpointRow {
    const name = endpointName(intent)
    const vrf = admitEndpoint(intent, this.#admitted)
    const before = this.#adopted?.ports.get(`${vrf.name} ${name}`)
    // Others may still send to an address that it has no more: not with the label of the one that it has now.
    const isSame = before?.addresses.every((address) => intent.addresses.some((own) => own.equals(address))) === true
    const label = this.#ids.takeLabel(name, isSame ? this.#adopted?.labels.get(`port ${before?.port}`) : undefined)
    const port = before !== undefined && this.#ids.ports.claim(before.port) ? before.port : this.#ids.ports.take()
    const endpoint = new EndpointState(port, label, vrf, intent, this.#maxFlows)
    this.#endpoints.set(name, endpoint)
    this.#fib.objects.ports.want(port, endpoint.portObject)
    this.#fib.objects.labels.want(label, { label, action: { type: 'pop-forward', port }, sources: vrf.id })
    this.#local.addEndpoint(endpoint)
    this.#traffic.addEndpoint(endpoint, this.#endpoints.values())
    return endpointRow(endpoint)
  }

  /** A backend of a service with `health` answers, or does not. Returns whether that is news. */
  setBackendDown(service: string, backend: BackendName, isDown: boolean): boolean {
    const vrf = this.#vrfs.get(this.#traffic.setBackendDown(service, backend, isDown, this.#vrfs) ?? '')
    if (vrf !== undefined) this.#local.setStatics(vrf, this.#traffic.staticsOf(vrf.intent))
    return vrf !== undefined
  }

  /** Length of the prefix by which packets of a VRF come to an address; undefined when they get nowhere. */
  matchLength(vrf: string, address: IpAddress): number | undefined {
    return this.#choice.matchLength(vrf, address)
  }

  /** The endpoint's device is there, or not any more. */
  setAttached(endpoint: EndpointPlace, attached: boolean): void {
    const state = this.#endpoints.get(endpointName(endpoint))
    if (state === undefined) return
    state.attached = attached
    this.#local.deviceChanged(state)
  }

  /** Whether the dataplane holds an endpoint's port, label, policies and routes, so that its device can come. */
  isProgrammed(endpoint: EndpointPlace): boolean {
    const state = this.#endpoints.get(endpointName(endpoint))
    const { ports, labels } = this.#fib.objects
    if (state === undefined || !ports.isProgrammed(state.port) || !labels.isProgrammed(state.label)) return false
    if (!this.#traffic.isProgrammed(state)) return false
    return state.intent.addresses.every((address) => this.#fib.isInstalled(state.vrf.id, IpPrefix.of(address)))
  }

  /** Removes an endpoint with its routes; its label rests. Returns the port it had. */
  removeEndpoint(endpoint: EndpointPlace): number | undefined {
    const name = endpointName(endpoint)
    const state = this.#endpoints.get(name)
    if (state === undefined) return undefined
    this.#endpoints.delete(name)
    this.#local.removeEndpoint(state)
    this.#traffic.removeEndpoint(state, this.#endpoints.values())
    this.#observations.gone({ port: state.port })
    this.#fib.objects.labels.drop(state.label)
    this.#ids.labels.release(state.label)
    this.#fib.objects.ports.drop(state.port)
    this.#ids.ports.release(state.port)
    return state.port
  }

  /** What others tell. */
  applyRoutes(changes: readonly VpnRouteChange[]): void {
    this.#received.apply(changes, this.#options.localAddresses)
  }

  /** Everything `source` told is void. */
  withdrawSource(source: string): void {
    this.#received.withdrawSource(source)
  }

  /** Copies packets of an endpoint to the dataplane's events, as `mirrored` with the returned id, until that is released. Undefined without the endpoint. */
  mirror(endpoint: EndpointPlace, direction: MirrorDirection | 'both', snapLength?: number): Observation | undefined {
    const port = this.#endpoints.get(endpointName(endpoint))?.port
    return port === undefined ? undefined : this.#observations.mirror(port, direction, snapLength)
  }

  /** Tells of packets by the dataplane's events, as `traced` with the returned id, until that is released. Undefined when there is no such VRF. */
  trace({ vrf: name, ...filter }: TraceIntent): Observation | undefined {
    if (name === undefined) return this.#observations.trace(filter)
    const vrf = this.#vrfs.get(name)
    return vrf === undefined ? undefined : this.#observations.trace({ ...filter, vrf: vrf.id })
  }

  /** The next generation for the dataplane, or `undefined` when there is nothing to do or the last one is still under way. */
  takeTransaction(): FibTransaction | undefined {
    this.#compile()
    const transaction = this.#fib.take()
    if (transaction !== undefined && !this.isAdopting) this.#ids.seal()
    return transaction
  }

  /** What became of the last transaction; what was not taken comes again. Returns whether all of it was applied. */
  programmed(report: ApplyReport): boolean {
    const { isEmptying } = this.#fib
    const complete = this.#fib.commit(report)
    if (isEmptying || !complete) this.#exports.touchAll() // more may be gone than what was touched
    if (complete && !this.isAdopting) this.#ids.settle()
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
    return Array.from(this.#vrfs.values(), (vrf) => vrfRow(vrf, this.#vnis.routerMac))
  }

  /** The VNI that a VRF shall have, if any. */
  vniOf(vrf: string): number | undefined {
    return this.#vrfs.get(vrf)?.intent.vni
  }

  /** By what packets of a VRF may travel: by VXLAN only while it shall have a VNI. */
  encapsulationsOf(vrf: string): readonly Encapsulation[] {
    return this.#tunnels.usable({ vni: this.vniOf(vrf) })
  }

  /** When, in the time of the clock, `takeTransaction` has something to do though nothing was told; infinity when it has not. */
  get due(): number {
    return this.#vnis.due
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
    const withVni = this.#vnis.compile()
    if (withVni.length > 0) this.#exports.touchAll()
    this.#changes.touchRemote(withVni, () => true)
    for (const vrf of this.#changes.sources) {
      const kept = this.#adopted?.sources.get(vrf.id) ?? []
      this.#fib.objects.tunnelSources.want(vrf.id, { id: vrf.id, prefixes: vrf.tunnelSources(kept) })
    }
    if (this.#changes.sources.size > 0 || this.#liveness.isChanged) this.#liveness.compile(this.#vrfs.values(), this.isAdopting)
    this.#changes.sources.clear()
    for (const [vrf, prefixes] of this.#changes.routes)
      for (const [name, prefix] of prefixes) this.#fib.setRoute(vrf.id, prefix, this.#choice.hops(vrf, vrf.table.get(name)))
    this.#changes.routes.clear()
  }

  #learnLiveness(state: DataplaneState): void {
    const remotes = this.#liveness.learn(state)
    this.#changes.touchRemote(this.#vrfs.values(), (nextHop) => remotes.has(String(nextHop)))
  }

  get #maxFlows(): number | undefined {
    const { capabilities, endpointFlows } = this.#options
    if (!hasFeature(capabilities, 'policy')) return undefined
    const { flows } = capabilities.limits
    return endpointFlows ?? (flows === undefined ? undefined : Math.ceil(flows / 2))
  }

  get #admitted(): Admitted {
    const hasLabel = (vrf: string): boolean => this.#ids.labels.isHeld(this.#adoptedVrfLabel(vrf) ?? -1)
    return { ...this.#options, labels: this.#ids.labels, vrfs: this.#vrfs, endpoints: this.#endpoints, hasLabel }
  }

  #adoptedVrfLabel(name: string): number | undefined {
    return this.#adopted?.labels.get(`vrf ${this.#adopted.vrfs.get(name)}`)
  }

  #addVrf(intent: VrfIntent): VrfState {
    const before = this.#adopted?.vrfs.get(intent.name)
    const label = this.#ids.takeLabel(`vrf ${intent.name}`, this.#adoptedVrfLabel(intent.name))
    const id = before !== undefined && this.#ids.vrfs.claim(before) ? before : this.#ids.vrfs.take()
    const vrf = new VrfState(id, label, intent)
    this.#vrfs.set(intent.name, vrf)
    this.#fib.objects.vrfs.want(id, { id, name: intent.name })
    this.#fib.objects.labels.want(label, { label, action: { type: 'pop-lookup', vrf: id }, sources: id })
    this.#changes.sources.add(vrf)
    return vrf
  }

  /** Takes a VRF, whose table is empty by now, from the dataplane. */
  #removeVrf(vrf: VrfState): void {
    for (const prefix of this.#changes.routes.get(vrf)?.values() ?? []) this.#fib.setRoute(vrf.id, prefix, undefined)
    this.#changes.routes.delete(vrf)
    this.#changes.sources.delete(vrf)
    this.#liveness.vrfGone()
    this.#fib.objects.labels.drop(vrf.label)
    this.#ids.labels.release(vrf.label)
    this.#fib.objects.tunnelSources.drop(vrf.id)
    this.#fib.objects.vrfs.drop(vrf.id)
    this.#observations.gone({ vrf: vrf.id })
    this.#ids.vrfs.release(vrf.id)
  }
}
