/*
 * TTL through a tunnel (RFC 3443). Uniform: the hops inside the tunnel count for the packet that it carries. Pipe: the tunnel is one hop, whatever
 * its length. A TTL here is what stands in a header when the packet arrives, 0–255, unless it says otherwise.
 */

/** Whether what is inside and what is outside are one (`uniform`) or two (`pipe`): RFC 3443 for TTL, RFC 3270 for the traffic class. */
export type TunnelModel = 'uniform' | 'pipe'

/** TTL of a label that starts its own count of hops. */
export const PIPE_TTL = 255

/** What a TTL that has run out becomes. */
export const TTL_EXPIRED = -1

/** One hop less, or `TTL_EXPIRED` when the packet may not go on: it came with 0 or 1 (RFC 1812 §5.3.1, RFC 3032 §2.4). */
export function decrementTtl(ttl: number): number {
  return ttl <= 1 ? TTL_EXPIRED : ttl - 1
}

/**
 * TTL of a label that is pushed.
 *
 * @param inner TTL of the packet or label below, already decremented
 * @see RFC 3443 §3.1, §3.2
 */
export function pushedTtl(model: TunnelModel, inner: number): number {
  return model === 'uniform' ? inner : PIPE_TTL
}

/** TTL of a label that takes the place of one with `incoming`, or `TTL_EXPIRED`; the same in both models (RFC 3443 §2.2). */
export function swappedTtl(incoming: number): number {
  return decrementTtl(incoming)
}

/**
 * TTL of what is below a label that is popped, or `TTL_EXPIRED`. In the uniform model the label's count goes on below, but never raises it: a packet in
 * a loop must run out (RFC 3443 §5).
 *
 * @param popped TTL of the label
 * @param inner TTL of what is below; its own decrement is left to who forwards it
 * @see RFC 3443 §3.1, §3.2
 */
export function poppedTtl(model: TunnelModel, popped: number, inner: number): number {
  const left = decrementTtl(popped)
  if (model === 'pipe') return popped === 0 ? TTL_EXPIRED : inner
  return left === TTL_EXPIRED ? TTL_EXPIRED : Math.min(left, inner)
}
