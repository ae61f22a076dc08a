import type { Clock } from '@heddle/io'
import type { Context } from './context.js'
import { forward } from './forward.js'
import { OWN_TTL } from './gateway.js'
import { becomeError } from './icmp-error.js'
import { untranslate } from './nat/ends.js'
import { DELIVER, DROP, type PacketOut } from './packet-out.js'
import { PARSED, parseInner } from './parse.js'
import type { Port } from './tables.js'
import { TokenBucket } from './token-bucket.js'

/* How whoever sent a dropped packet is told. `out` then says where the error goes, and still names the reason of the drop. */

/** 1,000 errors a second, 100 at once (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f). */
export function errorLimit(clock: Pick<Clock, 'now'>): TokenBucket {
  return new TokenBucket(clock, 1000, 100)
}

/** The sender is behind the port that the packet came from. */
export function tellSender(context: Context, from: Port, out: PacketOut): void {
  const { packet } = context
  untranslate(context)
  if (!becomeError(packet, from, out.reason, out.mtu)) return
  out.verdict = DELIVER
  out.port = from.object.id
  out.offset = packet.offset
  out.length = out.segment = packet.length
}

/**
 * The packet came through a tunnel: the error is a packet of its VRF, and finds its way as any other. About what came back to a pool that is the VRF that it
 * came from, whose routers know no address inside but the pool's: this router speaks from that.
 */
export function tellThroughVrf(context: Context, out: PacketOut): void {
  const { packet, insideVrf } = context
  const port = insideVrf === undefined ? context.port : undefined
  const vrf = insideVrf === undefined ? context.vrf : context.natVrf
  const { reason, mtu } = out
  untranslate(context)
  const silent = (): void => {
    out.verdict = DROP
    out.reason = reason
    out.mtu = mtu
  }
  if (!becomeError(packet, port, reason, mtu) || parseInner(packet) !== PARSED) return silent()
  packet.ttl = OWN_TTL
  context.hasTuple = context.hasQuoted = false
  context.natVrf = -1
  context.insideVrf = undefined
  if (forward(context, vrf, out) !== DROP) out.reason = reason
  else silent()
}
