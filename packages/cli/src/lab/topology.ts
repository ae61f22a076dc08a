/**
 * The main job in the small: a VRF stretched between a cloud site and a data centre. Both VRFs have pods with the same addresses, and `blue` has
 * one more than `red`, so that isolation is proven and not assumed.
 *
 *          red-a  blue-a      red-b  blue-b
 *            │      │           │      │
 *         ┌──┴──────┴──┐     ┌──┴──────┴──┐
 *         │  cloud-a   │     │  cloud-b   │         cloud
 *         └─────┬──────┘     └──────┬─────┘
 *               └───────┐   ┌───────┘
 *                     ┌─┴───┴─┐
 *                     │provider│                   plain IP: knows node addresses, and no tenant's
 *                     └─┬───┬─┘
 *               ┌───────┘   └───────┐
 *         ┌─────┴──────┐     ┌──────┴─────┐
 *         │   dc-c     │     │     gw     │         data centre
 *         └──┬──────┬──┘     └────────────┘
 *            │      │        BGP route reflector,
 *          red-c  blue-c,    originates one VPN prefix a family
 *                 blue-x
 */
export interface LabNode {
  readonly name: string
  /** In the underlay; the tunnel end and BGP identifier. */
  readonly address: string
  /** The provider's end of the link. */
  readonly providerAddress: string
  /** Routes of a node whose sessions keep forwarding state over a restart (RFC 4724). */
  readonly gracefulRestart: boolean
}

export interface LabPod {
  /** What the pod answers when asked. */
  readonly name: string
  readonly node: string
  readonly vrf: string
  readonly addresses: readonly string[]
}

export interface LabVrf {
  readonly name: string
  readonly routeTarget: string
  /** Assigned number of the VRF's route distinguisher on each node. */
  readonly number: number
}

/** What `gw` originates. */
export interface LabExternalRoute {
  readonly vrf: string
  readonly prefix: string
  readonly label: number
}

export interface LabTopology {
  readonly as: number
  readonly nodes: readonly LabNode[]
  readonly gateway: LabNode
  /** Name of the namespace that joins the sites. */
  readonly provider: string
  readonly vrfs: readonly LabVrf[]
  readonly pods: readonly LabPod[]
  /** Attached while the lab runs, to see how fast the others learn of it. */
  readonly latePod: LabPod
  readonly external: readonly LabExternalRoute[]
  /** Seconds. */
  readonly holdTime: number
  /** The node that is killed. */
  readonly victim: string
}

/** Device name in every pod. */
export const POD_IFNAME = 'eth0'

export const TOPOLOGY: LabTopology = {
  as: 65_000,
  holdTime: 9,
  nodes: [
    { name: 'cloud-a', address: '10.255.1.2', providerAddress: '10.255.1.1', gracefulRestart: true },
    { name: 'cloud-b', address: '10.255.2.2', providerAddress: '10.255.2.1', gracefulRestart: true },
    { name: 'dc-c', address: '10.255.3.2', providerAddress: '10.255.3.1', gracefulRestart: false },
  ],
  provider: 'provider',
  gateway: { name: 'gw', address: '10.255.4.2', providerAddress: '10.255.4.1', gracefulRestart: true },
  vrfs: [
    { name: 'red', routeTarget: '65000:1', number: 1 },
    { name: 'blue', routeTarget: '65000:2', number: 2 },
  ],
  pods: [
    { name: 'red-a', node: 'cloud-a', vrf: 'red', addresses: ['10.1.0.1', 'fd00:1::1'] },
    { name: 'red-b', node: 'cloud-b', vrf: 'red', addresses: ['10.1.0.2', 'fd00:1::2'] },
    { name: 'red-c', node: 'dc-c', vrf: 'red', addresses: ['10.1.0.3', 'fd00:1::3'] },
    { name: 'blue-a', node: 'cloud-a', vrf: 'blue', addresses: ['10.1.0.1', 'fd00:1::1'] },
    { name: 'blue-b', node: 'cloud-b', vrf: 'blue', addresses: ['10.1.0.2', 'fd00:1::2'] },
    { name: 'blue-c', node: 'dc-c', vrf: 'blue', addresses: ['10.1.0.3', 'fd00:1::3'] },
    { name: 'blue-x', node: 'dc-c', vrf: 'blue', addresses: ['10.1.0.4', 'fd00:1::4'] },
  ],
  latePod: { name: 'red-late', node: 'cloud-b', vrf: 'red', addresses: ['10.1.0.9', 'fd00:1::9'] },
  external: [
    { vrf: 'red', prefix: '203.0.113.0/24', label: 1001 },
    { vrf: 'red', prefix: '2001:db8:203::/48', label: 1002 },
  ],
  victim: 'dc-c',
}

/** The address that `blue` has and `red` lacks. */
export const ONLY_BLUE = '10.1.0.4'

/** The route distinguisher of a VRF on a node. */
export function labRd(node: LabNode, vrf: LabVrf): string {
  return `${node.address}:${vrf.number}`
}

/** `ADDRESS/32` or `/128`. */
export function hostPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`
}

/** Every address that a pod has or will have, each once. */
export function tenantAddresses({ pods, latePod }: LabTopology): readonly string[] {
  return [...new Set([...pods, latePod].flatMap(({ addresses }) => addresses))]
}

/** The same topology under other names, so that two labs can run on one machine. */
export function renamed(topology: LabTopology, prefix: string): LabTopology {
  const node = (value: LabNode): LabNode => ({ ...value, name: prefix + value.name })
  const pod = (value: LabPod): LabPod => ({ ...value, name: prefix + value.name, node: prefix + value.node })
  return {
    ...topology,
    provider: prefix + topology.provider,
    nodes: topology.nodes.map(node),
    gateway: node(topology.gateway),
    pods: topology.pods.map(pod),
    latePod: pod(topology.latePod),
    victim: prefix + topology.victim,
  }
}
