import type { DataplaneCapabilities, DataplaneState, Encapsulation } from '@heddle/core'
import { explain, type Explanation, type PacketInput } from '@heddle/forwarding'
import { beginsWithJointLabel } from '@heddle/mpls'
import { IpAddress } from '@heddle/wire'
import { probePacket } from './probe-packet.js'

/** A question to `heddle explain`: a packet from an endpoint of this node, or one from the underlay. */
export interface ExplainRequest {
  /** Name of the VRF that the packet is in; with `from` and `to`, unless `packet` is given. */
  readonly vrf?: string
  /** Source: an address of an endpoint of this node. */
  readonly from?: string
  /** Destination, of the same family. */
  readonly to?: string
  /** Default `icmp`. */
  readonly proto?: 'icmp' | 'tcp' | 'udp'
  /** 0–65,535, default 49,152. */
  readonly sport?: number
  /** 0–65,535, default 80. */
  readonly dport?: number
  /** 0–255, default 64. */
  readonly ttl?: number
  /** Hex: what the outer headers leave, label stack or VXLAN header first; with `mpls-udp-joint` from the joint label on, or from behind it as `heddle trace` shows it. */
  readonly packet?: string
  /** Outer source address of `packet`, and needed with it. */
  readonly tunnelSource?: string
  /** Of `packet`; default `mpls-udp`. */
  readonly encapsulation?: Encapsulation
}

/** What would happen, in words. */
export interface ExplainAnswer {
  readonly steps: readonly { readonly step: string; readonly text: string }[]
  readonly outcome: 'deliver' | 'send' | 'drop'
  /** One sentence. */
  readonly verdict: string
}

/** Why a question has no answer. */
export class ExplainError extends Error {
  override readonly name = 'ExplainError'

  constructor(
    /** What is missing or wrong in the question. */
    readonly code: 'explain.incomplete' | 'explain.value' | 'explain.vrf-unknown' | 'explain.source-unknown',
    message: string,
  ) {
    super(`${message} (${code})`)
  }
}

/**
 * Answers a question from what is really programmed.
 *
 * @param state what `Dataplane.dump` returned
 * @throws ExplainError `explain.incomplete`, `explain.value`, `explain.vrf-unknown`, `explain.source-unknown`
 */
export function explainPacket(request: ExplainRequest, state: DataplaneState, capabilities: DataplaneCapabilities): ExplainAnswer {
  const input = request.packet === undefined ? fromEndpoint(request, state) : fromUnderlay(request)
  const { steps, outcome } = explain(state, input, { capabilities })
  return { steps, outcome: outcome.type, verdict: describe(outcome, state) }
}

function fromEndpoint(request: ExplainRequest, state: DataplaneState): PacketInput {
  const { vrf: name, from, to, proto: protocol = 'icmp', sport: sourcePort = 49_152, dport: destinationPort = 80, ttl = 64 } = request
  if (name === undefined || from === undefined || to === undefined) {
    throw new ExplainError('explain.incomplete', '--vrf, --from and --to are needed, or --packet and --tunnel-source')
  }
  const source = address(from, '--from')
  const destination = address(to, '--to')
  if (source.family !== destination.family) throw new ExplainError('explain.value', `${from} and ${to} are not of one family`)
  if (ttl > 255) throw new ExplainError('explain.value', '--ttl takes 0–255')
  const vrf = state.vrfs.find((candidate) => candidate.name === name)
  if (vrf === undefined) {
    throw new ExplainError(
      'explain.vrf-unknown',
      `there is no VRF ${name}; there is ${state.vrfs.map((known) => known.name).join(', ') || 'none'}`,
    )
  }
  const port = state.ports.find(({ vrf: id, allowedSources }) => id === vrf.id && allowedSources.some((prefix) => prefix.contains(source)))
  if (port === undefined) throw new ExplainError('explain.source-unknown', `no endpoint of ${name} on this node has ${from}`)
  return { from: 'port', port: port.id, packet: probePacket({ source, destination, protocol, sourcePort, destinationPort, ttl }) }
}

function fromUnderlay({ packet: hex = '', tunnelSource, encapsulation = 'mpls-udp' }: ExplainRequest): PacketInput {
  if (tunnelSource === undefined) throw new ExplainError('explain.incomplete', '--packet needs --tunnel-source')
  const digits = hex.replaceAll(/[\s:]/g, '')
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new ExplainError('explain.value', '--packet takes whole octets in hex')
  const packet = Uint8Array.from(digits.match(/../g) ?? [], (octet) => Number.parseInt(octet, 16))
  // Over MPLS in UDP a joint label is passed over; 'mpls-udp-joint' itself says that this was done.
  const isWhole = encapsulation === 'mpls-udp-joint' && beginsWithJointLabel(packet, 0, packet.length)
  return {
    from: 'underlay',
    encapsulation: isWhole ? 'mpls-udp' : encapsulation,
    source: address(tunnelSource, '--tunnel-source'),
    packet,
  }
}

function address(text: string, option: string): IpAddress {
  const value = IpAddress.tryParse(text)
  if (value === undefined) throw new ExplainError('explain.value', `${option} takes an IPv4 or IPv6 address, found ${JSON.stringify(text)}`)
  return value
}

function describe(outcome: Explanation['outcome'], state: DataplaneState): string {
  switch (outcome.type) {
    case 'drop':
      return `dropped: ${outcome.reason}`
    case 'send':
      return `sent to ${outcome.remote} as ${outcome.encapsulation}`
    default: {
      const device = state.devices.find(({ port }) => port === outcome.port)
      return device === undefined
        ? `delivered to port ${outcome.port}, which has no device`
        : `delivered to ${device.ifname}${device.netns === undefined ? '' : ` in ${device.netns}`}`
    }
  }
}
