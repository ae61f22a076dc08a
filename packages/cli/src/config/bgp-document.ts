import type { TcpAoKey } from '@heddle/io'
import type {
  ConfederationConfig,
  DecisionConfig,
  FamilyName,
  ListenConfig,
  NeighborConfig,
  Policy,
  SpeakerGracefulRestartConfig,
} from '@heddle/bgp'
import type { BfdTiming } from './traffic-document.js'

/** The BGP speaker of a node. Keys without a word here mean what they mean in `SpeakerConfig`. */
export interface BgpSection {
  /** 1–4,294,967,295. */
  readonly as: number
  /** IPv4 form; default the node's address where that is IPv4. */
  readonly routerId?: string
  readonly clusterId?: string
  /** Seconds: 0 (silence ends no session, however long labels rest) or 3–65,535; default 90. */
  readonly holdTime?: number
  /** Seconds for which peers keep our routes while we restart, 1–4,095; default 120. */
  readonly restartTime?: number
  /** The rest of graceful restart. */
  readonly gracefulRestart?: Omit<SpeakerGracefulRestartConfig, 'restartTime' | 'restarting'>
  readonly confederation?: ConfederationConfig
  readonly decision?: DecisionConfig
  /** Where sessions are accepted; none when left out. */
  readonly listen?: readonly ListenSection[]
  /** By name: as data, or in the text form of `parsePolicy`. */
  readonly policies?: Readonly<Record<string, Omit<Policy, 'name'> | string>>
  /** What neighbours have in common, by name. */
  readonly groups?: Readonly<Record<string, NeighborGroupSection>>
  readonly neighbors?: readonly NeighborSection[]
  /** Peers that nobody has named: who connects from the prefix is taken. */
  readonly dynamicNeighbors?: readonly DynamicNeighborSection[]
  /** Routes that the speaker originates as they stand here. */
  readonly networks?: readonly NetworkSection[]
  /** Caches of origin authorizations (RFC 8210), the preferred one first. */
  readonly rtr?: readonly RtrSection[]
  /** Monitoring stations (RFC 7854). */
  readonly bmp?: readonly BmpSection[]
  readonly mrt?: MrtSection
  /** VRFs whose customers are neighbours (RFC 4364). */
  readonly vrfs?: readonly BgpVrfSection[]
}

/** An address where BGP sessions are accepted. */
export type ListenSection = ListenConfig

/** What a neighbor and those of its group may say: the keys of `NeighborConfig`, with policies by name and keys from elsewhere. */
export interface NeighborGroupSection extends Partial<
  Omit<NeighborConfig, 'address' | 'importPolicy' | 'exportPolicy' | 'authentication' | 'bfd'>
> {
  readonly importPolicy?: PolicyUse
  readonly exportPolicy?: PolicyUse
  readonly authentication?: AuthenticationSection
  /** Whether BFD ends the session when the way to the peer breaks (RFC 5882), and how it watches; default `false`. */
  readonly bfd?: boolean | NeighborBfdSection
}

/** BFD with a peer. */
export interface NeighborBfdSection extends BfdTiming {
  /** Default: one hop for a peer of another AS without `multihop`, else as the host's routes say. */
  readonly hops?: 'single' | 'multiple'
}

/** A BGP peer. `as` stands here or in its group; `families` are by default `vpnv4-unicast`, `vpnv6-unicast`, `rtc`, and `l2vpn-evpn` where a VRF has a VNI. */
export interface NeighborSection extends NeighborGroupSection {
  readonly address: string
  /** One of `groups`: its keys count where the neighbour has none. */
  readonly group?: string
}

/** Peers that are taken as they come from a prefix. */
export interface DynamicNeighborSection extends Omit<NeighborGroupSection, 'passive' | 'port' | 'connectRetry'> {
  readonly prefix: string
  /** Peers at one time, 1–10,000; default 100. */
  readonly limit?: number
  readonly group?: string
}

/** Names of policies, one after the other: for all families, or by family (a family that is not named has none). */
export type PolicyUse = string | readonly string[] | { readonly [Family in FamilyName]?: string | readonly string[] }

/** A key, or where it is: exactly one of the three. */
export interface SecretSection {
  readonly key?: string
  /** A file whose first line is the key; relative to the folder of the configuration. */
  readonly keyFile?: string
  /** Name of an environment variable. */
  readonly keyEnv?: string
}

/** TCP MD5 (RFC 2385) with a key, or TCP-AO (RFC 5925) with several. */
export interface AuthenticationSection extends SecretSection {
  readonly kind: 'tcp-md5' | 'tcp-ao'
  readonly keys?: readonly TcpAoKeySection[]
}

/** A master key tuple of TCP-AO. */
export interface TcpAoKeySection extends SecretSection {
  readonly sendId: number
  readonly receiveId: number
  readonly algorithm: TcpAoKey['algorithm']
}

/**
 * A route that is originated as it stands: of a VPN with `rd`, `label` and `routeTargets`; labeled unicast with `label` alone; unicast without
 * these. Route distinguisher and targets are written `ASN:NUMBER` or `IPV4:NUMBER`.
 */
export interface NetworkSection {
  readonly rd?: string
  readonly prefix: string
  /** 16–1,048,575. */
  readonly label?: number
  /** Default the node's address. */
  readonly nextHop?: string
  readonly routeTargets?: readonly string[]
  readonly localPref?: number
  readonly med?: number
  readonly origin?: 'igp' | 'egp' | 'incomplete'
  /** `65000:1`, `no-export`. */
  readonly communities?: readonly string[]
  /** `65000:1:2`. */
  readonly largeCommunities?: readonly string[]
  /** `rt:65000:1`, `color:100`, `0x` and sixteen hexadecimal digits. */
  readonly extendedCommunities?: readonly string[]
}

/** A cache of origin authorizations. */
export interface RtrSection {
  readonly address: string
  /** Default 323. */
  readonly port?: number
}

/** Tables that a station can be told of. */
export type BmpTable = 'adj-in-pre' | 'adj-in-post' | 'loc-rib' | 'adj-out'

/** A monitoring station, which the speaker connects to. */
export interface BmpSection {
  readonly address: string
  readonly port: number
  /** Default all. */
  readonly tables?: readonly BmpTable[]
  /** Seconds between statistics reports, 0: none; default 60. */
  readonly statistics?: number
  /** Octets that may wait for the station; one that is further behind is connected to anew. Default 16 MiB. */
  readonly queue?: number
}

/** What is written to files in MRT (RFC 6396). */
export interface MrtSection {
  /** The whole table, every `interval` seconds (default 7,200); `%t` in the path becomes the time. */
  readonly table?: { readonly path: string; readonly interval?: number }
  /** Every message and change of state. */
  readonly updates?: { readonly path: string }
}

/** A VRF of a speaker that peers with customers. */
export interface BgpVrfSection {
  readonly name: string
  readonly rd: string
  readonly import?: readonly string[]
  readonly export?: readonly string[]
  /** Of what goes out, 16–1,048,575. */
  readonly label: number
  /** By which customers know us, default ours; a customer of this AS is internal (RFC 6368). */
  readonly as?: number
}
