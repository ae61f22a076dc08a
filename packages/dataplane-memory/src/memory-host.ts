import type { IpAddress } from '@heddle/wire'
import type { MemoryEndpoint } from './memory-endpoint.js'
import { echoReply, echoRequest, readPacket, udpPacket } from './host-packets.js'

/** UDP port on which hosts answer with their name. */
export const NAME_PORT = 7

/**
 * A small host behind an endpoint: it answers ICMP echo requests for its addresses, and UDP on port 7 with its own name, so that a test sees not
 * only that somebody answered but who.
 */
export interface MemoryHost {
  readonly name: string
  readonly addresses: readonly IpAddress[]
  /** Whether an ICMP echo to `destination` is answered. */
  ping(destination: IpAddress): boolean
  /** The name of the host that answers for `destination`, or undefined when nobody does. */
  ask(destination: IpAddress): string | undefined
  /** Packets that were neither answered nor awaited: ICMP errors, for example. */
  readonly unclaimed: Uint8Array[]
}

/** A host and the endpoint that it stands behind. */
export interface MemoryHostOptions {
  readonly name: string
  readonly endpoint: MemoryEndpoint
  /** The endpoint's device addresses when left out. */
  readonly addresses?: readonly IpAddress[]
}

/** Puts a host behind an endpoint. Memory networks deliver before `send` returns, so that its answers are there at once. */
export function memoryHost(options: MemoryHostOptions): MemoryHost {
  const { name, endpoint } = options
  const addresses = options.addresses ?? endpoint.device.addresses
  const unclaimed: Uint8Array[] = []
  let sequence = 0
  let awaited: { readonly sequence: number; echo: boolean; name: string | undefined } | undefined

  function sourceFor(destination: IpAddress): IpAddress | undefined {
    return addresses.find(({ family }) => family === destination.family)
  }

  function receive(bytes: Uint8Array): void {
    const packet = readPacket(bytes)
    if (packet === undefined || !addresses.some((address) => address.equals(packet.destination))) {
      unclaimed.push(bytes)
      return
    }
    const { source, destination, echo, udp } = packet
    if (echo?.type === 'echo-request') endpoint.send(echoReply(packet, echo))
    else if (echo !== undefined && awaited !== undefined && echo.sequence === awaited.sequence) awaited.echo = true
    else if (udp?.destinationPort === NAME_PORT) {
      endpoint.send(udpPacket(destination, source, NAME_PORT, udp.sourcePort, new TextEncoder().encode(name)))
    } else if (udp !== undefined && awaited !== undefined && udp.destinationPort === portOf(awaited.sequence)) {
      awaited.name = new TextDecoder().decode(udp.payload)
    } else unclaimed.push(bytes)
  }

  function exchange(destination: IpAddress, make: (source: IpAddress, sequence: number) => Uint8Array): NonNullable<typeof awaited> {
    const waiting: NonNullable<typeof awaited> = { sequence: (sequence = (sequence + 1) & 0x3fff), echo: false, name: undefined }
    const source = sourceFor(destination)
    if (source === undefined) return waiting
    awaited = waiting
    endpoint.send(make(source, waiting.sequence))
    awaited = undefined
    return waiting
  }

  endpoint.onPacket(receive)
  return {
    name,
    addresses,
    unclaimed,
    ping: (destination) => exchange(destination, (source, id) => echoRequest(source, destination, id)).echo,
    ask: (destination) =>
      exchange(destination, (source, id) => udpPacket(source, destination, portOf(id), NAME_PORT, new Uint8Array(0))).name,
  }
}

function portOf(sequence: number): number {
  return 49_152 + sequence
}
