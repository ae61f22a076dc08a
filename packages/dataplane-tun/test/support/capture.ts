import { PACKET_DESCRIPTOR, PacketSocket } from '@heddle/linux'

const SLOT = 65_536
const BATCH = 32
const IPV4 = 0x0800
const IPV6 = 0x86dd

/** IP packets that arrive at a link, and a way to send some. */
export class Capture implements Disposable {
  readonly #sockets: readonly PacketSocket[]
  readonly #buffer = new Uint8Array(SLOT * BATCH)
  readonly #descriptors = new Uint32Array(BATCH * PACKET_DESCRIPTOR.words)

  private constructor(sockets: readonly PacketSocket[]) {
    this.#sockets = sockets
  }

  static async open(namespace: string, link: string, outgoing = false): Promise<Capture> {
    const open = (etherType: number): Promise<PacketSocket> => PacketSocket.open({ namespace, link, etherType, outgoing })
    return new Capture([await open(IPV4), await open(IPV6)])
  }

  /** Packets since the last call. */
  take(): Uint8Array[] {
    const { words, offset, length } = PACKET_DESCRIPTOR
    const taken: Uint8Array[] = []
    for (const socket of this.#sockets) {
      for (;;) {
        const count = socket.receiveBatch(this.#buffer, SLOT, 0, this.#descriptors)
        if (count === 0) break
        for (let at = 0; at < count * words; at += words) {
          const start = this.#descriptors[at + offset]
          taken.push(this.#buffer.slice(start, start + this.#descriptors[at + length]))
        }
      }
    }
    return taken
  }

  /** Sends a packet on the link. @param mac of the receiver, e.g. `02:00:00:00:00:01`; left out where links have none */
  send(packet: Uint8Array, mac = '00:00:00:00:00:00'): void {
    const descriptor = new Uint32Array(PACKET_DESCRIPTOR.words)
    descriptor[PACKET_DESCRIPTOR.length] = packet.length
    descriptor[PACKET_DESCRIPTOR.etherType] = packet[0] >> 4 === 6 ? IPV6 : IPV4
    const octets = mac.split(':').join('')
    descriptor[PACKET_DESCRIPTOR.macHigh] = Number.parseInt(octets.slice(0, 4), 16)
    descriptor[PACKET_DESCRIPTOR.macLow] = Number.parseInt(octets.slice(4), 16)
    this.#sockets[0].sendBatch(packet.slice(), descriptor, 1)
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close()
  }
}
