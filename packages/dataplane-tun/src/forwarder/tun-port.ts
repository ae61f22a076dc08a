import type { ForwardingEngine, PacketOut } from '@heddle/forwarding'
import { LinuxError, TUN_DESCRIPTOR, type TunDevice } from '@heddle/linux'
import { ETHERNET_HEADER_SIZE } from '@heddle/wire'
import { EAGAIN, ENOBUFS } from './errno.js'
import type { PacketMemory } from './packet-memory.js'
import { SINK_CAPACITY, type Sink, type Train } from './sink.js'

const { words, offset, length, headers, status, size, stride } = TUN_DESCRIPTOR

/** A port's device, from the side that the virtual router holds. */
export class TunPort implements Sink {
  /** Octets of the link's header before a packet. */
  readonly link: number
  readonly #descriptors = new Uint32Array(SINK_CAPACITY * words)
  #waiting = 0
  #unusable = 0

  constructor(
    readonly port: number,
    readonly device: TunDevice,
    private readonly memory: PacketMemory,
    private readonly engine: ForwardingEngine,
  ) {
    this.link = device.ethernet ? ETHERNET_HEADER_SIZE : 0
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Packets that the device could not hand over whole since this was last asked. */
  unusable(): number {
    const { dropped } = this.device
    const lost = dropped - this.#unusable
    this.#unusable = dropped
    return lost
  }

  add(out: PacketOut, train: Readonly<Train>): void {
    const at = this.#waiting++ * words
    const to = this.#descriptors
    to[at + offset] = out.offset
    to[at + length] = out.length
    to[at + headers] = train.headers
    to[at + size] = train.size
    to[at + stride] = train.stride
  }

  flush(): void {
    const count = this.#waiting
    this.#waiting = 0
    let done = 0
    try {
      done = this.device.writeBatch(this.memory.bytes, this.#descriptors, count)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      // The device is gone; its watch tells so.
      for (let packet = 0; packet < count; packet++) this.engine.countDrop('port-down', this.port)
      return
    }
    for (let packet = 0; packet < count; packet++) {
      const errno = packet < done ? this.#descriptors[packet * words + status] : EAGAIN
      if (errno !== 0) this.engine.countDrop(errno === EAGAIN || errno === ENOBUFS ? 'queue-full' : 'port-down', this.port)
    }
  }
}
