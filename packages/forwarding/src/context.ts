import { DROP_REASONS, type DataplaneFeature, type DropReason, type Encapsulation } from '@heddle/core'
import type { Clock } from '@heddle/io'
import { Decapsulation } from '@heddle/mpls'
import { Tuple } from './flow/tuple.js'
import { DROP, type PacketOut, type Verdict } from './packet-out.js'
import type { Copier } from './mirror/copier.js'
import { Packet } from './packet.js'
import { Cutter } from './cutter.js'
import type { Port, Tables } from './tables.js'
import type { TunnelHop } from './tunnel-hop.js'
import type { Trace } from './trace/trace.js'

/** What every step needs: the tables, the packet in hand, and what the adapter can do. */
export interface Context {
  readonly tables: Tables
  readonly packet: Packet
  readonly found: Decapsulation
  readonly encapsulations: ReadonlySet<Encapsulation>
  /** Largest packet that the underlay takes, outer headers included. */
  underlayMtu: number
  readonly hasDevice: (port: number) => boolean
  readonly features: Features
  readonly cutter: Cutter
  readonly copier: Copier
  /** Traffic class octet of the outer header that the packet came behind; -1 when it came without one, or it is not known. */
  outerTrafficClass: number
  /** VRF whose addresses the packet has; undefined when it belongs to none. */
  vrf: number | undefined
  /** Port that the packet came from or was to be delivered to: the router speaks to its sender by this port's gateway addresses. */
  port: Port | undefined
  /** Flow of the packet; read by steps that need it. */
  readonly tuple: Tuple
  /** Whether `tuple` tells the packet in hand. */
  hasTuple: boolean
  /** Of the packet that an ICMP error quotes, as policies know it; only with `hasQuoted`. */
  readonly quoted: Tuple
  hasQuoted: boolean
  /** Ends that the packet had before they were translated; only with `isTranslated`. */
  readonly before: Tuple
  isTranslated: boolean
  /** Flow of a packet that a pool hides. */
  readonly hidden: Tuple
  /** VRF in which a packet that came back to a pool goes on; undefined for any other. */
  insideVrf: number | undefined
  /** VRF in which the packet's ends were translated, or found to be none of a service; −1 before that. */
  natVrf: number
  readonly clock: Pick<Clock, 'now'> | undefined
  /** False while a packet is only explained: nothing is remembered of it. */
  readonly learns: boolean
  trace: Trace | undefined
}

/** What a context keeps from one packet to the next. */
export type Surroundings = Pick<Context, 'tables' | 'encapsulations' | 'underlayMtu' | 'hasDevice' | 'features' | 'copier' | 'clock'>

/** A context with no packet in hand. */
export function newContext({ tables, encapsulations, underlayMtu, hasDevice, features, copier, clock }: Surroundings): Context {
  return {
    tables,
    encapsulations,
    underlayMtu,
    hasDevice,
    features,
    copier,
    clock,
    packet: new Packet(),
    found: new Decapsulation(),
    cutter: new Cutter(),
    outerTrafficClass: -1,
    vrf: undefined,
    port: undefined,
    tuple: new Tuple(),
    hasTuple: false,
    quoted: new Tuple(),
    hasQuoted: false,
    before: new Tuple(),
    isTranslated: false,
    natVrf: -1,
    hidden: new Tuple(),
    insideVrf: undefined,
    learns: true,
    trace: undefined,
  }
}

/** Features as flags, so that asking costs a load. */
export interface Features {
  readonly fragmentation: boolean
  readonly mssClamp: boolean
  readonly ecn: boolean
  readonly tunnelErrors: boolean
}

export function featuresOf(features: readonly DataplaneFeature[]): Features {
  return {
    fragmentation: features.includes('fragmentation'),
    mssClamp: features.includes('mss-clamp'),
    ecn: features.includes('ecn'),
    tunnelErrors: features.includes('tunnel-errors'),
  }
}

/** What every link takes that carries IPv6 (RFC 8200 §5), so that no sender makes packets smaller (RFC 8201 §4). */
export const LEAST_MTU_V6 = 1280

/**
 * Largest packet that a tunnel may make, outer headers included. Whatever is believed of a path, IPv6 gets its least MTU inside: senders that are told of less do
 * not believe it, and all that they send would be dropped here.
 *
 * @param family of the packet inside; 0 when it is none of IP
 * @param between octets between the tunnel's headers and that packet: labels of others
 */
export function roomOf(
  { underlayMtu, tables: { uplinkMtu } }: Context,
  { pathMtu, overhead }: TunnelHop,
  family: number,
  between = 0,
): number {
  const path = family === 6 ? Math.max(pathMtu, overhead + between + LEAST_MTU_V6) : pathMtu
  return Math.min(underlayMtu, uplinkMtu, path)
}

/** Slots of the drop reasons, so that a drop costs a store. */
export const REASON = Object.fromEntries(DROP_REASONS.map((reason, slot) => [reason, slot])) as { readonly [reason in DropReason]: number }

/** Ends the way of a packet. */
export function drop(out: PacketOut, reason: number): Verdict {
  out.reason = reason
  return (out.verdict = DROP)
}
