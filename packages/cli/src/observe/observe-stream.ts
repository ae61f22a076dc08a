import type { EndpointView, MirroredPacket, TracedPacket } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { inPieces } from '../bgp/pieces.js'
import { ControlError, type RowStream } from '../control/protocol.js'
import type { NodeHandle } from '../node/role-handle.js'
import type { EndpointCaptureRequest, TraceRequest } from './observe-request.js'

/** A live packet, and what the dataplane did with it. */
export interface TraceRow {
  /** Milliseconds since 1970. */
  readonly time: number
  /** Packets that fitted since the one before, and are not told of. */
  readonly lost: number
  /** Device of the endpoint that it came from, or the source of its tunnel. */
  readonly from: string
  /** Of a packet from the underlay; null for one from an endpoint. */
  readonly encapsulation: string | null
  /** Its first octets, and how many it had. */
  readonly hex: string
  readonly length: number
  readonly steps: readonly { readonly step: string; readonly text: string }[]
  readonly outcome: TracedPacket['outcome']
  /** Why it was dropped. */
  readonly reason: string | null
}

/** A copy of a packet. */
export interface CaptureRow {
  /** Milliseconds since 1970. */
  readonly time: number
  /** Copies since the one before that were left out. */
  readonly lost: number
  readonly direction: MirroredPacket['direction']
  /** Octets that the packet had. */
  readonly length: number
  readonly hex: string
}

/** Packets as a node forwards them. @param signal ends it */
export function traceStream(node: NodeHandle, { vrf, hosts = [], protocol, port, dropped }: TraceRequest, signal: AbortSignal): RowStream {
  const intent = {
    ends: hosts.map((text) => IpPrefix.parse(text)),
    ...(vrf !== undefined && { vrf }),
    ...(protocol !== undefined && { protocol }),
    ...(port !== undefined && { port }),
    ...(dropped !== undefined && { dropped }),
  }
  return inPieces(traceRows(node.trace(intent, signal), node))
}

/** Copies of the packets of an endpoint. @param signal ends it @throws ControlError `control.params` */
export function captureStream(node: NodeHandle, request: EndpointCaptureRequest, signal: AbortSignal): RowStream {
  const { direction, snapLength } = request
  const { netns, ifname } = endpointOf(node, request)
  const copies = node.capture({ netns, ifname, ...(direction && { direction }), ...(snapLength && { snapLength }) }, signal)
  return inPieces(captureRows(copies))
}

function endpointOf({ endpoints }: NodeHandle, { address: text, vrf }: EndpointCaptureRequest): EndpointView {
  const address = IpAddress.parse(text)
  const found = endpoints.list().filter((one) => (vrf === undefined || one.vrf === vrf) && one.addresses.some((own) => own.equals(address)))
  const [endpoint] = found
  if (endpoint === undefined) {
    throw new ControlError('control.params', `no endpoint${vrf === undefined ? '' : ` of vrf ${vrf}`} has the address ${text}`)
  }
  if (found.length > 1) {
    throw new ControlError(
      'control.params',
      `endpoints of ${found.map((one) => one.vrf).join(' and ')} have the address ${text}: name the vrf`,
    )
  }
  return endpoint
}

async function* traceRows(packets: AsyncIterable<TracedPacket>, node: NodeHandle): AsyncGenerator<TraceRow> {
  let next = 0
  for await (const { sequence, time, from, packet, length, steps, outcome, reason = null } of packets) {
    const place = from.type === 'port' ? deviceName(node, from.port) : `tunnel source ${from.source}`
    const encapsulation = from.type === 'port' ? null : from.encapsulation
    yield { time, lost: Math.max(0, sequence - next), from: place, encapsulation, hex: hex(packet), length, steps, outcome, reason }
    next = sequence + 1
  }
}

async function* captureRows(packets: AsyncIterable<MirroredPacket>): AsyncGenerator<CaptureRow> {
  let next: number | undefined
  for await (const { sequence, time, direction, length, packet } of packets) {
    yield { time, lost: next === undefined ? 0 : Math.max(0, sequence - next), direction, length, hex: hex(packet) }
    next = sequence + 1
  }
}

function deviceName(node: NodeHandle, port: number): string {
  const endpoint = node.endpointAt(port)
  return endpoint === undefined ? `port ${port}` : `${endpoint.ifname} of ${endpoint.netns}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
