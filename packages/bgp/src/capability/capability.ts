import type { Family } from '../nlri/family.js'

/** BGP role of the speaker towards the peer (RFC 9234 §4.1); on the wire 0–4. */
export type BgpRole = 'provider' | 'route-server' | 'route-server-client' | 'customer' | 'peer'

/** A capability of OPEN (RFC 5492). */
export type Capability =
  | { readonly kind: 'multiprotocol'; readonly family: Family }
  | { readonly kind: 'route-refresh' }
  | { readonly kind: 'enhanced-route-refresh' }
  | { readonly kind: 'extended-message' }
  | { readonly kind: 'extended-next-hop'; readonly entries: readonly ExtendedNextHopEntry[] }
  | GracefulRestartCapability
  | { readonly kind: 'four-octet-as'; readonly as: number }
  | { readonly kind: 'add-path'; readonly families: readonly AddPathEntry[] }
  | { readonly kind: 'long-lived-graceful-restart'; readonly families: readonly LlgrEntry[] }
  | { readonly kind: 'fqdn'; readonly hostname: string; readonly domain: string }
  | { readonly kind: 'role'; readonly role: BgpRole }
  | { readonly kind: 'software-version'; readonly version: string }
  /** Codes of the capabilities that may change without a new session. */
  | { readonly kind: 'dynamic'; readonly codes: readonly number[] }
  | { readonly kind: 'outbound-route-filtering'; readonly entries: readonly OutboundRouteFilteringEntry[] }
  /** Kept octet for octet; also a known capability whose content is malformed. */
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array }

/** Filters that the sender of the capability can exchange for `family` (RFC 5291 §5). */
export interface OutboundRouteFilteringEntry {
  readonly family: Family
  readonly filters: readonly {
    /** ORF type: 64 address prefix. */
    readonly type: number
    /** 1 receive, 2 send, 3 both. */
    readonly sendReceive: number
  }[]
}

/** NLRI of `family` may have a next hop of `nextHopAfi` (RFC 8950 §4). */
export interface ExtendedNextHopEntry {
  readonly family: Family
  /** 1 IPv4, 2 IPv6. */
  readonly nextHopAfi: number
}

/** Graceful restart (RFC 4724 §3, RFC 8538 §2). */
export interface GracefulRestartCapability {
  readonly kind: 'graceful-restart'
  /** R bit: the speaker has just restarted. */
  readonly restarting: boolean
  /** N bit: a NOTIFICATION other than Hard Reset is a graceful restart too. */
  readonly notification: boolean
  /** Seconds, 0–4,095. */
  readonly restartTime: number
  readonly families: readonly { readonly family: Family; readonly forwardingPreserved: boolean }[]
}

/** What the sender of the capability can do with path identifiers of `family` (RFC 7911 §4). */
export interface AddPathEntry {
  readonly family: Family
  readonly direction: 'receive' | 'send' | 'both'
}

/** Long-lived graceful restart of one family (RFC 9494 §3.1). */
export interface LlgrEntry {
  readonly family: Family
  readonly forwardingPreserved: boolean
  /** Seconds, 0–16,777,215. */
  readonly staleTime: number
}
