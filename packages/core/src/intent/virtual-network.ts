import { RouteDistinguisher, type IpAddress, type IpPrefix, type RouteTarget } from '@heddle/wire'
import { IntentError, type IntentProblem, type StaticRouteIntent, type VrfIntent } from './intents.js'

/**
 * A virtual network as an operator wants it, the same on every node. On each node it is one VRF, so that its endpoints on one node always reach each
 * other; who reaches whom between nodes is its topology.
 */
export interface VirtualNetworkIntent {
  /** Unique in the overlay; its VRFs are named after it. */
  readonly name: string
  /** Unique in the overlay, 1–65,535: the number in its route distinguishers. */
  readonly id: number
  readonly topology: VirtualNetworkTopology
  /**
   * Extranet: other networks whose endpoints reach those of this one, and the other way round. Said by either of the two, and not transitive: two
   * networks that reach a shared service do not reach each other.
   */
  readonly reaches?: readonly string[]
  /** Routes with any of these come in as well: from what is no virtual network of ours, such as a data centre. */
  readonly import?: readonly RouteTarget[]
  /** Local routes go out with all of these as well. */
  readonly export?: readonly RouteTarget[]
  readonly staticRoutes?: readonly StaticRouteIntent[]
  /** Underlay prefixes that may send into it besides the next hops of its routes. */
  readonly tunnelSources?: readonly IpPrefix[]
}

/** Who reaches whom between the nodes of a virtual network. */
export type VirtualNetworkTopology =
  | {
      readonly type: 'any-to-any'
      /** Exported and imported by every node; of this network alone. */
      readonly target: RouteTarget
    }
  | {
      /** Spokes reach the hubs and not each other; hubs reach everyone (RFC 4364 §4.3.5). */
      readonly type: 'hub-and-spoke'
      /** Exported by hubs, imported by everyone. */
      readonly hub: RouteTarget
      /** Exported by spokes, imported by hubs. */
      readonly spoke: RouteTarget
      /** Router ids of the nodes that are hubs; every other node is a spoke. */
      readonly hubs: readonly IpAddress[]
    }

/** The node for which VRFs are made. */
export interface NodeIdentity {
  /** An IPv4 address that no other node has, such as its BGP identifier. */
  readonly routerId: IpAddress
}

/** What is wrong with a list of virtual networks; empty when nothing is. */
export function checkVirtualNetworks(networks: readonly VirtualNetworkIntent[]): readonly IntentProblem[] {
  const problems: IntentProblem[] = []
  const names = new Map<string, number>()
  const ids = new Map<number, string>()
  const targets = new Map<string, string>()
  for (const { name } of networks) names.set(name, (names.get(name) ?? 0) + 1)
  for (const { name, id, topology, reaches = [] } of networks) {
    const problem = (code: string, message: string): void => {
      problems.push({ code: `intent.virtual-network.${code}`, subject: `virtual network ${name}`, message })
    }
    if (name === '') problem('name', 'a virtual network needs a name')
    if ((names.get(name) ?? 0) > 1) problem('duplicate-name', 'the name is used twice')
    if (!Number.isInteger(id) || id < 1 || id > 0xffff) problem('id', `its id is ${id} and not 1–65535`)
    const other = ids.get(id)
    if (other !== undefined) problem('duplicate-id', `id ${id} is that of virtual network ${other}`)
    ids.set(id, name)
    for (const target of ownTargets(topology)) {
      const owner = targets.get(String(target))
      if (owner === name) problem('topology', `hubs and spokes share route target ${target}`)
      else if (owner !== undefined) problem('duplicate-target', `route target ${target} is that of virtual network ${owner}`)
      targets.set(String(target), name)
    }
    if (topology.type === 'hub-and-spoke' && topology.hubs.length === 0) problem('topology', 'no node is a hub')
    for (const reached of reaches) {
      if (reached === name) problem('reaches', 'it reaches itself in any case')
      else if (!names.has(reached)) problem('reaches', `there is no virtual network ${reached}`)
    }
  }
  return problems
}

/** The VRFs of a node for virtual networks. Pass all networks of the overlay, or those that others reach are missing. @throws IntentError */
export function vrfsOf(networks: readonly VirtualNetworkIntent[], node: NodeIdentity): readonly VrfIntent[] {
  const problems = checkVirtualNetworks(networks)
  if (problems.length > 0) throw new IntentError(problems)
  return networks.map((network) => vrfOf(network, node, networks))
}

/**
 * The VRF of a node for one virtual network.
 *
 * @param networks all of the overlay, free of problems
 */
export function vrfOf(network: VirtualNetworkIntent, { routerId }: NodeIdentity, networks: readonly VirtualNetworkIntent[]): VrfIntent {
  const { name, id, topology, staticRoutes, tunnelSources, reaches = [] } = network
  const extranet = networks.filter((other) => reaches.includes(other.name) || other.reaches?.includes(name) === true)
  const role = roleOf(topology, routerId)
  return {
    name,
    rd: RouteDistinguisher.of(1, routerId.w0, id),
    import: distinct([...role.import, ...extranet.flatMap((other) => ownTargets(other.topology)), ...(network.import ?? [])]),
    export: distinct([role.export, ...(network.export ?? [])]),
    ...(staticRoutes !== undefined && { staticRoutes }),
    ...(tunnelSources !== undefined && { tunnelSources }),
  }
}

/** Everything that a network's own VRFs export. */
function ownTargets(topology: VirtualNetworkTopology): readonly RouteTarget[] {
  return topology.type === 'any-to-any' ? [topology.target] : [topology.hub, topology.spoke]
}

function roleOf(
  topology: VirtualNetworkTopology,
  routerId: IpAddress,
): { readonly import: readonly RouteTarget[]; readonly export: RouteTarget } {
  if (topology.type === 'any-to-any') return { import: [topology.target], export: topology.target }
  const { hub, spoke, hubs } = topology
  return hubs.some((address) => address.equals(routerId)) ? { import: [hub, spoke], export: hub } : { import: [hub], export: spoke }
}

function distinct(targets: readonly RouteTarget[]): readonly RouteTarget[] {
  return [...new Map(targets.map((target) => [String(target), target])).values()]
}
