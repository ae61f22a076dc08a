import type { NodeDocument } from '../config/document.js'
import { labRd, POD_IFNAME, type LabNode, type LabPod, type LabTopology } from './topology.js'

export interface NodeDocumentOptions {
  /** Path of a pod's namespace. */
  readonly netns: (pod: LabPod) => string
  /** Overrides what the topology says of the node. */
  readonly gracefulRestart?: boolean
}

/** The configuration of a node of the topology, but for its dataplane. */
export function nodeDocument(topology: LabTopology, node: LabNode, { netns, gracefulRestart }: NodeDocumentOptions): NodeDocument {
  const { as, gateway, vrfs, pods, holdTime } = topology
  return {
    node: { name: node.name, address: node.address },
    bgp: {
      as,
      routerId: node.address,
      holdTime,
      neighbors: [
        {
          address: gateway.address,
          as,
          families: ['vpnv4-unicast', 'vpnv6-unicast'],
          gracefulRestart: gracefulRestart ?? node.gracefulRestart,
        },
      ],
    },
    vrfs: vrfs.map((vrf) => ({ name: vrf.name, rd: labRd(node, vrf), import: [vrf.routeTarget], export: [vrf.routeTarget] })),
    endpoints: pods
      .filter((pod) => pod.node === node.name)
      .map((pod) => ({ vrf: pod.vrf, netns: netns(pod), ifname: POD_IFNAME, addresses: pod.addresses })),
  }
}
