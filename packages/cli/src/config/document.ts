import type { BgpSection } from './bgp-document.js'
import type { TrafficSections } from './traffic-document.js'

/**
 * The configuration file as a value: what YAML gives once the schema has accepted it. All text; `resolveNode` and `resolveSpeaker` turn it
 * into addresses, route distinguishers and the like.
 */
export interface NodeDocument extends TrafficSections {
  readonly node: NodeSection
  /** Control socket; default `/run/heddle/NAME.sock`. */
  readonly socket?: string
  readonly bgp: BgpSection
  readonly vrfs?: readonly VrfSection[]
  readonly endpoints?: readonly EndpointSection[]
  readonly dataplane?: DataplaneSection
  readonly cni?: CniSection
}

/** The configuration of `heddle speaker`: a node without VRFs, endpoints and dataplane. */
export type SpeakerDocument = Pick<NodeDocument, 'node' | 'socket' | 'bgp'>

/** Who the node is. */
export interface NodeSection {
  /** 1–63 letters, digits, `.`, `_` or `-`, the first a letter or digit. */
  readonly name: string
  /** The node's address in the underlay: end of its tunnels, source of its BGP connections. */
  readonly address: string
}

/** A VRF. Route distinguisher and targets are written `ASN:NUMBER` or `IPV4:NUMBER`. Without `import` nothing gets in, without `export` nothing out. */
export interface VrfSection {
  readonly name: string
  readonly rd: string
  readonly import?: readonly string[]
  readonly export?: readonly string[]
  /** 1–16,777,215, the same on every node: the VRF speaks VXLAN, too, and tells its routes by EVPN beside VPNv4 and VPNv6. */
  readonly vni?: number
  readonly staticRoutes?: readonly StaticRouteSection[]
  /** Underlay prefixes that may send into the VRF besides the next hops of its routes. */
  readonly tunnelSources?: readonly string[]
}

/** A route of a VRF that leads to an endpoint of this node, or to nothing. */
export interface StaticRouteSection {
  readonly prefix: string
  /** Address of an endpoint of the VRF on this node, or `discard`. */
  readonly via: string
}

/** An endpoint that shall be attached as long as it stands in the file. */
export interface EndpointSection {
  readonly vrf: string
  /** Absolute path of the network namespace. */
  readonly netns: string
  /** Device name inside it, 1–15 characters. */
  readonly ifname: string
  /** At least one, IPv4 or IPv6; each becomes a host route of the VRF. */
  readonly addresses: readonly string[]
  /** What the namespace sends to the device; default everything. A device in the node's own namespace needs it. */
  readonly routes?: readonly string[]
  /** `ethernet`: a device of Ethernet frames, on which the router answers for every neighbour; needs a dataplane with that feature. Default `ip`. */
  readonly link?: 'ip' | 'ethernet'
  /** Addresses at which the router answers the endpoint, at most one a family; default none. */
  readonly gateways?: readonly string[]
  /** How fast the endpoint may send (`egress`) and get (`ingress`); default as fast as it can. */
  readonly rateLimits?: { readonly egress?: RateLimitSection; readonly ingress?: RateLimitSection }
}

/** A limit of IP packets; what is faster is dropped. */
export interface RateLimitSection {
  readonly bitsPerSecond: number
  /** At once after silence; default what a tenth of a second brings, at least 262,144. */
  readonly burstOctets?: number
}

/** What forwards packets. Without this section: TUN, in a process of its own. */
export interface DataplaneSection {
  /** `memory` forwards between endpoints of this process only; `ebpf` in the kernel, Linux 6.1 and newer. */
  readonly kind: 'memory' | 'tun' | 'ebpf'
  /** For `ebpf`: link that the underlay is on; default the way to the neighbours, else the link of the node's address. */
  readonly uplink?: string
  /** For `ebpf`: whether packets go from tunnel to tunnel by XDP, wherever the driver can and leaves tags of VLANs in frames, or never; default where labels are swapped and it does no harm. */
  readonly xdp?: 'native' | 'off'
  /** For `ebpf`: what devices new endpoints get; default `netkit` where the kernel has it (Linux 6.7), else `veth`. Devices that are there stay what they are. */
  readonly devices?: 'veth' | 'netkit'
  /** For `ebpf`: what tunnels are sent and taken; default all that the dataplane has. What is left out is left to the host. */
  readonly encapsulations?: readonly ('mpls-udp' | 'mpls-udp-joint' | 'mpls-gre' | 'vxlan')[]
  /** For `ebpf`: features of the kernel to do without although it may have them, as `heddle show dataplane` names them; default none. */
  readonly without?: readonly (
    | 'tcx'
    | 'clsact'
    | 'netkit'
    | 'redirect-peer'
    | 'decap-l3'
    | 'kernel-packet'
    | 'xdp'
    | 'vxlan'
    | 'vxlan-gpe'
  )[]
  /** For `ebpf`: most routes, 1–4,194,304; default 262,144. This and the other sizes are of new tables: those that a restarted node takes over stay as they are. */
  readonly routes?: number
  /** For `ebpf`: memory of the FIB in KiB, 1,024–4,194,304; default a quarter of `routes`, at least 65,536. */
  readonly fibBlocks?: number
  /** For `ebpf`: most flows that policies remember, and that services and pools do, 1,024–4,194,304; default 65,536. */
  readonly flows?: number
  /** Most flows that policies remember of an endpoint, 1–4,194,304; default half of what the dataplane remembers of all. */
  readonly endpointFlows?: number
  /** For `ebpf`: most endpoints, 1–4,194,304; default 16,384. */
  readonly ports?: number
  /**
   * For `ebpf`: directory for what outlives the agent, an absolute path; default beside the control socket. Unless it lies on a BPF file system, one is mounted
   * there.
   */
  readonly pinDirectory?: string
  /** Keep the forwarder inside the agent's process; then nothing forwards while the agent is away. Default false. */
  readonly inProcess?: boolean
  /** Largest packet of the underlay in octets, 1,280–65,535; default what the underlay's device says, or 1,500. */
  readonly underlayMtu?: number
}

/** The plugin of container runtimes. Without this section there is none. */
export interface CniSection {
  /** Where its executable finds it; default `/run/heddle/cni.sock`. */
  readonly socket?: string
  /** File that keeps what is attached; default `/var/lib/heddle/NAME.cni`. */
  readonly store?: string
  /** Key of the pod annotation that names a network; without it no annotation does. */
  readonly annotation?: string
  /** Seconds for which an address that was given back is not given to another pod, 0–86,400; default 60. */
  readonly quarantine?: number
  /** Absolute path of a folder that all nodes share, in which they write down whose blocks of pools are whose; needed where a block has no `indices`. */
  readonly blocks?: string
  /** Where the addresses come from that endpoints have on the node, a prefix a family; default 100.64.0.0/10 and fd68:6564:646c:6500::/64. */
  readonly nodeAddresses?: readonly string[]
  /** Serves `cni_*` to Prometheus; not served when left out. */
  readonly metrics?: CniMetricsSection
  readonly networks: readonly CniNetworkSection[]
}

/** Where metrics are served over HTTP. */
export interface CniMetricsSection {
  /** Default 127.0.0.1. */
  readonly address?: string
  readonly port: number
}

/** A virtual network that pods can be attached to. */
export interface CniNetworkSection {
  readonly name: string
  /** One of `vrfs`; default that of the network's name. */
  readonly vrf?: string
  /** Kubernetes namespaces whose pods are in it, where no annotation names another network. */
  readonly namespaces?: readonly string[]
  /** Where its addresses come from; none where every configuration delegates that. */
  readonly pools?: readonly CniPoolSection[]
  /** What the devices of its pods carry, where a pod's configuration does not say `link` itself; default `ip`. */
  readonly link?: 'ip' | 'ethernet'
  /** Addresses of name servers that pods are told of. */
  readonly nameservers?: readonly string[]
  /** Whether its endpoints can be reached from the node itself, though other networks have their addresses too; default false. */
  readonly nodeAddress?: boolean
  /** What runtimes are told of as a pod's address; `node-address` implies `nodeAddress`. Default `address`. */
  readonly report?: 'address' | 'node-address'
}

/** Addresses that this node gives out. */
export interface CniPoolSection {
  readonly prefix: string
  readonly first?: string
  readonly last?: string
  readonly gateway?: string
  readonly exclude?: readonly string[]
  /** The blocks of `prefix` that are this node's: of `length` bits, counted from 0; claimed from `cni.blocks` without `indices`. */
  readonly block?: { readonly length: number; readonly indices?: readonly number[] }
}
