/*
 * Explicit congestion notification through a tunnel (RFC 6040): the two low bits of the traffic class octet, of the packet and of the outer header.
 */

/** Not ECN-capable. */
export const NOT_ECT = 0
/** ECN-capable, the second code point. */
export const ECT_1 = 1
/** ECN-capable, the usual code point. */
export const ECT_0 = 2
/** Congestion was experienced. */
export const CE = 3

/** What `poppedEcn` returns for a packet that must be dropped. */
export const ECN_DROP = -1

/**
 * How a tunnel treats ECN at its entrance (RFC 6040 §4.1): `normal` copies it to the outer header, which needs a far end that copies it back;
 * `compatibility` leaves the outer header not ECN-capable, so that congestion drops packets.
 */
export type EcnMode = 'normal' | 'compatibility'

/** ECN of the outer header. */
export function pushedEcn(mode: EcnMode, inner: number): number {
  return mode === 'normal' ? inner : NOT_ECT
}

/**
 * ECN of the packet behind the tunnel, or `ECN_DROP`: a mark for a packet whose sender does not understand it is a loss (RFC 6040 §4.2, figure 4).
 *
 * @param inner of the packet inside
 * @param outer of the header that is taken off
 */
export function poppedEcn(inner: number, outer: number): number {
  if (outer === CE) return inner === NOT_ECT ? ECN_DROP : CE
  return outer === ECT_1 && inner === ECT_0 ? ECT_1 : inner
}
