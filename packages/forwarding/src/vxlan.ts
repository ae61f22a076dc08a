import { VXLAN_HEADER_SIZE, vxlanIsValid, vxlanVni } from '@heddle/mpls'
import { ETHERNET_HEADER_SIZE, ETHER_TYPE_IPV4, ETHER_TYPE_IPV6 } from '@heddle/wire'
import { passCongestion } from './congestion.js'
import { REASON, drop, type Context } from './context.js'
import { forward } from './forward.js'
import { serve, TRANSLATED } from './nat/serve.js'
import type { AddressWords, PacketOut, Verdict } from './packet-out.js'
import { PARSED, parseInner } from './parse.js'
import { addressText } from './text.js'

/** The way of a packet from a VXLAN tunnel (RFC 7348 §5) between routers (RFC 9135 §4.1): the VNI stands for the label. */
export function vxlanIngress(context: Context, source: AddressWords, out: PacketOut): Verdict {
  const { packet, trace, tables } = context
  const { bytes, view, offset } = packet
  if (packet.length < VXLAN_HEADER_SIZE + ETHERNET_HEADER_SIZE || !vxlanIsValid(bytes, offset)) {
    trace?.step('parse outer', 'malformed VXLAN header')
    return drop(out, REASON['outer-malformed'])
  }
  const vni = vxlanVni(bytes, offset)
  trace?.step('parse outer', `vxlan from ${addressText(source)}, VNI ${vni}`)

  const entry = tables.vnis.get(vni)
  if (entry === undefined) {
    trace?.step('label', `no VRF for VNI ${vni}`)
    return drop(out, REASON['vni-unknown'])
  }
  if (!tables.tunnelSources.get(entry.sources)?.set.has(source)) {
    trace?.step('label', `VNI ${vni} is not accepted from ${addressText(source)} (tunnel sources ${entry.sources})`)
    return drop(out, REASON['tunnel-source'])
  }
  const frame = offset + VXLAN_HEADER_SIZE
  const { high, low } = entry.routerMac
  if (view.getUint32(frame) !== ((high << 8) | (low >>> 16)) >>> 0 || view.getUint16(frame + 4) !== (low & 0xffff)) {
    trace?.step('label', `the frame is not for router MAC ${entry.routerMac}`)
    return drop(out, REASON['destination-invalid'])
  }
  const etherType = view.getUint16(frame + 12)
  packet.advance(VXLAN_HEADER_SIZE + ETHERNET_HEADER_SIZE)
  if (etherType !== ETHER_TYPE_IPV4 && etherType !== ETHER_TYPE_IPV6) return drop(out, REASON['family-unsupported'])
  const parsed = parseInner(packet)
  if (parsed !== PARSED) return drop(out, parsed)
  if ((etherType === ETHER_TYPE_IPV4) !== (packet.family === 4)) return drop(out, REASON['inner-malformed'])
  trace?.step('label', `VNI ${vni} is accepted from ${addressText(source)}: look up in VRF ${entry.vrf}`)

  if (!passCongestion(context)) return drop(out, REASON.congestion)
  trace?.step('flow', 'looked up where policies or services want it')
  const translated = serve(context, entry.vrf)
  if (translated !== TRANSLATED) return drop(out, translated)
  return forward(context, entry.vrf, out)
}
