import { ManualClock } from '@heddle/io/testing'
import type { IpAddress, IpPrefix } from '@heddle/wire'
import { OverlayModel, type DataplaneState, type EndpointIntent, type NextHopAction, type VrfIntent } from '../../src/index.js'
import { applyToState, emptyState } from '../../src/testing/index.js'
import { LIMITS } from './world.js'

/** A node: a model, and a dataplane that takes everything. */
export class FabricNode {
  readonly model: OverlayModel
  state: DataplaneState = emptyState()

  constructor(readonly address: IpAddress) {
    this.model = new OverlayModel({
      clock: new ManualClock(),
      localAddresses: [address],
      capabilities: { encapsulations: ['mpls-udp'], limits: LIMITS },
    })
  }

  attach(intent: EndpointIntent): void {
    this.model.addEndpoint(intent)
    this.model.setAttached(intent, true)
  }

  program(): void {
    for (let next = this.model.takeTransaction(); next !== undefined; next = this.model.takeTransaction()) {
      this.state = applyToState(this.state, next)
      this.model.programmed({ status: 'applied', generation: next.generation, failures: [] })
    }
  }

  /** Where a packet to `destination` goes that comes out of an endpoint of `vrf`. */
  lookup(vrf: string, destination: IpAddress): NextHopAction | undefined {
    const id = this.state.vrfs.find(({ name }) => name === vrf)?.id
    const { routes, groups, nextHops } = this.state
    const matches = Array.from({ length: routes.count }, (_, row) => row)
      .filter((row) => routes.vrf[row] === id && routes.prefixAt(row).contains(destination))
      .sort((a, b) => routes.length[b] - routes.length[a])
    const [best] = matches
    const [member] = groups.find((group) => best !== undefined && group.id === routes.group[best])?.members ?? []
    return nextHops.find((nextHop) => nextHop.id === member?.nextHop)?.action
  }

  /** Where a packet goes that comes from `source` with `label`; `undefined` when it is dropped. */
  receive(label: number, source: IpAddress, destination: IpAddress): NextHopAction | undefined {
    const entry = this.state.labels.find((object) => object.label === label)
    const from = this.state.tunnelSources.find(({ id }) => id === entry?.sources)?.prefixes ?? []
    if (entry === undefined || !from.some((prefix: IpPrefix) => prefix.contains(source))) return undefined
    const { action } = entry
    if (action.type === 'pop-forward') return { type: 'port', port: action.port }
    const vrf = action.type === 'pop-lookup' ? this.state.vrfs.find(({ id }) => id === action.vrf)?.name : undefined
    return vrf === undefined ? undefined : this.lookup(vrf, destination)
  }
}

/** Nodes that tell each other everything, as over a route reflector. */
export class Fabric {
  readonly nodes: readonly FabricNode[]

  constructor(addresses: readonly IpAddress[]) {
    this.nodes = addresses.map((address) => new FabricNode(address))
  }

  setVrfs(vrfsFor: (node: FabricNode) => readonly VrfIntent[]): void {
    for (const node of this.nodes) node.model.setVrfs(vrfsFor(node))
  }

  /** Programs and tells until nothing changes. */
  settle(): void {
    for (let again = true; again;) {
      again = false
      for (const node of this.nodes) {
        node.program()
        const changes = node.model
          .takeExports()
          .map((change) =>
            change.kind === 'announce'
              ? { ...change, route: { ...change.route, source: String(node.address) } }
              : { ...change, source: String(node.address) },
          )
        again ||= changes.length > 0
        for (const other of this.nodes) if (other !== node) other.model.applyRoutes(changes)
      }
    }
  }

  /** The endpoint's device that a packet from an endpoint of `vrf` on `node` comes out of, as `NODE NETNS`; `undefined` when it is dropped. */
  send(node: FabricNode, vrf: string, destination: IpAddress): string | undefined {
    let at = node
    let action = at.lookup(vrf, destination)
    for (let hops = 0; action?.type === 'tunnel' && hops < 4; hops++) {
      const { remote, labels } = action
      const next = this.nodes.find(({ address }) => address.equals(remote))
      if (next === undefined) return undefined
      action = next.receive(labels[0] ?? -1, at.address, destination)
      at = next
    }
    if (action?.type !== 'port') return undefined
    const { port } = action
    const endpoint = at.model.endpoints().find((row) => row.port === port)
    return endpoint === undefined ? undefined : `${at.address} ${endpoint.netns}`
  }
}
