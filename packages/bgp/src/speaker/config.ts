import type { BgpRole } from '../capability/capability.js'
import type { PrivateAsHandling } from '../policy/as-path-rules.js'
import type { Policy } from '../policy/policy.js'
import type { BfdOptions, BfdSource } from './bfd-source.js'
import type { DecisionConfig, NextHopResolver } from './table/decision.js'
import type { Recorder } from './recording.js'
import type { OriginValidator } from './origin-validator.js'
import type { Clock, Logger, Random, RouterDiscovery, StreamAuthentication, Transport } from '@heddle/io'

/** Families that the speaker exchanges, by the names that configuration has for them. */
export const SPOKEN_FAMILIES = [
  'ipv4-unicast',
  'ipv6-unicast',
  'ipv4-multicast',
  'ipv6-multicast',
  'ipv4-labeled-unicast',
  'ipv6-labeled-unicast',
  'vpnv4-unicast',
  'vpnv6-unicast',
  'rtc',
  'l2vpn-evpn',
  'l2vpn-vpls',
  'ipv4-flowspec',
  'ipv6-flowspec',
  'vpnv4-flowspec',
  'vpnv6-flowspec',
  'l2vpn-flowspec',
  'vpnv4-multicast',
  'vpnv6-multicast',
  'ipv4-mcast-vpn',
  'ipv6-mcast-vpn',
  'ipv4-sr-policy',
  'ipv6-sr-policy',
  'ipv4-mup',
  'ipv6-mup',
  'bgp-ls',
  'bgp-ls-vpn',
] as const

/** Name of a family that the speaker exchanges. */
export type FamilyName = (typeof SPOKEN_FAMILIES)[number]

/** Graceful restart (RFC 4724, RFC 8538) as this speaker offers it. All times are seconds. */
export interface GracefulRestartConfig {
  /** How long a peer should keep our routes after it lost us: 0–4,095. Default 120. */
  readonly restartTime?: number
  /** Sets the F bits: forwarding went on while BGP was away. Default `true`. */
  readonly forwardingPreserved?: boolean
  /**
   * N bit: most NOTIFICATIONs, and with them the end of the hold time, are a graceful restart too (RFC 8538). Default `false`: the routes of
   * a peer that fell silent go when the hold time ends.
   */
  readonly notification?: boolean
  /**
   * Seconds, 1–16,777,215, that a peer should keep our routes as the last choice once the restart time is over (RFC 9494), and that we keep those
   * of a peer that offers it too, for as long as it says. Default 0: not offered.
   */
  readonly longLived?: number
}

/** What the whole speaker has to say about graceful restart. */
export interface SpeakerGracefulRestartConfig extends GracefulRestartConfig {
  /**
   * This process takes the place of one that had sessions: sets the R bit, and sends nothing until each peer has sent its End-of-RIB, or
   * `selectionDeferral` is over (RFC 4724 §4.1). Default `false`. Both count when the speaker starts.
   */
  readonly restarting?: boolean
  /** Default 360. */
  readonly selectionDeferral?: number
  /** How long stale routes are kept for a peer's End-of-RIB once its session is back. Default 360. */
  readonly staleTime?: number
}

/** A peer and how to speak with it. */
export interface NeighborConfig {
  /**
   * IPv4 or IPv6 address; the neighbor's name in the whole API. `ADDRESS%DEVICE` is one that is reached through a device: the link of a link-local
   * address, which needs one, or a device that streams are bound to, such as that of a VRF. `%DEVICE` is whoever is at the other end of a link of two
   * routers (an unnumbered peer): its link-local address is heard from its router advertisements. The transport must know devices.
   */
  readonly address: string
  /** Port to connect to. Default 179. */
  readonly port?: number
  /** AS number, 1–4,294,967,295. Equal to the speaker's: internal (iBGP). */
  readonly as: number
  /** Address to connect from, and that the peer must connect to. Default: any. */
  readonly localAddress?: string
  /**
   * The VRF that the peer is a customer of (RFC 4364), which then has `ipv4-unicast` or `ipv6-unicast`. Default: none; the peer is one of ours. One in
   * the VRF's own AS is its route reflector's client, so to speak, and gets our address as next hop.
   */
  readonly vrf?: string
  /**
   * The site that the peer belongs to, `ADMINISTRATOR:NUMBER`: its routes are marked with it (RFC 4364 §7), and routes with the mark are not told
   * to it, so that a site with two ways out does not hear its own.
   */
  readonly siteOfOrigin?: string
  /** Families to offer; at least one. */
  readonly families: readonly FamilyName[]
  /** Never connect, only accept. Default `false`. */
  readonly passive?: boolean
  /** The peer is our client (RFC 4456). Default `false`. */
  readonly routeReflectorClient?: boolean
  /** `false` turns graceful restart off for this peer. Default: as the speaker. */
  readonly gracefulRestart?: GracefulRestartConfig | boolean
  /** Seconds, 0 or 3–65,535. Default: as the speaker. */
  readonly holdTime?: number
  /** Seconds until an attempt to connect that gets no answer is made anew. A peer that refuses is asked again after 2 at most. Default 10. */
  readonly connectRetry?: number
  /**
   * Seconds between bursts of UPDATEs to the peer (RFC 4271 §9.2.1.1, which suggests 30 between ASes and 5 within one). Default 0: what changes
   * is sent at once.
   */
  readonly advertisementInterval?: number
  /** Seconds to hold the OPEN back after the transport is up; 0: not at all. Default 0. */
  readonly delayOpen?: number
  /**
   * Address of ours to announce as next hop. Default `auto`: our own address for routes that we originate without one and, towards other ASes,
   * for unlabeled routes; everything else keeps its next hop, because a label means something to its next hop only.
   */
  readonly nextHop?: 'auto' | 'self' | 'unchanged'
  /** What is taken of the peer's routes, and how it is changed; as data or in the text form of `parsePolicy`. Default: all of them. */
  readonly importPolicy?: Policy | string
  /** What the peer is told, and how it is changed. Default: everything that the rules of BGP allow. */
  readonly exportPolicy?: Policy | string
  /** How often our AS may stand in AS_PATH of what the peer sends: 0–10. Default 0. */
  readonly allowAsIn?: number
  /** Puts our AS in the place of the peer's in AS_PATH, for sites of one AS that are joined by ours. Default `false`. */
  readonly asOverride?: boolean
  /** What becomes of private AS numbers towards the peer, when it is in another AS. Default: they stay. */
  readonly privateAs?: PrivateAsHandling
  /** AS_PATH must begin with the peer's AS (RFC 4271 §6.3); not for peers that are route servers. Default `false`. */
  readonly enforceFirstAs?: boolean
  /**
   * Rules of FlowSpec that the peer sends are followed only as far as the unicast routes of their destination are its own (RFC 8955 §6, RFC 9117); those
   * that name no destination never are. Default: `true` for a peer in another AS, `false` for those of ours, who have validated what they pass on.
   */
  readonly flowspecValidation?: boolean
  /** We are a route server to the peer: AS_PATH, next hop and MED are left alone (RFC 7947 §2.2). Default `false`. */
  readonly routeServerClient?: boolean
  /** The session is about to end: routes both ways become the last choice (RFC 8326). Default `false`. */
  readonly gracefulShutdown?: boolean
  /** Our role towards the peer in another AS: `provider` when it is our customer (RFC 9234). Default: none. */
  readonly role?: BgpRole
  /** Refuses a peer that announces no role (RFC 9234 §4.2). Default `false`. */
  readonly roleStrict?: boolean
  /**
   * Several paths to a destination, told apart by identifiers (RFC 7911): `send` tells the peer all usable ones, `receive` takes several of it.
   * For unicast, labeled unicast and VPN families. Default: the best path alone, both ways.
   */
  readonly addPath?: 'send' | 'receive' | 'both'
  /** Tells the peer no more than so many paths to a destination, the best ones: 1–64. Default: all usable ones. */
  readonly addPathLimit?: number
  /** Hops to the peer, for one in another AS that is not directly connected: 1–255. Default: as the system. */
  readonly multihop?: number
  /** Drops packets that have come further than this many hops: 1–255, 1 for a direct neighbor (RFC 5082). Default: none are dropped. */
  readonly ttlSecurity?: number
  /**
   * Key that both ends have. The transport must be able to use it; it is not shown in `neighbors()`. Another key of the same kind goes to the
   * open stream where the transport can do that: the session stays, if the peer changes too before the hold time ends.
   */
  readonly authentication?: StreamAuthentication
  /** Seconds that nothing may leave before the session is given up, 0 or 1–65,535 (RFC 9687); at least twice the hold time. Default 480. */
  readonly sendHoldTime?: number
  /** Ends the session when the BFD source says that the way to the peer is down (RFC 5882). Default `false`. Through a device only where the source watches such paths. */
  readonly bfd?: boolean | BfdOptions
  /** Routes that the peer may send, by family. Default: no limit. */
  readonly maxPrefixes?: Readonly<Partial<Record<FamilyName, MaxPrefixes>>>
  /** What the peer's routes may cost. */
  readonly limits?: PeerLimits
  /** Decide collisions in Established too (RFC 4271 §6.8, CollisionDetectEstablishedState). Default `false`: the one that is up stays. */
  readonly collisionDetectEstablished?: boolean
  /** Free text. */
  readonly description?: string
}

/** How many routes of a family a peer may send, accepted or not. */
export interface MaxPrefixes {
  /** 1–4,294,967,295. */
  readonly limit: number
  /** Percent of the limit from which on the event `max-prefixes` warns, 1–100. Default 75. */
  readonly warning?: number
  /** Only warns. Default `false`: the session ends with Cease (RFC 4486 §4). */
  readonly warnOnly?: boolean
  /** Seconds until the session may come back; without it, it stays down until `resetNeighbor` or another configuration. */
  readonly restart?: number
}

/** Peers that nobody has named: who connects from the prefix is taken. */
export interface DynamicNeighborConfig extends Omit<NeighborConfig, 'address' | 'passive' | 'port' | 'connectRetry'> {
  readonly prefix: string
  /** Peers from the prefix at one time, 1–10,000. Default 100. */
  readonly limit?: number
}

/** What a single path of a peer may cost; one that costs more is not used, and shown with the reason. */
export interface PeerLimits {
  /** AS numbers in AS_PATH, 1–16,383. Default 1,024. */
  readonly asPath?: number
  /** Octets of attributes, 64–65,535. Default 65,535. */
  readonly attributes?: number
}

/** Our part of a confederation (RFC 5065). */
export interface ConfederationConfig {
  /** The AS number by which the outside knows all of it. */
  readonly id: number
  /** The other member ASes. */
  readonly members: readonly number[]
}

/** Where the speaker accepts connections. */
export interface ListenConfig {
  /** `ADDRESS%DEVICE`: through this device only. */
  readonly address: string
  /** Default 179; 0: one that the system chooses. */
  readonly port?: number
}

/** A VRF of a PE (RFC 4364): which VPN routes get in, and how its own go out. */
export interface VrfConfig {
  /** By which neighbors and local routes name it. */
  readonly name: string
  /** Route distinguisher of what goes out. */
  readonly rd: string
  /** A VPN route with any of these gets in. Default: none. */
  readonly importTargets?: readonly string[]
  /** What goes out has all of these. Default: none. */
  readonly exportTargets?: readonly string[]
  /**
   * The AS number by which its customers know us. Default: ours. A customer of this very AS is internal (iBGP between PE and CE, RFC 6368): its routes
   * travel with all their attributes in ATTR_SET, and come out as they were where the VRF has the same AS.
   */
  readonly as?: number
  /** Label of what goes out, 16–1,048,575: whoever forwards for this speaker looks up in the VRF what comes with it. */
  readonly label: number
}

/** What a speaker is, apart from the world that it runs in. */
export interface SpeakerConfig {
  /** 1–4,294,967,295. */
  readonly as: number
  /** BGP identifier, as an IPv4 address. */
  readonly routerId: string
  /** Seconds, 0 (no keepalives) or 3–65,535. Default 90. */
  readonly holdTime?: number
  /** Cluster of this route reflector, as an IPv4 address. Default: the router id (RFC 4456 §7). */
  readonly clusterId?: string
  /** Default: nowhere. */
  readonly listen?: readonly ListenConfig[]
  readonly neighbors: readonly NeighborConfig[]
  /** `false` turns it off. Default: on, as a helper and for our own restarts. */
  readonly gracefulRestart?: SpeakerGracefulRestartConfig | boolean
  /** Peers that are taken as they come; a neighbor of the exact address goes first, then the longest prefix. */
  readonly dynamicNeighbors?: readonly DynamicNeighborConfig[]
  /** The confederation that `as` is a member of. Default: none. */
  readonly confederation?: ConfederationConfig
  /** VRFs whose customers this speaker peers with. Default: none. */
  readonly vrfs?: readonly VrfConfig[]
  /** How paths are compared. */
  readonly decision?: DecisionConfig
}

/** What a speaker says to neighbors of which nothing else is said; `clusterId` to those of its AS. */
export type SpeakerDefaults = Pick<SpeakerConfig, 'holdTime' | 'gracefulRestart' | 'clusterId'>

/** A speaker's configuration and the world that it runs in. */
export interface SpeakerOptions {
  readonly config: SpeakerConfig
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  /** Keeps every input, for `replay`. Default: nothing is kept. */
  readonly recorder?: Recorder
  /** Needed for neighbors with `bfd`. */
  readonly bfd?: BfdSource
  /** Needed for neighbors that are named by their device alone. */
  readonly routerDiscovery?: RouterDiscovery
  /** Default: origins are not validated. See `Speaker.originsChanged`. */
  readonly originValidator?: OriginValidator
  /** Default: every next hop can be reached, at equal cost. See `Speaker.nextHopsChanged`. */
  readonly nextHops?: NextHopResolver
  /** Default: silent. */
  readonly logger?: Logger
}
