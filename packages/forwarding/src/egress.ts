import { REASON, drop, type Context } from './context.js'
import { forward } from './forward.js'
import { answerGateway } from './gateway.js'
import { type PacketOut, type Verdict } from './packet-out.js'
import { PARSED, isForwardable, parseInner } from './parse.js'
import { serve, TRANSLATED } from './nat/serve.js'
import { PASSED, passPolicy } from './policy/pass-policy.js'
import { mirrorSent } from './mirror/mirror-packet.js'
import { passRate, rateText } from './rate/pass-rate.js'
import { covers } from './source-set.js'
import type { Port } from './tables.js'
import { portText, sourceText } from './text.js'

/*
 * The way of a packet from an endpoint:
 *
 *   1. parse    the IP header, its lengths and checksum
 *   2. port     the port's MTU, allowed sources and rate; a ping to one of its gateway addresses is answered here
 *   3. flow     where policies or services want it, the flow is read from the headers
 *   4. service  what is for a virtual address, or belongs to a translated flow, gets its other ends
 *   5. policy   what belongs to no flow that was allowed is judged by the port's egress rules
 *   6. lookup   the destination in the port's VRF               ┐
 *   7. nexthop  a member of the group, by the flow's hash       │ in forward.ts, since packets from the
 *   8. encap    labels and tunnel headers, into the headroom    │ underlay may come to them as well
 *   9. send     to the underlay, or to a port of this router    ┘
 */

/** Decides about the packet in hand, which came from `from`. */
export function egress(context: Context, from: Port, out: PacketOut): Verdict {
  const { packet, trace } = context
  const { object } = from

  const parsed = parseInner(packet)
  if (parsed !== PARSED) {
    trace?.step('parse', `not a sound IPv4 or IPv6 packet`)
    return drop(out, parsed)
  }
  trace?.step('parse', `IPv${packet.family}, ${packet.length} octets, TTL ${packet.ttl}, from ${sourceText(packet)}`)

  if (from.mirrors !== undefined) mirrorSent(context, from)
  if (packet.segment > object.mtu) {
    trace?.step('port', `${packet.segment} octets are more than the MTU ${object.mtu} of ${portText(from)}`)
    out.mtu = object.mtu
    return drop(out, REASON['mtu-exceeded'])
  }
  if (!mayComeFrom(context, from)) {
    trace?.step('port', `${portText(from)} may not send from ${sourceText(packet)}`)
    return drop(out, REASON['source-address'])
  }
  if (from.rates?.egress !== undefined && !passRate(context, from.rates.egress)) {
    trace?.step('port', `${portText(from)} sends more than ${rateText(from.rates.egress.limit)}`)
    return drop(out, REASON['egress-rate'])
  }
  if (answerGateway(packet, from, out)) {
    trace?.step('port', `a gateway address of ${portText(from)} answers`)
    return out.verdict
  }
  trace?.step('port', `${portText(from)} may send from ${sourceText(packet)}`)

  const judged = translateAndJudge(context, from)
  if (judged !== PASSED) return drop(out, judged)
  return forward(context, object.vrf, out)
}

/** Steps 3 to 5. Returns `PASSED` or the slot of a drop reason. */
function translateAndJudge(context: Context, from: Port): number {
  const { trace, tables } = context
  const { vrf } = from.object
  trace?.step('flow', from.policy === undefined && tables.nat === undefined ? 'nothing is remembered of a flow' : 'read from the headers')
  const translated = vrf === undefined ? TRANSLATED : serve(context, vrf)
  if (translated !== TRANSLATED) return translated
  if (from.policy !== undefined) return passPolicy(context, from, true)
  trace?.step('policy', 'nothing is filtered')
  return PASSED
}

function mayComeFrom({ packet }: Context, { object }: Port): boolean {
  const { family, source } = packet
  if (!isForwardable(family, source)) return false
  const { allowedSources } = object
  if (allowedSources.length === 0) return true
  for (const prefix of allowedSources) {
    if (covers(prefix, family, source[0], source[1], source[2], source[3])) return true
  }
  return false
}
