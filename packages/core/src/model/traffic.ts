import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { MirrorObject } from '../dataplane/mirror.js'
import type { PolicyObject } from '../dataplane/policy.js'
import type { ServiceBackend, ServiceObject } from '../dataplane/service.js'
import { mirrorKey, type FibCompiler } from '../fib/fib-compiler.js'
import type { StaticRouteIntent, VrfIntent } from '../intent/intents.js'
import type { DirectionIntent, MirrorIntent, NatIntent, ServiceIntent, TrafficIntents } from '../intent/traffic.js'
import type { EndpointState } from './endpoint-state.js'
import type { VrfState } from './vrf-state.js'

type Endpoints = Iterable<EndpointState>
type Vrfs = ReadonlyMap<string, VrfState>

const DIRECTIONS = ['ingress', 'egress'] as const

/** Compiles what is wanted of the traffic of VRFs into objects of the dataplane. */
export class Traffic {
  readonly #fib: FibCompiler
  readonly #localAddresses: readonly IpAddress[]
  #intents: TrafficIntents = {}
  /** Backends that do not answer. */
  readonly #down = new Set<string>()
  /** Mirrors of the intents by name. */
  readonly #mirrors = new Map<string, { readonly key: string; readonly id: number }>()

  constructor(fib: FibCompiler, localAddresses: readonly IpAddress[]) {
    this.#fib = fib
    this.#localAddresses = localAddresses
  }

  get intents(): TrafficIntents {
    return this.#intents
  }

  /** Brings the objects to what is wanted, which was found free of problems. */
  set(intents: TrafficIntents, vrfs: Vrfs, endpoints: Endpoints): void {
    this.#intents = intents
    const { services = [], nat = [] } = intents
    const checked = services.filter(({ health }) => health !== undefined)
    const known = new Set(checked.flatMap((service) => service.backends.map((backend) => backendKey(service.name, backend))))
    for (const key of this.#down) if (!known.has(key)) this.#down.delete(key)
    this.#fib.services.wantAll(services.map((service) => this.#serviceObject(service, vrfs)))
    this.#fib.natPools.wantAll(
      nat.map(({ vrf, outside, address, ports }) => ({ vrf: idOf(vrfs, vrf), outside: idOf(vrfs, outside), address, ports })),
    )
    const all = [...endpoints]
    this.#setMirrors(all)
    this.#fib.policies.wantAll(all.flatMap((endpoint) => this.#policiesOf(endpoint)))
  }

  /** A backend of a service with a check answers, or does not. Returns the name of the VRF when that is news. */
  setBackendDown(name: string, backend: BackendName, isDown: boolean, vrfs: Vrfs): string | undefined {
    const service = this.#intents.services?.find((one) => one.name === name)
    const key = backendKey(name, backend)
    if (service?.health === undefined || this.#down.has(key) === isDown) return undefined
    if (isDown) this.#down.add(key)
    else this.#down.delete(key)
    this.#fib.services.want(this.#serviceObject(service, vrfs))
    return service.vrf
  }

  /** An endpoint came. */
  addEndpoint(endpoint: EndpointState, endpoints: Endpoints): void {
    for (const policy of this.#policiesOf(endpoint)) this.#fib.policies.want(policy)
    if (this.#intents.mirrors?.some(({ vrf }) => vrf === endpoint.vrf.name) === true) this.#setMirrors([...endpoints])
  }

  /** Whether the dataplane holds the policies of an endpoint. */
  isProgrammed({ port }: EndpointState): boolean {
    return DIRECTIONS.every((direction) => {
      const id = this.#fib.policies.idOf(`${port} ${direction}`)
      return id === undefined || this.#fib.objects.policies.isProgrammed(id)
    })
  }

  /** An endpoint is gone from the list. */
  removeEndpoint({ port, vrf }: EndpointState, endpoints: Endpoints): void {
    for (const direction of DIRECTIONS) this.#fib.policies.drop(`${port} ${direction}`)
    if (this.#intents.mirrors?.some((mirror) => mirror.vrf === vrf.name) === true) this.#setMirrors([...endpoints])
  }

  /** Routes of a VRF that are there because someone says so. One that someone wrote wins over one that follows from something else. */
  staticsOf({ name, staticRoutes = [] }: VrfIntent): readonly StaticRouteIntent[] {
    return [...this.#routesOf(name), ...staticRoutes]
  }

  /** Routes of a VRF that follow from the intents: to virtual addresses and pools, and from a hidden VRF outside. */
  #routesOf(vrf: string): readonly StaticRouteIntent[] {
    const { services = [], nat = [] } = this.#intents
    const hosts = [
      ...services.filter((service) => service.vrf === vrf && service.advertise !== false && !this.#isDown(service)),
      ...nat.filter(({ outside }) => outside === vrf),
    ]
    const outwards = nat
      .filter((one) => one.vrf === vrf)
      .flatMap((one) => destinationsOf(one).map((prefix): StaticRouteIntent => ({ prefix, via: { type: 'vrf', vrf: one.outside } })))
    return [...hosts.map(({ address }): StaticRouteIntent => ({ prefix: IpPrefix.of(address), via: { type: 'discard' } })), ...outwards]
  }

  /** A backend that does not answer keeps its flows: they may be those that make it slow. */
  #serviceObject(
    { name, advertise: _advertise, health: _health, backends, ...service }: ServiceIntent,
    vrfs: Vrfs,
  ): Omit<ServiceObject, 'id'> {
    const states = backends.map((backend) =>
      this.#down.has(backendKey(name, backend)) ? { ...backend, state: 'draining' as const } : backend,
    )
    // Equal on all nodes, so that they choose alike.
    return { ...service, backends: states, vrf: idOf(vrfs, service.vrf), seed: 0 }
  }

  /** Whether none of the backends that may be chosen answers. */
  #isDown({ name, backends }: ServiceIntent): boolean {
    const eligible = backends.filter(({ state, weight }) => state !== 'draining' && weight > 0)
    return eligible.length > 0 && eligible.every((backend) => this.#down.has(backendKey(name, backend)))
  }

  /** The mirrors of the intents: rules name them by id, which stays while their ports change. */
  #setMirrors(endpoints: readonly EndpointState[]): void {
    const wanted = (this.#intents.mirrors ?? []).map((mirror) => ({ name: mirror.name, object: this.#mirrorObject(mirror, endpoints) }))
    const keys = new Set(wanted.map(({ object }) => mirrorKey(object)))
    // A session may pass from one name to another.
    for (const { key } of this.#mirrors.values()) if (!keys.has(key)) this.#fib.mirrors.drop(key)
    this.#mirrors.clear()
    for (const { name, object } of wanted) this.#mirrors.set(name, { key: mirrorKey(object), id: this.#fib.mirrors.want(object) })
  }

  #mirrorObject(
    { vrf, endpoints: selected, direction = 'both', collector, session, snapLength }: MirrorIntent,
    all: readonly EndpointState[],
  ): Omit<MirrorObject, 'id'> {
    const local = this.#localAddresses.find(({ family }) => family === collector.family) as IpAddress
    const ports = all
      .filter((endpoint) => endpoint.vrf.name === vrf && isSelected(endpoint, selected))
      .map(({ port }): MirrorObject['ports'][number] => ({ port, direction }))
    return { ports, sink: { type: 'erspan', local, remote: collector, session }, ...(snapLength !== undefined && { snapLength }) }
  }

  #policiesOf(endpoint: EndpointState): readonly Omit<PolicyObject, 'id'>[] {
    const selecting = (this.#intents.policies ?? []).filter(
      ({ vrf, endpoints }) => vrf === endpoint.vrf.name && isSelected(endpoint, endpoints),
    )
    return DIRECTIONS.flatMap((direction) => {
      const intent = selecting.find((policy) => policy[direction] !== undefined)?.[direction]
      return intent === undefined ? [] : [{ port: endpoint.port, direction, ...this.#rulesOf(intent) }]
    })
  }

  #rulesOf({ rules, defaultVerdict }: DirectionIntent): Pick<PolicyObject, 'rules' | 'defaultVerdict'> {
    return {
      defaultVerdict,
      rules: rules.map(({ mirror, ...rule }) => {
        const id = mirror === undefined ? undefined : this.#mirrors.get(mirror)?.id
        return id === undefined ? rule : { ...rule, mirror: id }
      }),
    }
  }
}

function isSelected({ intent }: EndpointState, prefixes: readonly IpPrefix[] | undefined): boolean {
  return prefixes === undefined || prefixes.some((prefix) => intent.addresses.some((address) => prefix.contains(address)))
}

/** What tells a backend from the others of its service. */
export type BackendName = Pick<ServiceBackend, 'address' | 'port'>

function backendKey(service: string, { address, port }: BackendName): string {
  return `${service} ${address} ${port}`
}

function destinationsOf({ destinations, address }: NatIntent): readonly IpPrefix[] {
  return destinations ?? [IpPrefix.parse(address.family === 4 ? '0.0.0.0/0' : '::/0')]
}

function idOf(vrfs: Vrfs, name: string): number {
  return (vrfs.get(name) as VrfState).id
}
