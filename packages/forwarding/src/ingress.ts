import type { Encapsulation, LabelObject } from '@heddle/core'
import {
  IPV4_EXPLICIT_NULL,
  IPV6_EXPLICIT_NULL,
  LABEL_STACK_ENTRY_SIZE,
  MIN_UNRESERVED_LABEL,
  isBottom,
  labelOf,
  labelStackWordAt,
  poppedDscp,
  trafficClassOf,
  ttlOf,
} from '@heddle/mpls'
import { passCongestion } from './congestion.js'
import { REASON, drop, type Context } from './context.js'
import { MAX_LABEL_STACK_DEPTH } from './encapsulate.js'
import { deliver, forward } from './forward.js'
import type { AddressWords, PacketOut, Verdict } from './packet-out.js'
import { serve, TRANSLATED } from './nat/serve.js'
import { isTaken, parseShim } from './parse-outer.js'
import { PARSED, isForwardable, parseInner, writeTrafficClass } from './parse.js'
import { transit } from './transit.js'
import { addressText } from './text.js'
import { vxlanIngress } from './vxlan.js'

/*
 * The way of a packet from the underlay, whose outer IP and UDP headers are gone:
 *
 *   1. parse outer  what is left of the tunnel header: GRE, VXLAN, the label stack itself
 *   2. label        explicit nulls popped, the label found in the incoming label map, its tunnel source checked
 *   3. flow         at a port with a policy, the flow is read from the headers and looked up        ┐
 *   4. service      no address is translated                                                        │ in forward.ts, for
 *   5. policy       what belongs to no flow that was allowed is judged by the port's ingress rules  │ packets from endpoints
 *   6. deliver      to the label's port, or to the one that a lookup in its VRF leads to            ┘ as well
 */

/** Decides about the packet in hand, which came from `source` and starts with what a socket, and a joint label, leave of its tunnel headers. */
export function ingress(context: Context, encapsulation: Encapsulation, source: AddressWords, out: PacketOut): Verdict {
  const { packet, trace } = context

  if (!isTaken(context, encapsulation)) {
    trace?.step('parse outer', `${encapsulation} is not among this dataplane's encapsulations`)
    return drop(out, REASON['encapsulation-unsupported'])
  }
  if (!parseShim(packet, encapsulation, context.found)) {
    trace?.step('parse outer', `malformed ${encapsulation} header`)
    return drop(out, REASON['outer-malformed'])
  }
  return ingressParsed(context, encapsulation, source, out)
}

/** As `ingress`, for a packet that starts with its label stack or VXLAN header. */
export function ingressParsed(context: Context, encapsulation: Encapsulation, source: AddressWords, out: PacketOut): Verdict {
  const { packet, trace, tables } = context
  if (!isTaken(context, encapsulation)) {
    trace?.step('parse outer', `${encapsulation} is not among this dataplane's encapsulations`)
    return drop(out, REASON['encapsulation-unsupported'])
  }
  if (encapsulation === 'vxlan') return vxlanIngress(context, source, out)
  trace?.step('parse outer', `${encapsulation} from ${addressText(source)}, ${packet.length} octets behind the headers`)

  let entry: LabelObject | undefined
  let ttl = 255
  let nullFamily = 0
  for (let depth = 0; depth < MAX_LABEL_STACK_DEPTH; depth++) {
    if (packet.length < LABEL_STACK_ENTRY_SIZE) {
      trace?.step('label', 'the label stack has no bottom')
      return drop(out, REASON['label-stack'])
    }
    const word = labelStackWordAt(packet.bytes, packet.offset)
    const label = labelOf(word)
    const bottom = isBottom(word)
    ttl = Math.min(ttl, ttlOf(word))
    packet.advance(LABEL_STACK_ENTRY_SIZE)

    if (label === IPV4_EXPLICIT_NULL || label === IPV6_EXPLICIT_NULL) {
      trace?.step('label', `explicit null ${label} popped`)
      nullFamily = bottom ? (label === IPV4_EXPLICIT_NULL ? 4 : 6) : 0
    } else if (label < MIN_UNRESERVED_LABEL) {
      trace?.step('label', `special-purpose label ${label} may not arrive here`)
      return drop(out, REASON['label-special'])
    } else if (entry !== undefined) {
      trace?.step('label', `label ${label} below label ${entry.label}, which ends the stack here`)
      return drop(out, REASON['label-stack'])
    } else {
      entry = tables.labels.get(label)
      if (entry === undefined) {
        trace?.step('label', `no entry for label ${label}`)
        return drop(out, REASON['label-unknown'])
      }
      if (!tables.tunnelSources.get(entry.sources)?.set.has(source)) {
        trace?.step('label', `label ${label} is not accepted from ${addressText(source)} (tunnel sources ${entry.sources})`)
        return drop(out, REASON['tunnel-source'])
      }
      if (ttl <= 1) {
        trace?.step('label', `TTL ${ttl} of the label runs out`)
        if (bottom) knowSender(context, entry)
        return drop(out, REASON['ttl-expired'])
      }
      trace?.step('label', `label ${label} is accepted from ${addressText(source)}: ${entry.action.type}`)
      if (context.learns) tables.labelCounters.get(label)?.add(packet.length)
      if (entry.action.type === 'swap') return transit(context, entry.action.nextHop, word, ttl, out)
    }
    if (!bottom) continue

    if (entry === undefined) {
      trace?.step('label', 'nothing below the explicit null names a VRF')
      return drop(out, REASON['label-special'])
    }
    return inner(context, entry, ttl, trafficClassOf(word), nullFamily, out)
  }
  trace?.step('label', `no bottom within ${MAX_LABEL_STACK_DEPTH} labels`)
  return drop(out, REASON['label-stack'])
}

/** A TTL that ran out in the label is that of the packet below it in the uniform model: its sender is told as of any other (RFC 3032 §2.4). */
function knowSender(context: Context, { action }: LabelObject): void {
  const { packet, tables } = context
  if (action.type === 'swap' || parseInner(packet) !== PARSED) return
  context.port = action.type === 'pop-forward' ? tables.ports.get(action.port) : undefined
  context.vrf = action.type === 'pop-lookup' ? action.vrf : context.port?.object.vrf
}

function inner(
  context: Context,
  { action, trafficClassModel = 'pipe' }: LabelObject,
  ttl: number,
  trafficClass: number,
  nullFamily: number,
  out: PacketOut,
): Verdict {
  const { packet, tables } = context
  const parsed = parseInner(packet)
  if (parsed !== PARSED) return drop(out, parsed)
  if (nullFamily !== 0 && nullFamily !== packet.family) return drop(out, REASON['inner-malformed'])
  if (ttl < packet.ttl) packet.ttl = ttl
  if (trafficClassModel === 'uniform') {
    const dscp = poppedDscp('uniform', trafficClass, packet.trafficClass >>> 2)
    writeTrafficClass(packet, (dscp << 2) | (packet.trafficClass & 3))
  }
  if (!passCongestion(context)) return drop(out, REASON.congestion)
  context.trace?.step('flow', 'looked up where policies or services want it')
  const port = action.type === 'pop-forward' ? tables.ports.get(action.port) : undefined
  const vrf = action.type === 'pop-lookup' ? action.vrf : port?.object.vrf
  const translated = vrf === undefined ? TRANSLATED : serve(context, vrf)
  if (translated !== TRANSLATED) return drop(out, translated)
  if (action.type === 'pop-lookup' || context.insideVrf !== undefined) return forward(context, vrf, out)
  if (!isForwardable(packet.family, packet.destination)) return drop(out, REASON['destination-invalid'])
  context.vrf = vrf
  return deliver(context, port, out)
}
