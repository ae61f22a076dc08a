import { IP_PROTOCOL_ICMP, IP_PROTOCOL_ICMPV6, IP_PROTOCOL_TCP, IP_PROTOCOL_UDP, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '@heddle/wire'
import type { Tuple } from './tuple.js'

/* How long a flow is remembered without a packet, milliseconds. */

/** RFC 5382 §5, REQ-5: 2 hours 4 minutes. */
const TCP_ESTABLISHED = 7_440_000
/** RFC 5382 §5, REQ-5: opening and closing connections. */
const TCP_TRANSITORY = 240_000
/** RFC 4787 §4.3, REQ-5: what it recommends. */
const UDP = 300_000
/** RFC 5508 §3.2, REQ-2. */
const ICMP = 60_000
const OTHER = 600_000
/** Of the datagram that fragments belong to: as long as a host waits for them (RFC 1122 §3.3.2). */
export const FRAGMENTS = 60_000

/** Bits of `FlowTable.state` that tell the age of a connection; users of a table keep theirs above. */
export const REPLIED = 1
export const CLOSING = 2

/**
 * Notes in `state` what the packet says of its connection: one that its opener begins where another one has ended is as young as any.
 *
 * @param isReply whether it goes against the one that opened the flow
 */
export function nextState(state: number, { protocol, flags }: Tuple, isReply: boolean): number {
  const begins = !isReply && protocol === IP_PROTOCOL_TCP && (state & CLOSING) !== 0 && (flags & (TCP_SYN | TCP_ACK)) === TCP_SYN
  if (begins) return state & ~(REPLIED | CLOSING)
  const replied = isReply ? state | REPLIED : state
  return protocol === IP_PROTOCOL_TCP && (flags & (TCP_FIN | TCP_RST)) !== 0 ? replied | CLOSING : replied
}

/** Of the lifetime, for one of those that hold more than half of what they may. */
const CROWDED_SHARE = 1 / 16

/** How long a flow may be quiet whose owner has more than half of what it may: less, unless it is an established connection. */
export function crowdedLifetime(lifetime: number): number {
  return lifetime === TCP_ESTABLISHED ? lifetime : lifetime * CROWDED_SHARE
}

/** How long a flow in `state` may be quiet. */
export function lifetimeOf(state: number, { protocol }: Tuple): number {
  if (protocol === IP_PROTOCOL_TCP) return (state & (REPLIED | CLOSING)) === REPLIED ? TCP_ESTABLISHED : TCP_TRANSITORY
  if (protocol === IP_PROTOCOL_UDP) return UDP
  return protocol === IP_PROTOCOL_ICMP || protocol === IP_PROTOCOL_ICMPV6 ? ICMP : OTHER
}
