import type { IpAddress } from '@heddle/wire'
import type { BgpRole, Capability, GracefulRestartCapability } from '../capability/capability.js'
import { AFI, AS_TRANS, SAFI } from '../iana.js'
import type { OpenMessage } from '../message/message.js'
import type { Family } from '../nlri/family.js'

/** What our OPEN says. */
export interface LocalOpenOptions {
  readonly as: number
  readonly routerId: IpAddress
  /** Seconds: 0 or 3–65,535. */
  readonly holdTime: number
  readonly families: readonly Family[]
  readonly gracefulRestart?: Omit<GracefulRestartCapability, 'kind'>
  readonly role?: BgpRole
  /** Use of path identifiers, for the families that may have them. */
  readonly addPath?: 'send' | 'receive' | 'both'
  /** Seconds of long-lived graceful restart; 0 or absent: not offered. */
  readonly longLived?: number
}

/** Kinds of routes to prefixes: those of IPv4 may have IPv6 next hops (RFC 8950 §4), and all of them path identifiers. */
const PREFIX_SAFIS: ReadonlySet<number> = new Set([SAFI.unicast, SAFI.multicast, SAFI.labeledUnicast, SAFI.vpn])

/** Our OPEN with all capabilities that the speaker has. */
export function localOpen({
  as,
  routerId,
  holdTime,
  families,
  gracefulRestart,
  role,
  addPath,
  longLived = 0,
}: LocalOpenOptions): OpenMessage {
  const entries = families
    .filter(({ afi, safi }) => afi === AFI.ipv4 && PREFIX_SAFIS.has(safi))
    .map((family) => ({ family, nextHopAfi: AFI.ipv6 }))
  const capabilities: Capability[] = [
    ...families.map((family): Capability => ({ kind: 'multiprotocol', family })),
    { kind: 'route-refresh' },
    { kind: 'enhanced-route-refresh' },
    { kind: 'four-octet-as', as },
    { kind: 'extended-message' },
  ]
  if (entries.length > 0) capabilities.push({ kind: 'extended-next-hop', entries })
  if (gracefulRestart !== undefined) capabilities.push({ kind: 'graceful-restart', ...gracefulRestart })
  if (gracefulRestart !== undefined && longLived > 0) {
    const kept = gracefulRestart.families.map((entry) => ({ ...entry, staleTime: longLived }))
    capabilities.push({ kind: 'long-lived-graceful-restart', families: kept })
  }
  const identified = families.filter(({ safi }) => PREFIX_SAFIS.has(safi))
  if (addPath !== undefined && identified.length > 0) {
    capabilities.push({ kind: 'add-path', families: identified.map((family) => ({ family, direction: addPath })) })
  }
  if (role !== undefined) capabilities.push({ kind: 'role', role })
  return { type: 'open', as, holdTime, routerId, capabilities }
}

/** Whether `as` may be announced at all: AS 0 (RFC 7607) and AS_TRANS are nobody's. */
export function isUsableAs(as: number): boolean {
  return Number.isInteger(as) && as > 0 && as <= 0xffff_ffff && as !== AS_TRANS
}
