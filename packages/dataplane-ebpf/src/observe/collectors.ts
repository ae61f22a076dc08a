import type { MirrorSink } from '@heddle/core'
import { writeErspan, type ErspanFrame } from '@heddle/forwarding'
import { DATAGRAM_DESCRIPTOR, LinuxError, RawSocket } from '@heddle/linux'
import { IP_PROTOCOL_GRE } from '@heddle/wire'

type ErspanSink = Extract<MirrorSink, { readonly type: 'erspan' }>

/** The largest IP packet. */
const LARGEST = 65_535
/** As of tunnels. */
const OUTER_TTL = 64

/** How often the socket of a collector is asked for that could not be had, milliseconds. */
const PAUSE = 1000

/** Sends copies to collectors on the underlay, by ERSPAN. */
export class Collectors {
  readonly #sockets = new Map<string, RawSocket>()
  /** Collectors whose socket could not be had, and when it is asked for again; see `performance.now`. */
  readonly #missing = new Map<string, number>()
  readonly #buffer = new Uint8Array(LARGEST)
  readonly #descriptor = new Uint32Array(DATAGRAM_DESCRIPTOR.words)

  /** @param vrf VRF device that the uplink is in: the addresses of the underlay, and its routes, are that one's */
  constructor(
    private readonly underlayNetns: string | undefined,
    private readonly vrf: string | undefined,
  ) {}

  /** Has what is sent to a collector leave by a socket of its own. @throws LinuxError */
  async open(sink: ErspanSink): Promise<void> {
    const name = nameOf(sink.local, sink.remote)
    if (this.#sockets.has(name)) return
    const socket = await this.#connect(sink)
    // Another one may have come meanwhile, which was asked for again.
    if (this.#sockets.has(name)) return socket.close()
    this.#missing.delete(name)
    this.#sockets.set(name, socket)
  }

  /** As `open`, of what cannot be had now: it is asked for again when there is something to send. The reason; undefined when it was had. */
  async openSometime(sink: ErspanSink): Promise<string | undefined> {
    try {
      await this.open(sink)
      return undefined
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#missing.set(nameOf(sink.local, sink.remote), performance.now() + PAUSE)
      return error.message
    }
  }

  #connect({ local, remote }: ErspanSink): Promise<RawSocket> {
    return RawSocket.open({
      family: local.family,
      protocol: IP_PROTOCOL_GRE,
      bind: local.toString(),
      // It hears the collector alone, and not every tunnel.
      connect: remote.toString(),
      ttl: OUTER_TTL,
      ...(this.underlayNetns === undefined ? {} : { namespace: this.underlayNetns }),
      ...(this.vrf === undefined ? {} : { link: this.vrf }),
    })
  }

  /** Closes the sockets of collectors that none of `sinks` is. */
  keep(sinks: readonly ErspanSink[]): void {
    const kept = new Set(sinks.map(({ local, remote }) => nameOf(local, remote)))
    for (const [name, socket] of this.#sockets) {
      if (kept.has(name)) continue
      this.#sockets.delete(name)
      socket.close()
    }
    for (const name of this.#missing.keys()) if (!kept.has(name)) this.#missing.delete(name)
  }

  /** Sends a copy, cut to `mtu` octets with its outer header. What the kernel does not take is lost, and shows as a gap in the sequence. */
  send(frame: ErspanFrame, mtu: number): void {
    const { length } = DATAGRAM_DESCRIPTOR
    const { sink } = frame
    const name = nameOf(sink.local, sink.remote)
    const socket = this.#sockets.get(name)
    if (socket === undefined) return this.#tryAgain(name, sink)
    this.#descriptor.fill(0)
    this.#descriptor[length] = writeErspan(frame, 'socket', mtu, this.#buffer, 0)
    try {
      socket.sendBatch(this.#buffer, this.#descriptor, 1)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
  }

  close(): void {
    this.keep([])
  }

  #tryAgain(name: string, sink: ErspanSink): void {
    const due = this.#missing.get(name)
    if (due === undefined || performance.now() < due) return
    // Not while it is asked for.
    this.#missing.set(name, Number.POSITIVE_INFINITY)
    void this.#connect(sink).then(
      (socket) => {
        // Nobody may want it by now.
        if (this.#missing.delete(name)) this.#sockets.set(name, socket)
        else socket.close()
      },
      (error: unknown) => {
        if (!(error instanceof LinuxError)) throw error
        if (this.#missing.has(name)) this.#missing.set(name, performance.now() + PAUSE)
      },
    )
  }
}

function nameOf(local: { toString(): string }, remote: { toString(): string }): string {
  return `${local} ${remote}`
}
