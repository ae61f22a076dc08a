import { NO_MATCH } from '@heddle/core'
import { outerDscp, pushedEcn, pushedTrafficClass, pushedTtl } from '@heddle/mpls'
import { REASON, drop, roomOf, type Context } from './context.js'
import { cut, mayBeCut } from './cutter.js'
import { encap } from './encapsulate.js'
import { chooseMember, flowHash } from './member.js'
import { DELIVER, type PacketOut, type Verdict } from './packet-out.js'
import { serveReply } from './nat/serve.js'
import { TRANSLATED } from './nat/ends.js'
import { hide } from './nat/hide.js'
import { clampMss } from './mss.js'
import { isForwardable, writeTtl } from './parse.js'
import type { Packet } from './packet.js'
import { PASSED, passPolicy } from './policy/pass-policy.js'
import { passRate, rateText } from './rate/pass-rate.js'
import type { RouteTable } from './routes.js'
import type { Port } from './tables.js'
import type { TunnelHop } from './tunnel-hop.js'
import { actionText, destinationText, portText, vrfText } from './text.js'

/* Steps 6 to 9 of a packet, for both directions: lookup → nexthop → encap → send, or deliver to a port of this router. */

/** VRF lookups in a row after which a packet is taken for looping. */
export const MAX_LOOKUPS = 8

/** Finds the way of the packet in hand in VRF `vrfId`. */
export function forward(context: Context, vrfId: number | undefined, out: PacketOut): Verdict {
  const { tables, packet, trace } = context
  if (!isForwardable(packet.family, packet.destination)) {
    trace?.step('lookup', `${destinationText(packet)} has no place in a VRF`)
    return drop(out, REASON['destination-invalid'])
  }
  const hash = flowHash(packet)
  let id = context.insideVrf ?? vrfId
  context.vrf = id
  for (let lookups = 0; lookups < MAX_LOOKUPS; lookups++) {
    const vrf = id === undefined ? undefined : tables.vrfs.get(id)
    const groupId = vrf === undefined ? NO_MATCH : lookup(vrf.fib, packet)
    if (vrf === undefined || groupId === NO_MATCH) {
      trace?.step('lookup', `no route to ${destinationText(packet)} in ${vrf === undefined ? 'no VRF' : vrfText(vrf)}`)
      return drop(out, REASON['no-route'])
    }
    if (context.learns) vrf.counters.add(packet.length)
    trace?.step('lookup', `${destinationText(packet)} in ${vrfText(vrf)} leads to group ${groupId}`)

    const group = tables.groups.get(groupId)
    const member = group === undefined ? -1 : chooseMember(group, hash, tables)
    const nextHop = member < 0 ? undefined : tables.nextHops.get(group!.members[member].nextHop)
    if (nextHop === undefined) {
      trace?.step('nexthop', `group ${groupId} has no usable member`)
      return drop(out, REASON['no-next-hop'])
    }
    if (context.learns) nextHop.counters.add(packet.length)
    const { action } = nextHop.object
    trace?.step('nexthop', `group ${groupId} leads to next hop ${nextHop.object.id}: ${actionText(action)}`)
    switch (action.type) {
      case 'lookup': {
        const pool = tables.pools.find(id, action.vrf, packet.family)
        const hidden = pool === undefined ? TRANSLATED : hide(context, pool)
        if (hidden !== TRANSLATED) return drop(out, hidden)
        id = action.vrf
        continue
      }
      case 'discard':
        return drop(out, REASON[action.reason ?? 'discard'])
      case 'local':
        return deliver(context, tables.hostPort(id!), out)
      case 'port':
        return deliver(context, tables.ports.get(action.port), out)
      case 'tunnel':
        return send(context, nextHop.tunnel as TunnelHop, hash, out)
    }
  }
  trace?.step('lookup', `${MAX_LOOKUPS} lookups in a row`)
  return drop(out, REASON['lookup-loop'])
}

function lookup(fib: RouteTable, { family, destination }: Packet): number {
  if (family === 4) return fib.lookup4(destination[0])
  return fib.lookup6(destination[0], destination[1], destination[2], destination[3])
}

/** Hands the packet to a port of this router. */
export function deliver(context: Context, port: Port | undefined, out: PacketOut): Verdict {
  const { packet, trace } = context
  if (port === undefined) {
    trace?.step('deliver', 'there is no such port')
    return drop(out, REASON['no-next-hop'])
  }
  const { object } = port
  const isFromUnderlay = context.port === undefined
  context.port ??= port
  if (!context.hasDevice(object.id)) {
    trace?.step('deliver', `${portText(port)} has no device`)
    return drop(out, REASON['port-down'])
  }
  if (!(packet.family === 4 ? port.v4 : port.v6)) {
    trace?.step('deliver', `${portText(port)} does not carry IPv${packet.family}`)
    return drop(out, REASON['family-unsupported'])
  }
  if (packet.ttl <= 1) {
    trace?.step('deliver', `TTL ${packet.ttl} runs out`)
    return drop(out, REASON['ttl-expired'])
  }
  if (port.rates?.ingress !== undefined && !passRate(context, port.rates.ingress)) {
    trace?.step('deliver', `more than ${rateText(port.rates.ingress.limit)} is for ${portText(port)}`)
    return drop(out, REASON['ingress-rate'])
  }
  if (object.vrf !== undefined) serveReply(context, object.vrf)
  if (port.policy !== undefined) {
    const verdict = passPolicy(context, port, false)
    if (verdict !== PASSED) return drop(out, verdict)
  } else if (isFromUnderlay) trace?.step('policy', 'nothing is filtered')
  const isTooLarge = packet.segment > object.mtu
  if (isTooLarge && !mayBeCut(context, object.mtu)) {
    trace?.step('deliver', `${packet.segment} octets are more than the MTU ${object.mtu} of ${portText(port)}`)
    out.mtu = object.mtu
    return drop(out, REASON['mtu-exceeded'])
  }
  writeTtl(packet, packet.ttl - 1)
  if (context.features.mssClamp) clampMss(context, object.clampMss === true, object.mtu, 'deliver')
  if (isTooLarge) {
    trace?.step('deliver', `cut into parts of at most ${object.mtu} octets, to ${portText(port)}, TTL ${packet.ttl}`)
    context.cutter.deliverTo(object.id)
    return cut(context, object.mtu, out)
  }
  trace?.step('deliver', `to ${portText(port)}, TTL ${packet.ttl}`)
  out.offset = packet.offset
  out.length = packet.length
  out.segment = packet.segment
  out.port = object.id
  out.reason = -1
  return (out.verdict = DELIVER)
}

function send(context: Context, hop: TunnelHop, hash: number, out: PacketOut): Verdict {
  const { packet, trace, encapsulations } = context
  const { tunnel } = hop
  if (!encapsulations.has(tunnel.encapsulation)) {
    trace?.step('encap', `${tunnel.encapsulation} is not among this dataplane's encapsulations`)
    return drop(out, REASON['encapsulation-unsupported'])
  }
  if (tunnel.labels.length === 0 && tunnel.encapsulation !== 'vxlan') {
    trace?.step('encap', 'an unlabelled packet would belong to no VRF at the far end')
    return drop(out, REASON['label-stack'])
  }
  if (packet.ttl <= 1) {
    trace?.step('encap', `TTL ${packet.ttl} runs out`)
    return drop(out, REASON['ttl-expired'])
  }
  const mtu = roomOf(context, hop, packet.family) - hop.overhead
  const isTooLarge = packet.segment > mtu
  if (isTooLarge && !mayBeCut(context, mtu)) {
    trace?.step('encap', `${packet.segment} octets are more than the ${mtu} that the tunnel takes`)
    out.mtu = mtu
    return drop(out, REASON['mtu-exceeded'])
  }
  writeTtl(packet, packet.ttl - 1)
  const ttl = pushedTtl(tunnel.ttlModel, packet.ttl)
  const dscp = packet.trafficClass >>> 2
  const trafficClass = pushedTrafficClass(tunnel.trafficClassModel, dscp)
  const ecn = pushedEcn(tunnel.ecn ?? 'compatibility', packet.trafficClass & 3)
  const outer = (outerDscp(tunnel.trafficClassModel, dscp) << 2) | ecn
  if (context.features.mssClamp) clampMss(context, false, mtu, 'encap')
  if (isTooLarge) {
    trace?.step('encap', `cut into parts of at most ${mtu} octets, ${actionText(tunnel)}, label TTL ${ttl}`)
    context.cutter.sendBy(hop, ttl, trafficClass, outer, hash)
    return cut(context, mtu, out)
  }
  encap(context, hop, ttl, trafficClass, outer, hash, out)
  trace?.step('encap', `${actionText(tunnel)}, label TTL ${ttl}, source port ${out.sourcePort}`)
  trace?.step('send', `${out.length} octets to ${tunnel.remote}`)
  return out.verdict
}
