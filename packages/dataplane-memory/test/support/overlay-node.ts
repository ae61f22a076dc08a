import {
  OverlayModel,
  RouteBatch,
  type EndpointIntent,
  type FibTransaction,
  type TrafficIntents,
  type VpnRoute,
  type VpnRouteChange,
  type VrfIntent,
} from '@heddle/core'
import { probePacket } from '@heddle/forwarding'
import type { ManualClock } from '@heddle/io/testing'
import type { IpAddress } from '@heddle/wire'
import { memoryDataplane, type MemoryDataplane, type MemoryUnderlay } from '../../src/index.js'

/** A packet that came out of a device. */
export interface Arrival {
  readonly node: OverlayNode
  readonly endpoint: EndpointIntent
}

/** How a dataplane takes a transaction. */
export type Outcome = 'applied' | 'refused' | 'partly'

/** A node: a model over a dataplane, which can die while the dataplane goes on. */
export class OverlayNode {
  readonly dataplane: MemoryDataplane
  /** The intents that packets may still go by: those of now, and those before them that may not have reached everyone. */
  readonly recent = new Set<readonly VrfIntent[]>([[]])
  vrfs: readonly VrfIntent[] = []
  /** As `recent`, of what is done with traffic. */
  readonly recentTraffic = new Set<TrafficIntents>([{}])
  traffic: TrafficIntents = {}
  readonly endpoints = new Map<string, EndpointIntent>()
  /** What the others were told, by RD and prefix. */
  readonly told = new Map<string, VpnRoute>()
  /** Who is behind each port that has a device. */
  readonly devices = new Map<number, EndpointIntent>()
  model: OverlayModel

  constructor(
    readonly address: IpAddress,
    underlay: MemoryUnderlay,
    private readonly clock: ManualClock,
    private readonly arrived: (arrival: Arrival) => void,
    private readonly quarantine: number,
  ) {
    this.dataplane = memoryDataplane({ underlay, addresses: [address], limits: { flows: 256 } })
    this.model = this.#newModel()
  }

  setVrfs(vrfs: readonly VrfIntent[]): void {
    try {
      this.model.setVrfs(vrfs)
    } catch {
      return // refused whole: endpoints are attached to a VRF that would go
    }
    this.vrfs = vrfs
    this.recent.add(vrfs)
  }

  setTraffic(traffic: TrafficIntents): void {
    try {
      this.model.setIntents(this.vrfs, traffic)
    } catch {
      return // it is about a VRF that is not there
    }
    this.traffic = traffic
    this.recentTraffic.add(traffic)
  }

  attach(endpoint: EndpointIntent): void {
    try {
      this.model.addEndpoint(endpoint)
    } catch {
      return
    }
    this.endpoints.set(endpoint.netns, endpoint)
  }

  detach(endpoint: EndpointIntent): void {
    this.model.removeEndpoint(endpoint)
    this.endpoints.delete(endpoint.netns)
  }

  /** Lets the dataplane take the next transaction, with its faults; returns what the others are to be told. */
  async apply(outcome: Outcome): Promise<readonly VpnRouteChange[]> {
    const transaction = this.model.takeTransaction()
    if (transaction !== undefined) await this.#program(transaction, outcome)
    const { devices, ports } = await this.dataplane.dump()
    for (const port of this.devices.keys()) if (!ports.some(({ id }) => id === port)) this.devices.delete(port)
    for (const row of this.model.endpoints()) {
      if (!ports.some(({ id }) => id === row.port)) continue
      if (!devices.some(({ port, addresses }) => port === row.port && addresses.join() === row.addresses.join()))
        await this.#attachDevice(row.port, row)
      this.model.setAttached(row, true)
    }
    return this.#tell(this.model.takeExports())
  }

  /** The process dies and another one takes over the dataplane, hears everything again from `told`, and tells what changed meanwhile. */
  async restart(told: readonly VpnRoute[]): Promise<readonly VpnRouteChange[]> {
    this.model = this.#newModel()
    this.model.adopt(await this.dataplane.dump())
    this.model.setIntents(this.vrfs, this.traffic)
    for (const endpoint of this.endpoints.values()) this.model.addEndpoint(endpoint)
    this.model.applyRoutes(told.map((route) => ({ kind: 'announce', route })))
    this.model.endAdoption()
    const before = new Map(this.told)
    const changes = [...(await this.apply('applied')), ...(await this.apply('applied'))]
    const again = new Set(changes.flatMap((change) => (change.kind === 'announce' ? [keyOf(change.route)] : [])))
    const gone = [...before].filter(([key]) => !again.has(key)).map(([, route]) => route)
    for (const route of gone) this.told.delete(keyOf(route))
    return [...changes, ...gone.map((route) => ({ kind: 'withdraw' as const, ...route }))]
  }

  /** Sends from every device to `destination`. */
  async send(destination: IpAddress, destinationPort: number, sending: (from: EndpointIntent) => void): Promise<void> {
    for (const [port, endpoint] of this.devices) {
      const [source] = endpoint.addresses
      if (source === undefined || !(await this.dataplane.dump()).devices.some((device) => device.port === port)) continue
      sending(endpoint)
      this.dataplane.endpoint(port).send(probePacket({ source, destination, sourcePort: 40_000, destinationPort }))
    }
  }

  async #program(transaction: FibTransaction, outcome: Outcome): Promise<void> {
    const { generation } = transaction
    if (outcome === 'refused') {
      const failures = [{ object: { kind: 'route' as const, key: 'all' }, code: 'test', message: 'refused' }]
      this.model.programmed({ status: 'refused', generation, failures })
      return
    }
    // A refused route keeps its old state; only new ones can be without, since a removal's objects go with it.
    const known = new Set(routeNames((await this.dataplane.dump()).routes))
    const refused = outcome === 'partly' ? routeNames(transaction.routes).find((name) => !known.has(name)) : undefined
    const routes = new RouteBatch()
    for (const [row, name] of routeNames(transaction.routes).entries())
      if (name !== refused) routes.push(transaction.routes.vrf[row], transaction.routes.prefixAt(row), transaction.routes.group[row])
    const report = await this.dataplane.apply({ ...transaction, routes })
    if (report.status !== 'applied') throw new TypeError(`the dataplane refuses: ${JSON.stringify(report.failures)}`)
    const failures = refused === undefined ? [] : [{ object: { kind: 'route' as const, key: refused }, code: 'test', message: 'not taken' }]
    this.model.programmed({ ...report, failures })
  }

  async #attachDevice(port: number, endpoint: EndpointIntent): Promise<void> {
    const { netns, ifname, addresses, mtu } = endpoint
    await this.dataplane.attachPort(port, { netns, ifname, addresses, mtu })
    this.devices.set(port, endpoint)
    this.dataplane.endpoint(port).onPacket(() => this.arrived({ node: this, endpoint }))
  }

  #tell(changes: readonly VpnRouteChange[]): readonly VpnRouteChange[] {
    const source = String(this.address)
    return changes.map((change) => {
      if (change.kind === 'withdraw') {
        this.told.delete(keyOf(change))
        return { ...change, source }
      }
      const route = { ...change.route, source }
      this.told.set(keyOf(route), route)
      return { kind: 'announce', route }
    })
  }

  #newModel(): OverlayModel {
    const { encapsulations, limits, features } = this.dataplane.capabilities
    return new OverlayModel({
      clock: this.clock,
      localAddresses: [this.address],
      capabilities: { encapsulations, limits, ...(features && { features }) },
      labels: { quarantine: this.quarantine },
    })
  }
}

function keyOf({ rd, prefix }: Pick<VpnRoute, 'rd' | 'prefix'>): string {
  return `${rd} ${prefix}`
}

function routeNames(routes: RouteBatch): readonly string[] {
  return Array.from({ length: routes.count }, (_, row) => `${routes.vrf[row]} ${routes.prefixAt(row)}`)
}
