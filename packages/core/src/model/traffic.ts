import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { MirrorObject } from '../dataplane/mirror.js'
import type { PolicyObject } from '../dataplane/policy.js'
import type { ServiceObject } from '../dataplane/service.js'
import { mirrorKey, type FibCompiler } from '../fib/fib-compiler.js'
import type { StaticRouteIntent } from '../intent/intents.js'
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
    this.#fib.services.wantAll(services.map((service) => serviceObject(service, idOf(vrfs, service.vrf))))
    this.#fib.natPools.wantAll(
      nat.map(({ vrf, outside, address, ports }) => ({ vrf: idOf(vrfs, vrf), outside: idOf(vrfs, outside), address, ports })),
    )
    const all = [...endpoints]
    this.#setMirrors(all)
    this.#fib.policies.wantAll(all.flatMap((endpoint) => this.#policiesOf(endpoint)))
  }

  /** An endpoint came. */
  addEndpoint(endpoint: EndpointState, endpoints: Endpoints): void {
    for (const policy of this.#policiesOf(endpoint)) this.#fib.policies.want(policy)
    if (this.#intents.mirrors?.some(({ vrf }) => vrf === endpoint.vrf.name) === true) this.#setMirrors([...endpoints])
  }

  /** An endpoint is gone from the list. */
  removeEndpoint({ port, vrf }: EndpointState, endpoints: Endpoints): void {
    for (const direction of DIRECTIONS) this.#fib.policies.drop(`${port} ${direction}`)
    if (this.#intents.mirrors?.some((mirror) => mirror.vrf === vrf.name) === true) this.#setMirrors([...endpoints])
  }

  /** Routes of a VRF that follow from the intents: to virtual addresses and pools, and from a hidden VRF outside. */
  routesOf(vrf: string): readonly StaticRouteIntent[] {
    const { services = [], nat = [] } = this.#intents
    const hosts = [
      ...services.filter((service) => service.vrf === vrf && service.advertise !== false),
      ...nat.filter(({ outside }) => outside === vrf),
    ]
    const outwards = nat
      .filter((one) => one.vrf === vrf)
      .flatMap((one) => destinationsOf(one).map((prefix): StaticRouteIntent => ({ prefix, via: { type: 'vrf', vrf: one.outside } })))
    return [...hosts.map(({ address }): StaticRouteIntent => ({ prefix: IpPrefix.of(address), via: { type: 'discard' } })), ...outwards]
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

function serviceObject({ name: _name, advertise: _advertise, ...service }: ServiceIntent, vrf: number): Omit<ServiceObject, 'id'> {
  // Equal on all nodes, so that they choose alike.
  return { ...service, vrf, seed: 0 }
}

function destinationsOf({ destinations, address }: NatIntent): readonly IpPrefix[] {
  return destinations ?? [IpPrefix.parse(address.family === 4 ? '0.0.0.0/0' : '::/0')]
}

function idOf(vrfs: Vrfs, name: string): number {
  return (vrfs.get(name) as VrfState).id
}
