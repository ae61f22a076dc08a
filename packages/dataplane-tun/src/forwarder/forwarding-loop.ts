import type { Encapsulation } from '@heddle/core'
import { DELIVER, DROP, FRAGMENT, HEADROOM, PacketOut, SEND, type ForwardingEngine, type Verdict } from '@heddle/forwarding'
import type { Logger } from '@heddle/io'
import { DATAGRAM_DESCRIPTOR, LinuxError, READINESS, TUN_DESCRIPTOR, type Poller, type Watch } from '@heddle/linux'
import { BATCH, SOCKET_SLOT, type PacketMemory } from './packet-memory.js'
import { SINK_CAPACITY, type Sink } from './sink.js'
import type { TunPort } from './tun-port.js'
import type { Receiver } from './underlay.js'

/*
 * The way of packets through the forwarder:
 *
 *   1. wake     the poller says which devices and sockets have packets
 *   2. read     a batch into memory, headroom before each packet
 *   3. decide   the engine writes headers in place, or takes them off, and says where to
 *   4. sort     each packet is noted at the sink it leaves by; nothing is copied
 *   5. flush    each sink hands its batch to the kernel
 *
 * One source gives at most `TURNS` batches a wake; then the others have their turn, and timers and the agent's socket theirs.
 */

const TURNS = 4

/** How long a device that is down is left alone, milliseconds. */
const PAUSE = 250

/** Where packets leave by. */
export interface Sinks {
  /** Device of a port; undefined when it has none. */
  device(port: number): Sink | undefined
  /** Socket of a tunnel; undefined when none has its local address. */
  underlay(out: PacketOut): Sink | undefined
}

export class ForwardingLoop {
  readonly #poller: Poller
  readonly #engine: ForwardingEngine
  readonly #memory: PacketMemory
  readonly #sinks: Sinks
  readonly #logger: Logger
  readonly #out = new PacketOut()
  readonly #packets = new Uint32Array(BATCH * TUN_DESCRIPTOR.words)
  readonly #messages = new Uint32Array(BATCH * DATAGRAM_DESCRIPTOR.words)
  readonly #source: { family: 4 | 6; w0: number; w1: number; w2: number; w3: number } = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 }
  /** Sinks that have packets of this batch. */
  readonly #touched = new Set<Sink>()

  constructor(poller: Poller, engine: ForwardingEngine, memory: PacketMemory, sinks: Sinks, logger: Logger) {
    this.#logger = logger
    this.#poller = poller
    this.#engine = engine
    this.#memory = memory
    this.#sinks = sinks
  }

  /**
   * Forwards what comes out of a port's device.
   *
   * @param gone called once when the device is there no more
   */
  watchPort(port: TunPort, gone: (reason: string) => void): Watch {
    const slot = Math.min(SOCKET_SLOT, HEADROOM + Math.max(port.facts.mtu, 1280))
    return this.#watch(port.device.fd, () => this.#fromPort(port, slot), gone)
  }

  /** Forwards what arrives at a socket. */
  watchUnderlay(receiver: Receiver, gone: (reason: string) => void): Watch {
    return this.#watch(receiver.socket.fd, () => this.#fromUnderlay(receiver), gone)
  }

  /** @param turn reads and forwards one batch; true when there may be more */
  #watch(fd: number, turn: () => boolean, gone: (reason: string) => void): Watch {
    let pause: NodeJS.Timeout | undefined
    let closed = false
    const watch = this.#poller.watch(fd, READINESS.readable, () => {
      try {
        for (let turns = 0; turns < TURNS && turn(); turns++);
        if (!closed) watch.rearm()
      } catch (error) {
        if (closed) return
        if (!(error instanceof LinuxError)) {
          // A fault in one packet's way must not end the way of all others.
          this.#logger.error('A batch was not forwarded whole', { reason: error instanceof Error ? error.stack : String(error) })
          this.#flush()
          watch.rearm()
          return
        }
        if (PASSING.has(error.code)) {
          pause = setTimeout(() => watch.rearm(), PAUSE).unref()
          return
        }
        stop()
        gone(error.message)
      }
    })
    const stop = (): void => {
      closed = true
      clearTimeout(pause)
      watch.close()
    }
    return { rearm: (interest) => watch.rearm(interest), close: stop }
  }

  #fromPort(port: TunPort, slot: number): boolean {
    const { words, offset, length } = TUN_DESCRIPTOR
    const packets = this.#packets
    const count = port.device.readBatch(this.#memory.receive, slot, HEADROOM, packets)
    for (let packet = 0; packet < count; packet++) {
      const at = packet * words
      this.#route(this.#engine.fromPort(port.port, this.#memory.bytes, packets[at + offset], packets[at + length], this.#out))
    }
    this.#flush()
    for (let lost = port.unusable(); lost > 0; lost--) this.#engine.countDrop('inner-malformed', port.port)
    return count === BATCH
  }

  #fromUnderlay({ socket, encapsulation }: Receiver): boolean {
    const { words, offset, length, segment, status, remote, tos } = DATAGRAM_DESCRIPTOR
    const messages = this.#messages
    const source = this.#source
    const count = socket.receiveBatch(this.#memory.receive, SOCKET_SLOT, HEADROOM, messages)
    source.family = socket.family
    for (let message = 0; message < count; message++) {
      const at = message * words
      if (messages[at + status] !== 0) {
        this.#engine.countDrop('outer-malformed')
        continue
      }
      source.w0 = messages[at + remote]
      source.w1 = messages[at + remote + 1]
      source.w2 = messages[at + remote + 2]
      source.w3 = messages[at + remote + 3]
      this.#datagrams(encapsulation, messages[at + offset], messages[at + length], messages[at + segment], messages[at + tos])
    }
    this.#flush()
    return count === BATCH
  }

  /** One message: a datagram, or several of `segment` octets that the kernel coalesced. */
  #datagrams(encapsulation: Encapsulation, offset: number, length: number, segment: number, trafficClass: number): void {
    const { bytes } = this.#memory
    if (segment === 0 || segment >= length) {
      this.#route(this.#engine.fromUnderlay(encapsulation, this.#source, bytes, offset, length, this.#out, length, trafficClass))
      return
    }
    for (let done = 0; done < length; done += segment) {
      const size = Math.min(segment, length - done)
      let at = offset + done
      if (done > 0) {
        // Before it lies a datagram that still waits in a sink: headroom has to be had elsewhere.
        if (!this.#memory.hasRoom(size)) this.#flush()
        at = this.#memory.copy(at, size)
      }
      this.#route(this.#engine.fromUnderlay(encapsulation, this.#source, bytes, at, size, this.#out, size, trafficClass))
    }
  }

  #route(verdict: Verdict): void {
    const out = this.#out
    let sink: Sink | undefined
    if (verdict === DELIVER) sink = this.#sinks.device(out.port)
    else if (verdict === SEND) sink = this.#sinks.underlay(out)
    else if (verdict === FRAGMENT) return this.#cut()
    else return
    if (sink === undefined) {
      this.#engine.countDrop('port-down', verdict === DELIVER ? out.port : -1)
      return
    }
    sink.add(out)
    this.#touched.add(sink)
    if (sink.waiting === SINK_CAPACITY) sink.flush()
  }

  /** Each part of a packet that is cut gets room of its own: it waits in a sink while the next one is written. */
  #cut(): void {
    const { mtu } = this.#out
    for (;;) {
      let room = this.#memory.partRoom(mtu)
      if (room < 0) {
        this.#empty()
        this.#memory.resetParts()
        room = this.#memory.partRoom(mtu)
      }
      const verdict = this.#engine.nextFragment(this.#memory.bytes, room, this.#out)
      if (verdict === DROP) return
      this.#route(verdict)
    }
  }

  /** What was copied for the collectors of mirrors. */
  #copies(): void {
    while (this.#engine.hasCopies) {
      let room = this.#memory.partRoom(this.#engine.underlayMtu)
      if (room < 0) {
        this.#empty()
        this.#memory.resetParts()
        room = this.#memory.partRoom(this.#engine.underlayMtu)
      }
      this.#route(this.#engine.nextCopy(this.#memory.bytes, room, this.#out))
    }
  }

  #flush(): void {
    this.#copies()
    this.#empty()
    this.#memory.reset()
  }

  #empty(): void {
    for (const sink of this.#touched) if (sink.waiting > 0) sink.flush()
    this.#touched.clear()
  }
}

/** Errors of a read that are over some time: the device was set down, memory ran out. */
const PASSING: ReadonlySet<string> = new Set(['EIO', 'ENETDOWN', 'ENOBUFS', 'ENOMEM', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'])
