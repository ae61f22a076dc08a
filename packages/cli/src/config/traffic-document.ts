/* What is done with the traffic of VRFs, in the configuration file. */

/** These sections of a node's document. */
export interface TrafficSections {
  readonly policies?: readonly PolicySection[]
  readonly services?: readonly ServiceSection[]
  readonly nat?: readonly NatSection[]
  readonly mirrors?: readonly MirrorSection[]
  readonly bfd?: BfdSection
}

/** Which connections endpoints may open and be opened to. Of several policies that select an endpoint, the first one with rules for a direction counts. */
export interface PolicySection {
  readonly name: string
  readonly vrf: string
  /** Endpoints with an address in one of these prefixes; default all of the VRF. */
  readonly endpoints?: readonly string[]
  /** What may be opened to them, and what they may open; everything where there is none. */
  readonly ingress?: DirectionSection
  readonly egress?: DirectionSection
}

/** Rules of one direction; the first that fits counts. */
export interface DirectionSection {
  /** Of what no rule fits; default `deny`. */
  readonly default?: 'allow' | 'deny'
  readonly rules: readonly RuleSection[]
}

/** One rule; a condition that is left out fits everything. */
export interface RuleSection {
  readonly action: 'allow' | 'deny'
  /** Prefixes of the far end. */
  readonly peers?: readonly string[]
  /** Prefixes of the endpoint itself. */
  readonly locals?: readonly string[]
  /** A name, or an IP protocol number. */
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6' | number
  /** Destination ports: `80`, `8000-8080`. */
  readonly ports?: readonly (number | string)[]
  readonly sourcePorts?: readonly (number | string)[]
  readonly icmpTypes?: readonly { readonly type: number; readonly code?: number }[]
  /** One of `mirrors`, which gets copies of the flows. */
  readonly mirror?: string
}

/** A virtual address with its backends. */
export interface ServiceSection {
  readonly name: string
  readonly vrf: string
  readonly address: string
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly port: number
  readonly backends: readonly BackendSection[]
  /** Seconds for which a client that was quiet comes to the same backend again; default: each flow is spread for itself. */
  readonly affinity?: number
  /** `both` makes the virtual address the source, so that replies come back here wherever the backend is; default `destination`. */
  readonly nat?: 'destination' | 'both'
  /** Whether others are told a host route to the address; default true. */
  readonly advertise?: boolean
  /** Asks backends of this node whether they answer; default: they are what `draining` says. */
  readonly health?: HealthSection
}

/** How the health of backends is asked for. */
export interface HealthSection {
  /** `tcp`: a connection is accepted; `http`: a GET is answered. */
  readonly type: 'tcp' | 'http'
  /** Default the backend's own. */
  readonly port?: number
  /** Seconds from one question to the next; default 5. */
  readonly interval?: number
  /** Seconds for the answer, at most `interval`; default 1, or the interval where that is less. */
  readonly timeout?: number
  /** Answers in a row that bring a backend back; default 2. */
  readonly rise?: number
  /** Failures in a row that take it away; default 3. */
  readonly fall?: number
  /** Of `http`; default `/`. */
  readonly path?: string
  /** Of `http`: `200`, `200-399`, which is the default. */
  readonly status?: number | string
}

/** One who answers for a service. */
export interface BackendSection {
  readonly address: string
  /** Default that of the service. */
  readonly port?: number
  /** Default 1. */
  readonly weight?: number
  /** Keeps its flows and gets no new ones; default false. */
  readonly draining?: boolean
}

/** Hides a VRF behind an address where its packets go to another VRF. */
export interface NatSection {
  readonly vrf: string
  readonly outside: string
  readonly address: string
  /** Default `1024-65535`. */
  readonly ports?: string
  /** What goes that way, also from other nodes; default everything of the address's family. */
  readonly destinations?: readonly string[]
}

/** Copies of packets for a collector, by ERSPAN. */
export interface MirrorSection {
  readonly name: string
  /** Whose endpoints are copied; none for a mirror that only rules name. */
  readonly vrf?: string
  readonly endpoints?: readonly string[]
  /** Default `both`. */
  readonly direction?: 'ingress' | 'egress' | 'both'
  readonly collector: string
  readonly session: number
  /** Octets of a packet that are copied at most; default all that the underlay takes. */
  readonly snapLength?: number
}

/** Who is watched by BFD. */
export interface BfdSection {
  /** The far ends of all tunnels that routes lead into. */
  readonly tunnels?: BfdTiming
}

/** How soon BFD notices. */
export interface BfdTiming {
  /** Milliseconds between packets, both ways; default 300. */
  readonly interval?: number
  /** Packets that may be missing; default 3. */
  readonly multiplier?: number
}
