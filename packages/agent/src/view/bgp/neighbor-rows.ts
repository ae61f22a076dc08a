import {
  compilePolicy,
  formatPolicy,
  parsePolicy,
  toJson,
  type Json,
  type MessageCounters,
  type NeighborView,
  type Policy,
  type Speaker,
} from '@heddle/bgp'
import { neighborRow } from '../bgp-views.js'
import type { NeighborRow } from '../rows.js'

/** A BGP session with all that is known of it. */
export interface BgpNeighborRow extends NeighborRow {
  readonly localAddress: string | null
  /** Where it is; null for one that is named by its device while nobody has been heard there. */
  readonly remoteAddress: string | null
  /** What BFD with the peer says: `up`, `down`, `admin-down`; null while it says nothing, or is not configured. */
  readonly bfd: string | null
  /** Times that the session was established. */
  readonly established: number
  /** What both sides agreed on; null while the session is not established. */
  readonly capabilities: {
    readonly asn4: boolean
    readonly extendedMessage: boolean
    readonly routeRefresh: boolean
    readonly enhancedRouteRefresh: boolean
    /** Families in which paths have identifiers, by direction (RFC 7911). */
    readonly addPathSend: readonly string[]
    readonly addPathReceive: readonly string[]
    /** Families whose IPv4 prefixes may have an IPv6 next hop (RFC 8950). */
    readonly extendedNextHop: readonly string[]
    /** What the peer offered (RFC 4724, RFC 8538, RFC 9494). */
    readonly gracefulRestart: Json
    readonly longLivedGracefulRestart: Json
    readonly role: string | null
  } | null
  /** Seconds. `keepalive` is null while no session says it. */
  readonly timers: { readonly hold: number; readonly keepalive: number | null; readonly connectRetry: number | null }
  readonly messages: { readonly sent: MessageCounters; readonly received: MessageCounters }
  readonly routes: readonly { readonly family: string; readonly received: number; readonly stale: number; readonly sent: number }[]
  /** The NOTIFICATION that ended the last session that ended by one. */
  readonly lastNotification: {
    readonly direction: string
    readonly code: number
    readonly subcode: number
    readonly shutdown: string | null
  } | null
  /** As configured; keys are hidden. */
  readonly config: Json
}

/** All neighbors, or the one of an address. @throws SpeakerError `speaker.neighbor-unknown` never: an unknown one gives no row */
export function bgpNeighborRows(speaker: Speaker, address?: string): BgpNeighborRow[] {
  return speaker
    .neighbors()
    .filter((view) => address === undefined || view.address === address)
    .map(bgpNeighborRow)
}

function bgpNeighborRow(view: NeighborView): BgpNeighborRow {
  const { config, negotiated, families, lastNotification: last, localAddress, remoteAddress, messages, established } = view
  const row = neighborRow(view)
  const { importPolicy: _import, exportPolicy: _export, ...shown } = config
  return {
    ...row,
    localAddress: localAddress === undefined ? null : String(localAddress),
    remoteAddress: remoteAddress === undefined ? null : String(remoteAddress),
    bfd: view.bfd ?? null,
    established,
    capabilities: negotiated === undefined ? null : capabilitiesOf(negotiated),
    timers: {
      hold: row.holdTime,
      keepalive: negotiated === undefined ? null : Math.floor(negotiated.holdTime / 3),
      connectRetry: config.connectRetry ?? null,
    },
    messages,
    routes: families,
    lastNotification:
      last === undefined ? null : { direction: last.direction, code: last.code, subcode: last.subcode, shutdown: last.shutdown ?? null },
    config: toJson(shown),
  }
}

function capabilitiesOf(negotiated: NonNullable<NeighborView['negotiated']>): BgpNeighborRow['capabilities'] {
  const { families, addPath } = negotiated
  const named = (keys: ReadonlySet<number>): string[] => families.filter(({ key }) => keys.has(key)).map(({ name }) => name)
  return {
    asn4: negotiated.asn4,
    extendedMessage: negotiated.extendedMessage,
    routeRefresh: negotiated.routeRefresh,
    enhancedRouteRefresh: negotiated.enhancedRouteRefresh,
    addPathSend: named(addPath.send),
    addPathReceive: named(addPath.receive),
    extendedNextHop: negotiated.extendedNextHop.map(({ family }) => family.name),
    gracefulRestart: toJson(negotiated.gracefulRestart ?? null),
    longLivedGracefulRestart: toJson(negotiated.longLivedGracefulRestart ?? null),
    role: negotiated.remoteRole ?? null,
  }
}

/** A policy that a neighbor's routes go through. */
export interface BgpPolicyRow {
  readonly neighbor: string
  readonly direction: 'import' | 'export'
  readonly name: string | null
  readonly terms: number
  /** In the form of `parsePolicy`. */
  readonly text: string
}

/** The policies of all neighbors. */
export function bgpPolicyRows(speaker: Speaker): BgpPolicyRow[] {
  return speaker.neighbors().flatMap(({ address, config }) => {
    const row = (direction: 'import' | 'export', given: Policy | string | undefined): BgpPolicyRow[] => {
      if (given === undefined) return []
      const { policy } = compilePolicy(typeof given === 'string' ? parsePolicy(given) : given)
      return [{ neighbor: address, direction, name: policy.name ?? null, terms: policy.terms.length, text: formatPolicy(policy) }]
    }
    return [...row('import', config.importPolicy), ...row('export', config.exportPolicy)]
  })
}
