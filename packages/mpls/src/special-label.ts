/*
 * Special-purpose labels, 0–15 (IANA "Special-Purpose MPLS Label Values", RFC 7274).
 */

/** Pops to IPv4 (RFC 3032 §2.1, RFC 4182). */
export const IPV4_EXPLICIT_NULL = 0
/** RFC 3032 §2.1. */
export const ROUTER_ALERT = 1
/** Pops to IPv6 (RFC 3032 §2.1, RFC 4182). */
export const IPV6_EXPLICIT_NULL = 2
/** Is distributed, and never stands in a packet (RFC 3032 §2.1). */
export const IMPLICIT_NULL = 3
/** RFC 6790 §3. */
export const ENTROPY_LABEL_INDICATOR = 7
/** Generic associated channel label (RFC 5586 §4). */
export const GENERIC_ASSOCIATED_CHANNEL_LABEL = 13
/** RFC 3429. */
export const OAM_ALERT = 14
/** The label that follows is an extended special-purpose one (RFC 7274 §3.1). */
export const EXTENSION_LABEL = 15

/** The first label that a router may give out. */
export const MIN_UNRESERVED_LABEL = 16
/** Largest label, of 20 bits. */
export const MAX_LABEL = 0xfffff

/** Labels from `first` to `last`, both included. */
export interface LabelRange {
  /** At least `MIN_UNRESERVED_LABEL`. */
  readonly first: number
  /** At most `MAX_LABEL`. */
  readonly last: number
}

/** Whether `range` is not empty and holds no special-purpose label. */
export function isLabelRange({ first, last }: LabelRange): boolean {
  return Number.isInteger(first) && Number.isInteger(last) && first >= MIN_UNRESERVED_LABEL && last <= MAX_LABEL && first <= last
}

/** Why a packet with this label on top is dropped. */
export type SpecialLabelDrop =
  | 'router-alert'
  | 'implicit-null'
  | 'entropy-label-indicator'
  | 'generic-associated-channel'
  | 'oam-alert'
  | 'extension'
  | 'unassigned'

/** What a receiver does with a label: look it up, pop it, or drop the packet. */
export type LabelVerdict = 'look-up' | 'pop-to-ipv4' | 'pop-to-ipv6' | SpecialLabelDrop

const SPECIAL: readonly LabelVerdict[] = Array.from({ length: MIN_UNRESERVED_LABEL }, (_, label) => {
  switch (label) {
    case IPV4_EXPLICIT_NULL:
      return 'pop-to-ipv4'
    case ROUTER_ALERT:
      return 'router-alert'
    case IPV6_EXPLICIT_NULL:
      return 'pop-to-ipv6'
    case IMPLICIT_NULL:
      return 'implicit-null'
    case ENTROPY_LABEL_INDICATOR:
      return 'entropy-label-indicator'
    case GENERIC_ASSOCIATED_CHANNEL_LABEL:
      return 'generic-associated-channel'
    case OAM_ALERT:
      return 'oam-alert'
    case EXTENSION_LABEL:
      return 'extension'
    default:
      return 'unassigned'
  }
})

/**
 * What to do with a packet that came with `label` on top. An explicit null is popped at any depth (RFC 4182 §4); at the bottom of the stack it says
 * which family follows.
 */
export function labelVerdict(label: number): LabelVerdict {
  return label < MIN_UNRESERVED_LABEL ? SPECIAL[label] : 'look-up'
}
