import { DROP_REASONS } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { REASON, drop, newContext, type Context } from './context.js'
import { egress } from './egress.js'
import { HEADROOM } from './encapsulate.js'
import type { Explanation, PacketInput } from './explain.js'
import { ingress } from './ingress.js'
import { passJointLabel } from './parse-outer.js'
import { DROP, FRAGMENT, PacketOut, SEND, type AddressWords } from './packet-out.js'
import { Trace } from './trace/trace.js'

/** Sends a packet through the steps with a context of its own, which remembers nothing; `around` says with which tables. */
export function explainPacket(around: Context, input: PacketInput): Explanation {
  const bytes = new Uint8Array(HEADROOM + input.packet.length)
  bytes.set(input.packet, HEADROOM)
  const trace = new Trace()
  const from = input.from === 'port' ? around.tables.ports.get(input.port) : undefined
  const context: Context = { ...newContext(around), learns: false, trace }
  context.outerTrafficClass = input.from === 'underlay' ? (input.trafficClass ?? -1) : -1
  context.port = from
  context.vrf = from?.object.vrf
  const out = new PacketOut()
  context.packet.at(bytes, HEADROOM, input.packet.length, input.packet.length)
  if (input.from === 'underlay') ingress(context, passJointLabel(context.packet, input.encapsulation), input.source, out)
  else if (from === undefined) {
    trace.step('port', `there is no port ${input.port}`)
    drop(out, REASON['port-down'])
  } else egress(context, from, out)
  if (out.verdict !== FRAGMENT) return { steps: trace.steps, outcome: outcomeOf(bytes, out) }
  const outcomes: Explanation['outcome'][] = []
  const part = new Uint8Array(HEADROOM + out.mtu)
  while (context.cutter.next(context, part, HEADROOM, out) !== DROP) outcomes.push(outcomeOf(part, out))
  return { steps: trace.steps, outcome: { ...outcomes[0], fragments: outcomes.length } as Explanation['outcome'] }
}

function outcomeOf(bytes: Uint8Array, out: PacketOut): Explanation['outcome'] {
  if (out.verdict === DROP) return { type: 'drop', reason: DROP_REASONS[out.reason] }
  const packet = bytes.slice(out.offset, out.offset + out.length)
  if (out.verdict === SEND) {
    const { nextHop, encapsulation, sourcePort } = out
    return { type: 'send', nextHop, encapsulation, local: addressOf(out.local), remote: addressOf(out.remote), sourcePort, packet }
  }
  return { type: 'deliver', port: out.port, packet }
}

function addressOf({ family, w0, w1, w2, w3 }: AddressWords): IpAddress {
  return family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
}
