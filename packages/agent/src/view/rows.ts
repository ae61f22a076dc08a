/*
 * What an agent shows of itself, as plain data: what `heddle show --json` prints and a library's consumer reads. Addresses, prefixes, route
 * distinguishers and targets are texts; what is not there is null.
 */
import type { RateLimit } from '@heddle/core'

/** A BGP session. */
export interface NeighborRow {
  readonly address: string
  readonly as: number
  /** State of the session's state machine (RFC 4271 §8.2.2): `idle`, `connect`, `active`, `open-sent`, `open-confirm`, `established`. */
  readonly state: string
  /** The peer's BGP identifier, once it has told it. */
  readonly routerId: string | null
  /** Families that both sides speak while the session is established, else those of the configuration. */
  readonly families: readonly string[]
  /** Seconds, as negotiated or configured. */
  readonly holdTime: number
  /** Seconds since the session was established; null while it is not. */
  readonly uptime: number | null
  /** Routes held from this peer. */
  readonly received: number
  /** Those among them that are kept over a restart of the peer. */
  readonly stale: number
  /** Whether both sides keep routes over a restart (RFC 4724). */
  readonly gracefulRestart: boolean
  /** Destinations that this peer was told. */
  readonly sent: number
  /** Why the last session or attempt ended. */
  readonly lastError: string | null
  /** As configured. */
  readonly description: string | null
}

/** A routing instance. */
export interface VrfRow {
  readonly name: string
  readonly rd: string
  readonly import: readonly string[]
  readonly export: readonly string[]
  readonly endpoints: number
  readonly routes: number
  /** Null without one. */
  readonly vni: number | null
  /** This node in the virtual network of the VNI; null also while the VNI rests, which was another VRF's until just now. */
  readonly routerMac: string | null
}

/** A route of a VRF, own ones and those that are not used included. */
export interface RouteRow {
  readonly vrf: string
  readonly prefix: string
  readonly rd: string
  readonly routeTargets: readonly string[]
  /** Of MPLS, or the VNI where `encapsulation` is `vxlan`. */
  readonly label: number | null
  /** The tunnel's far end; null for an endpoint of this node. */
  readonly nextHop: string | null
  /** What packets go by; of a speaker without VRFs, which sends none, the first that the far end tells. Null for an endpoint of this node. */
  readonly encapsulation: string | null
  /** The BGP peer it came from, or `local`. */
  readonly peer: string
  /** Whether packets would take it, alone or with others of equal cost. */
  readonly best: boolean
  /** Whether the dataplane has it. */
  readonly installed: boolean
  /** Kept over a restart of its peer. */
  readonly stale: boolean
}

/** An entry of the incoming label map. */
export interface LabelRow {
  readonly label: number
  /** `pop-forward` to an endpoint, `pop-lookup` in a VRF, `swap`. */
  readonly action: string
  readonly vrf: string | null
  /** `IFNAME in NETNS`. */
  readonly endpoint: string | null
  /** Tunnel sources it is accepted from. */
  readonly sources: readonly string[]
}

/** A path that is watched by BFD. */
export interface BfdRow {
  readonly local: string
  readonly remote: string
  /** `single`: the far end is on the link (RFC 5881); `multiple`: RFC 5883. */
  readonly hops: string
  /** `up`, `down`, `admin-down` when the far end ended its session or nobody keeps ours, as the reason says, `unknown` while nothing was heard. */
  readonly state: string
  /** Seconds in that state; null when it was so before this process, or is not known. */
  readonly since: number | null
  /** Why it came to the state. */
  readonly reason: string | null
  /** Milliseconds between packets that this end would like to send at least. */
  readonly interval: number
  /** Milliseconds without a packet after which it is down: as agreed on where that is known, else what this end asks for. */
  readonly detection: number
  /** For whom: `bgp`, `tunnels`. */
  readonly users: readonly string[]
}

/** A tunnel that next hops use. */
export interface TunnelRow {
  readonly local: string
  readonly remote: string
  readonly encapsulation: string
  /** Next hops (labels) in it. */
  readonly nextHops: number
  /** Routes that lead through it. */
  readonly routes: number
  /** Octets of the largest packet that the path takes, outer headers included, where that is less than the underlay's links do. */
  readonly pathMtu: number | null
  /** Link that the host itself sends by to the far end, where that is another one than tunnels go by: BGP may be up there, and the tunnel not. */
  readonly hostLink: string | null
}

/** Packets dropped for one reason. */
export interface DropRow {
  readonly reason: string
  readonly packets: number
}

/** An endpoint of this node. */
export interface EndpointRow {
  readonly vrf: string
  readonly netns: string
  readonly ifname: string
  readonly addresses: readonly string[]
  readonly link: 'ip' | 'ethernet'
  /** Of the device, where it has one. */
  readonly mac: string | null
  /** How fast it may send and get; null: as fast as it can. */
  readonly rateLimits: { readonly egress: RateLimit | null; readonly ingress: RateLimit | null }
  readonly label: number
  readonly mtu: number
  readonly state: 'pending' | 'attached' | 'failed'
  readonly error: string | null
}

/** A backend of a virtual address. */
export interface ServiceRow {
  readonly service: string
  readonly vrf: string
  readonly address: string
  readonly protocol: string
  readonly port: number
  /** `ADDRESS:PORT`. */
  readonly backend: string
  readonly weight: number
  /** `ready`: it gets new flows; `draining`: as configured, `down`: as found, it keeps those that it has. */
  readonly state: 'ready' | 'draining' | 'down'
  /** How its health is asked for, by whichever node it is on; null: it is not. */
  readonly check: 'tcp' | 'http' | null
  /** Whether it is this node that asks. */
  readonly asked: boolean
  /** Seconds since it came to be up or down; null where its health is not asked for. */
  readonly since: number | null
  /** Why the last question had no good answer. */
  readonly reason: string | null
}

/** What the dataplane is and holds. */
export interface DataplaneRow {
  readonly kind: string
  readonly encapsulations: readonly string[]
  /** Generation of the last transaction that was applied. */
  readonly generation: number
  readonly vrfs: number
  readonly ports: number
  readonly nextHops: number
  readonly groups: number
  readonly labels: number
  readonly routes: number
  readonly devices: number
  /** What it offers beyond the tables. */
  readonly features: readonly string[]
  /** How full its tables are; without a capacity there is no limit but memory. */
  readonly tables: readonly { readonly name: string; readonly used: number; readonly capacity: number | null }[]
  /** What it does in one of several ways, and why in this one. */
  readonly choices: readonly { readonly what: string; readonly chosen: string; readonly because: string }[]
  /** Objects that could not be programmed and are being retried. */
  readonly failures: readonly string[]
}

/** Something that a dataplane has in the kernel, or that shares a link with it. */
export interface BpfRow {
  /** `program`, `map`, `link`, or `foreign`: somebody else's program on a link of ours. */
  readonly kind: string
  readonly name: string
  readonly id: number | null
  /** Hash of a program's instructions. */
  readonly version: string | null
  readonly octets: number | null
  readonly capacity: number | null
  readonly pin: string | null
  readonly details: string
}

/** What can be shown, and the rows of each. */
export interface Views {
  readonly neighbors: readonly NeighborRow[]
  readonly vrfs: readonly VrfRow[]
  readonly routes: readonly RouteRow[]
  readonly labels: readonly LabelRow[]
  readonly tunnels: readonly TunnelRow[]
  readonly drops: readonly DropRow[]
  readonly endpoints: readonly EndpointRow[]
  readonly services: readonly ServiceRow[]
  readonly bfd: readonly BfdRow[]
  readonly dataplane: readonly DataplaneRow[]
  readonly bpf: readonly BpfRow[]
}

/** Name of a view: `neighbors`, `vrfs`, `routes`, `labels`, `tunnels`, `drops`, `endpoints`, `services`, `bfd`, `dataplane` or `bpf`. */
export type ViewName = keyof Views
