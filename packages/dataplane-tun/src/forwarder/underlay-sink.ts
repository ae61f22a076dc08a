import type { ForwardingEngine, PacketOut } from '@heddle/forwarding'
import { DATAGRAM_DESCRIPTOR, LinuxError, type RawSocket, type UdpBatchSocket } from '@heddle/linux'
import { EAGAIN, EINVAL, EMSGSIZE, ENOBUFS } from './errno.js'
import type { PacketMemory } from './packet-memory.js'
import { SINK_CAPACITY, type Sink, type Train } from './sink.js'

const { words, offset, length, status, remote, port, tos, inner, headers, size, stride } = DATAGRAM_DESCRIPTOR

/** Told the remote end of a packet that the underlay found too large. */
type TooLarge = (family: 4 | 6, remote: Uint32Array) => void

/** A socket that packets leave by. */
export class UnderlaySink implements Sink {
  readonly #descriptors = new Uint32Array(SINK_CAPACITY * words)
  #waiting = 0

  constructor(
    readonly socket: UdpBatchSocket | RawSocket,
    private readonly ports: Readonly<Partial<Record<PacketOut['encapsulation'], number>>>,
    private readonly memory: PacketMemory,
    private readonly engine: ForwardingEngine,
    private readonly tooLarge: TooLarge,
  ) {}

  get waiting(): number {
    return this.#waiting
  }

  add(out: PacketOut, train: Readonly<Train>): void {
    const at = this.#waiting++ * words
    const to = this.#descriptors
    to[at + offset] = out.offset
    to[at + length] = out.length
    to[at + remote] = out.remote.w0
    to[at + remote + 1] = out.remote.w1
    to[at + remote + 2] = out.remote.w2
    to[at + remote + 3] = out.remote.w3
    to[at + port] = this.ports[out.encapsulation] ?? 0
    to[at + tos] = out.trafficClass
    to[at + inner] = train.headers === 0 ? 0 : train.ip - out.offset
    to[at + headers] = train.headers
    to[at + size] = train.size
    to[at + stride] = train.stride
  }

  flush(): void {
    const count = this.#waiting
    this.#waiting = 0
    let done = 0
    try {
      done = this.socket.sendBatch(this.memory.bytes, this.#descriptors, count)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      for (let packet = 0; packet < count; packet++) this.engine.countDrop('port-down')
      return
    }
    let largest = -1
    for (let packet = 0; packet < count; packet++) {
      const errno = packet < done ? this.#descriptors[packet * words + status] : EAGAIN
      if (errno === 0) continue
      if (errno === EMSGSIZE || errno === EINVAL) {
        largest = packet
        this.engine.countDrop('mtu-exceeded')
      } else this.engine.countDrop(errno === EAGAIN || errno === ENOBUFS ? 'queue-full' : 'port-down')
    }
    if (largest < 0) return
    const at = largest * words + remote
    this.tooLarge(this.socket.family, this.#descriptors.slice(at, at + 4))
  }
}
