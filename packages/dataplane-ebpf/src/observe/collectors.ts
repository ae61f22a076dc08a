import type { MirrorSink } from '@heddle/core'
import { writeErspan, type ErspanFrame } from '@heddle/forwarding'
import { DATAGRAM_DESCRIPTOR, LinuxError, RawSocket } from '@heddle/linux'
import { IP_PROTOCOL_GRE } from '@heddle/wire'

type ErspanSink = Extract<MirrorSink, { readonly type: 'erspan' }>

/** The largest IP packet. */
const LARGEST = 65_535
/** As of tunnels. */
const OUTER_TTL = 64

/** Sends copies to collectors on the underlay, by ERSPAN. */
export class Collectors {
  readonly #sockets = new Map<string, RawSocket>()
  readonly #buffer = new Uint8Array(LARGEST)
  readonly #descriptor = new Uint32Array(DATAGRAM_DESCRIPTOR.words)

  constructor(private readonly underlayNetns: string | undefined) {}

  /** Has what is sent to a collector leave by a socket of its own. @throws LinuxError */
  async open({ local, remote }: ErspanSink): Promise<void> {
    const name = nameOf(local, remote)
    if (this.#sockets.has(name)) return
    const socket = await RawSocket.open({
      family: local.family,
      protocol: IP_PROTOCOL_GRE,
      bind: local.toString(),
      // It hears the collector alone, and not every tunnel.
      connect: remote.toString(),
      ttl: OUTER_TTL,
      ...(this.underlayNetns === undefined ? {} : { namespace: this.underlayNetns }),
    })
    this.#sockets.set(name, socket)
  }

  /** Closes the sockets of collectors that none of `sinks` is. */
  keep(sinks: readonly ErspanSink[]): void {
    const kept = new Set(sinks.map(({ local, remote }) => nameOf(local, remote)))
    for (const [name, socket] of this.#sockets) {
      if (kept.has(name)) continue
      this.#sockets.delete(name)
      socket.close()
    }
  }

  /** Sends a copy, cut to `mtu` octets with its outer header. What the kernel does not take is lost, and shows as a gap in the sequence. */
  send(frame: ErspanFrame, mtu: number): void {
    const { length } = DATAGRAM_DESCRIPTOR
    const { sink } = frame
    this.#descriptor.fill(0)
    this.#descriptor[length] = writeErspan(frame, 'socket', mtu, this.#buffer, 0)
    try {
      this.#sockets.get(nameOf(sink.local, sink.remote))?.sendBatch(this.#buffer, this.#descriptor, 1)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
  }

  close(): void {
    this.keep([])
  }
}

function nameOf(local: { toString(): string }, remote: { toString(): string }): string {
  return `${local} ${remote}`
}
