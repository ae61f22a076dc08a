import { PACKET_DESCRIPTOR, PacketSocket } from '@heddle/linux'

const SLOT = 65_536
const BATCH = 32
const EVERYTHING = 3
const IPV4 = 0x0800
const IPV6 = 0x86dd
const ARP = 0x0806

/** How a link is looked at. */
export interface CaptureOptions {
  readonly outgoing?: boolean
  /** Whole frames, ARP among them, instead of IP packets. */
  readonly frames?: boolean
}

/** IP packets, or frames, that arrive at a link, and a way to send some. */
export class Capture implements Disposable {
  /** Frames that were taken from the socket, whatever they carried. */
  taken = 0
  readonly #socket: PacketSocket
  readonly #buffer = new Uint8Array(SLOT * BATCH)
  readonly #descriptors = new Uint32Array(BATCH * PACKET_DESCRIPTOR.words)

  readonly #etherTypes: ReadonlySet<number>

  private constructor(
    socket: PacketSocket,
    readonly link: string,
    frames: boolean,
  ) {
    this.#socket = socket
    this.#etherTypes = new Set(frames ? [IPV4, IPV6, ARP] : [IPV4, IPV6])
  }

  static async open(namespace: string, link: string, { outgoing = false, frames = false }: CaptureOptions = {}): Promise<Capture> {
    return new Capture(await PacketSocket.open({ namespace, link, etherType: EVERYTHING, outgoing, frames }), link, frames)
  }

  /** Packets since the last call. */
  take(): Uint8Array[] {
    const { words, offset, length, etherType } = PACKET_DESCRIPTOR
    const descriptors = this.#descriptors
    const taken: Uint8Array[] = []
    for (;;) {
      const count = this.#socket.receiveBatch(this.#buffer, SLOT, 0, descriptors)
      if (count === 0) return taken
      this.taken += count
      for (let at = 0; at < count * words; at += words) {
        if (!this.#etherTypes.has(descriptors[at + etherType])) continue
        const start = descriptors[at + offset]
        taken.push(this.#buffer.slice(start, start + descriptors[at + length]))
      }
    }
  }

  /** Sends a packet, or a frame, on the link. @param mac of the receiver, e.g. `02:00:00:00:00:01`; left out where links have none */
  send(packet: Uint8Array, mac = '00:00:00:00:00:00'): void {
    this.sendAll([packet], mac)
  }

  /** Sends packets, or frames, in one call, so that they come as closely one behind the other as they can. */
  sendAll(packets: readonly Uint8Array[], mac: string): void {
    const { words, offset, length, etherType, macHigh, macLow } = PACKET_DESCRIPTOR
    const descriptors = new Uint32Array(packets.length * words)
    const octets = mac.split(':').join('')
    let at = 0
    for (const [index, packet] of packets.entries()) {
      const descriptor = descriptors.subarray(index * words)
      descriptor[offset] = at
      descriptor[length] = packet.length
      descriptor[etherType] = packet[0] >> 4 === 6 ? IPV6 : IPV4
      descriptor[macHigh] = Number.parseInt(octets.slice(0, 4), 16)
      descriptor[macLow] = Number.parseInt(octets.slice(4), 16)
      at += packet.length
    }
    this.#socket.sendBatch(Uint8Array.from(Buffer.concat(packets)), descriptors, packets.length)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
