import type {
  DataplaneState,
  FibTransaction,
  GroupObject,
  LabelObject,
  LivenessObject,
  NatPoolObject,
  NextHopObject,
  ObjectChanges,
  PathMtu,
  PolicyObject,
  PortObject,
  ServiceObject,
  TraceObject,
  TunnelSourcesObject,
  VniObject,
  VrfObject,
} from '@heddle/core'
import { FibTable, keepsFlows, NO_MATCH, RouteBatch, runsOf } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { ObjectCounters, PortCounters } from './counters.js'
import type { FlowMemory } from './flow/flow-memory.js'
import { NatTable } from './nat/nat-table.js'
import { isHidden, POOL_ZONE, PoolTable } from './nat/pool-table.js'
import { isSamePlace, isServed, ServiceTable } from './nat/service-table.js'
import { EthernetLink } from './link/ethernet-link.js'
import { LinkAddress, type LinkAddresses } from './link/link-addresses.js'
import { portMirrors, type Mirror, type PortMirrors } from './mirror/mirrors.js'
import { PolicyFlows } from './policy/policy-flows.js'
import { portPolicies, type PortPolicy } from './policy/port-policy.js'
import { portRates, type PortRates } from './rate/port-rates.js'
import type { RateMemory } from './rate/rate-memory.js'
import { programRoutes, RouteUses, type RouteTable } from './routes.js'
import { SourceSet } from './source-set.js'
import { tunnelHop, type OuterHeaders, type TunnelHop } from './tunnel-hop.js'

/*
 * The tables as the engine reads them. Objects refer to each other by id, as in the contract: an object that is replaced is seen by the next
 * packet, whoever refers to it, and a program that runs between two packets is never seen half done.
 */

/** A VRF and its routes. */
export interface Vrf {
  readonly object: VrfObject
  readonly fib: RouteTable
  readonly counters: ObjectCounters
}

/** A port and where it counts. */
export interface Port {
  readonly object: PortObject
  readonly counters: PortCounters
  /** Families whose packets the port takes: those it has an allowed source of, or both when it checks none. */
  readonly v4: boolean
  readonly v6: boolean
  /** Undefined when everything passes. */
  readonly policy: PortPolicy | undefined
  /** Undefined when nothing is copied. */
  readonly mirrors: PortMirrors | undefined
  /** Undefined where the device carries IP packets. */
  readonly link: EthernetLink | undefined
  /** Undefined where there is no limit. */
  readonly rates: PortRates | undefined
}

export interface TunnelSources {
  readonly object: TunnelSourcesObject
  readonly set: SourceSet
}

/** A next hop, and its headers if it is a tunnel. */
export interface NextHop {
  readonly object: NextHopObject
  readonly tunnel: TunnelHop | undefined
  readonly counters: ObjectCounters
}

const NOTHING: ObjectChanges<never> = { set: [], remove: [] }

/** Everything that is programmed, by id. */
export class Tables {
  generation = 0
  /** Counts up whenever anything but routes changes: what was made of objects is made anew. */
  version = 0
  readonly vrfs = new Map<number, Vrf>()
  readonly ports = new Map<number, Port>()
  readonly nextHops = new Map<number, NextHop>()
  readonly groups = new Map<number, GroupObject>()
  readonly tunnelSources = new Map<number, TunnelSources>()
  readonly labels = new Map<number, LabelObject>()
  readonly labelCounters = new Map<number, ObjectCounters>()
  readonly vnis = new Map<number, VniObject>()
  readonly policies = new Map<number, PolicyObject>()
  readonly policyFlows: PolicyFlows
  readonly serviceObjects = new Map<number, ServiceObject>()
  services = new ServiceTable([])
  readonly liveness = new Map<number, LivenessObject>()
  /** Ids of those that went down. */
  readonly down = new Set<number>()
  readonly natPools = new Map<number, NatPoolObject>()
  pools = new PoolTable([])
  readonly mirrors = new Map<number, Mirror>()
  readonly traces = new Map<number, TraceObject>()
  /** Undefined until there is a service or a pool. */
  nat: NatTable | undefined
  /** VRF id → id of its host port, for packets to the host itself. */
  readonly #hostPorts = new Map<number, number>()
  readonly routeUses = new RouteUses()
  /** Largest underlay packet that the uplink ports take; 65,535 when the tables have none. */
  uplinkMtu = 65_535
  /** Of tunnels' remote ends, by their text, whether or not there is a tunnel. */
  readonly #pathMtus = new Map<string, PathMtu>()

  #policyVersion = 0

  /**
   * @param flows that policies may remember
   * @param flowMemory its own when left out
   * @param newRoutes for each VRF
   * @param addresses of endpoints on Ethernet devices; each link's own when left out
   * @param rates what limits of ports go by; each port's own when left out
   */
  constructor(
    private readonly outer: OuterHeaders,
    private readonly flows: number,
    private readonly flowMemory: FlowMemory | undefined,
    private readonly newRoutes: (vrf: number) => RouteTable = () => new FibTable(),
    private readonly addresses?: LinkAddresses,
    private readonly rates?: RateMemory,
  ) {
    this.policyFlows = new PolicyFlows(flows, flowMemory)
  }

  /** Programs a transaction that was found valid. @param runs those of its routes */
  program(transaction: FibTransaction, runs = runsOf(transaction.routes)): void {
    if (changesObjects(transaction)) this.version++
    const isOfNode = this.#concernsNode(transaction.ports)
    for (const id of removedIn(transaction.vrfs, idOf)) {
      this.vrfs.get(id)?.fib.forEach((_family, _w0, _w1, _w2, _w3, _length, group) => this.routeUses.move(group, NO_MATCH))
    }
    change(transaction.vrfs, this.vrfs, idOf, (object) => {
      const before = this.vrfs.get(object.id)
      this.vrfs.set(object.id, {
        object,
        fib: before?.fib ?? this.newRoutes(object.id),
        counters: before?.counters ?? new ObjectCounters(),
      })
    })
    change(transaction.ports, this.ports, idOf, (object) => {
      const before = this.ports.get(object.id)
      if (before !== undefined && !keepsFlows(before.object, object)) this.policyFlows.forget(object.id)
      const counters = before?.counters ?? new PortCounters()
      const carries = (family: 4 | 6): boolean =>
        object.allowedSources.length === 0 || object.allowedSources.some((prefix) => prefix.family === family)
      this.ports.set(object.id, {
        object,
        counters,
        v4: carries(4),
        v6: carries(6),
        policy: before?.policy,
        mirrors: before?.mirrors,
        link: this.#linkOf(object, before?.link),
        rates: portRates(object, before?.rates, this.rates),
      })
    })
    change(transaction.groups, this.groups, idOf, (object) => this.groups.set(object.id, object))
    change(transaction.tunnelSources, this.tunnelSources, idOf, (object) =>
      this.tunnelSources.set(object.id, { object, set: new SourceSet(object.prefixes) }),
    )
    change(
      transaction.labels,
      this.labels,
      ({ label }) => label,
      (object) => this.labels.set(object.label, object),
    )
    for (const { label } of transaction.labels.set) if (!this.labelCounters.has(label)) this.labelCounters.set(label, new ObjectCounters())
    for (const label of transaction.labels.remove) if (!this.labels.has(label)) this.labelCounters.delete(label)
    change(
      transaction.vnis,
      this.vnis,
      ({ vni }) => vni,
      (object) => this.vnis.set(object.vni, object),
    )
    change(transaction.nextHops, this.nextHops, idOf, (object) => this.#layOut(object))
    // The source address of a VXLAN tunnel's inner frames is that of the VNI.
    const hasVnis = transaction.vnis.set.length + transaction.vnis.remove.length > 0
    if (hasVnis) for (const { object, tunnel } of this.nextHops.values()) if (tunnel?.tunnel.encapsulation === 'vxlan') this.#layOut(object)
    this.#programLiveness(transaction)
    this.#programMirrors(transaction)
    this.#programPolicies(transaction)
    this.#programServices(transaction)
    programRoutes(transaction.routes, runs, (vrf) => this.vrfs.get(vrf)?.fib, this.routeUses)
    if (isOfNode) this.#derive()
    this.generation = transaction.generation
  }

  /** Where packets to the host itself go, as seen from a VRF. */
  hostPort(vrf: number): Port | undefined {
    const id = this.#hostPorts.get(vrf)
    return id === undefined ? undefined : this.ports.get(id)
  }

  /** Whether anything is known of a path. */
  get hasPathMtus(): boolean {
    return this.#pathMtus.size > 0
  }

  /** The path to another router takes so many octets; undefined: what the underlay takes. */
  setPathMtu(remote: IpAddress, mtu: number | undefined): void {
    if (mtu === undefined) this.#pathMtus.delete(remote.toString())
    else this.#pathMtus.set(remote.toString(), { remote, mtu })
    this.version++
    for (const { object, tunnel } of this.nextHops.values()) if (tunnel?.tunnel.remote.equals(remote) === true) this.#layOut(object)
  }

  /** What is programmed, as values. */
  state(): Omit<DataplaneState, 'devices'> {
    const routes = new RouteBatch()
    for (const [id, { fib }] of this.vrfs) {
      fib.forEach((family, w0, w1, w2, w3, length, group) => routes.pushWords(id, family, w0, w1, w2, w3, length, group))
    }
    return {
      generation: this.generation,
      vrfs: Array.from(this.vrfs.values(), ({ object }) => object),
      ports: Array.from(this.ports.values(), ({ object }) => object),
      nextHops: Array.from(this.nextHops.values(), ({ object }) => object),
      groups: [...this.groups.values()],
      tunnelSources: Array.from(this.tunnelSources.values(), ({ object }) => object),
      labels: [...this.labels.values()],
      vnis: [...this.vnis.values()],
      policies: [...this.policies.values()],
      services: [...this.serviceObjects.values()],
      liveness: [...this.liveness.values()],
      down: [...this.down],
      natPools: [...this.natPools.values()],
      mirrors: Array.from(this.mirrors.values(), ({ object }) => object),
      traces: [...this.traces.values()],
      pathMtus: [...this.#pathMtus.values()],
      routes,
    }
  }

  #linkOf(object: PortObject, before: EthernetLink | undefined): EthernetLink | undefined {
    const { id, link } = object
    if (link === undefined) return undefined
    return new EthernetLink({ ...object, link }, before?.endpoint ?? this.addresses?.of(id) ?? new LinkAddress())
  }

  #layOut(object: NextHopObject): void {
    const { vni, remote } = object.action.type === 'tunnel' ? object.action : {}
    const ownMac = vni === undefined ? undefined : this.vnis.get(vni)?.routerMac
    const pathMtu = (remote && this.#pathMtus.get(remote.toString())?.mtu) ?? Number.POSITIVE_INFINITY
    const counters = this.nextHops.get(object.id)?.counters ?? new ObjectCounters()
    this.nextHops.set(object.id, { object, tunnel: tunnelHop(object, { outer: this.outer, ownMac, pathMtu }), counters })
  }

  #programPolicies({ policies, ports }: FibTransaction): void {
    for (const id of removedIn(ports, idOf)) this.policyFlows.forget(id)
    if (policies === undefined) return
    change(policies, this.policies, idOf, (object) => this.policies.set(object.id, object))
    const found = portPolicies(this.policies.values(), ++this.#policyVersion)
    for (const [id, port] of this.ports) {
      const policy = found.get(id)
      if (policy === undefined && port.policy === undefined) continue
      if (policy === undefined) this.policyFlows.forget(id)
      const isSame = policy?.ingress === port.policy?.ingress && policy?.egress === port.policy?.egress
      if (!isSame) this.ports.set(id, { ...port, policy })
    }
  }

  #programMirrors({ mirrors = NOTHING, traces = NOTHING, ports }: FibTransaction): void {
    change(traces, this.traces, idOf, (object) => this.traces.set(object.id, object))
    change(mirrors, this.mirrors, idOf, (object) => {
      this.mirrors.set(object.id, { object })
    })
    if (mirrors.set.length + mirrors.remove.length === 0 && (this.mirrors.size === 0 || ports.set.length === 0)) return
    const found = portMirrors(this.mirrors.values())
    for (const [id, port] of this.ports) {
      const of = found.get(id)
      if (of !== undefined || port.mirrors !== undefined) this.ports.set(id, { ...port, mirrors: of })
    }
  }

  #programLiveness({ liveness }: FibTransaction): void {
    if (liveness === undefined) return
    for (const id of removedIn(liveness, idOf)) this.down.delete(id)
    change(liveness, this.liveness, idOf, (object) => this.liveness.set(object.id, object))
  }

  #programServices({ services = NOTHING, natPools = NOTHING }: FibTransaction): void {
    if (services.set.length + services.remove.length + natPools.set.length + natPools.remove.length === 0) return
    const moved = this.#movedBy(services, natPools)
    change(services, this.serviceObjects, idOf, (object) => this.serviceObjects.set(object.id, object))
    change(natPools, this.natPools, idOf, (object) => this.natPools.set(object.id, object))
    this.services = new ServiceTable(this.serviceObjects.values())
    this.pools = new PoolTable(this.natPools.values())
    this.nat ??= new NatTable(this.flows, this.flowMemory)
    this.nat.endFlows((service, ends) => {
      if (moved.has(service)) return true
      if (service >= POOL_ZONE) {
        const pool = this.natPools.get(service - POOL_ZONE)
        return pool === undefined || !isHidden(pool, ends.to)
      }
      const object = this.serviceObjects.get(service)
      return object === undefined || !isServed(object, ends)
    })
  }

  /** Services and pools, as flows name them, that are to stand elsewhere: flows belong to where they were. */
  #movedBy(services: ObjectChanges<ServiceObject>, pools: ObjectChanges<NatPoolObject>): ReadonlySet<number> {
    const moved = new Set<number>()
    for (const object of services.set) {
      const before = this.serviceObjects.get(object.id)
      if (before !== undefined && !isSamePlace(before, object)) moved.add(object.id)
    }
    for (const { id, vrf, outside } of pools.set) {
      const before = this.natPools.get(id)
      if (before !== undefined && (before.vrf !== vrf || before.outside !== outside)) moved.add(POOL_ZONE + id)
    }
    return moved
  }

  /**
   * Whether ports change that are no endpoint's: those of a full node are many, and nothing is derived from them. Of the others, no policy and no mirror
   * changes what is derived.
   */
  #concernsNode({ set, remove }: FibTransaction['ports']): boolean {
    const isHeld = (id: number): boolean => (this.ports.get(id)?.object.kind ?? 'endpoint') !== 'endpoint'
    return set.some(({ id, kind }) => kind !== 'endpoint' || isHeld(id)) || remove.some(isHeld)
  }

  #derive(): void {
    this.#hostPorts.clear()
    this.uplinkMtu = 65_535
    for (const port of this.ports.values()) {
      if (port.object.kind === 'uplink') this.uplinkMtu = Math.min(this.uplinkMtu, port.object.mtu)
      if (port.object.kind === 'host' && port.object.vrf !== undefined) this.#hostPorts.set(port.object.vrf, port.object.id)
    }
  }
}

function changesObjects({ generation: _generation, routes: _routes, ...kinds }: FibTransaction): boolean {
  return Object.values<ObjectChanges<unknown> | undefined>(kinds).some(
    (changes) => (changes?.set.length ?? 0) + (changes?.remove.length ?? 0) > 0,
  )
}

function idOf({ id }: { readonly id: number }): number {
  return id
}

function change<T>(changes: ObjectChanges<T>, table: Map<number, unknown>, keyOf: (object: T) => number, set: (object: T) => void): void {
  for (const key of removedIn(changes, keyOf)) table.delete(key)
  for (const object of changes.set) set(object)
}

/** What is removed: an object that is set in the same transaction is replaced, and what refers to it stays. */
function removedIn<T>({ set, remove }: ObjectChanges<T>, keyOf: (object: T) => number): readonly number[] {
  if (remove.length === 0 || set.length === 0) return remove
  const kept = new Set(set.map(keyOf))
  return remove.filter((key) => !kept.has(key))
}
