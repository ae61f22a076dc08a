import {
  DELIVER,
  DROP,
  FRAGMENT,
  HEADROOM,
  PacketOut,
  SEND,
  type AddressWords,
  type ForwardingEngine,
  type Verdict,
} from '@heddle/forwarding'
import { DATAGRAM_DESCRIPTOR, LinuxError, RawSocket, TUN_DESCRIPTOR, splitTrain } from '@heddle/linux'
import { BATCH, MESSAGES, SOCKET_SLOT, type PacketMemory } from './packet-memory.js'
import { SINGLE, SINK_CAPACITY, type Sink, type Train } from './sink.js'
import type { TunPort } from './tun-port.js'
import type { Receiver } from './underlay.js'

/*
 * The way of packets through the forwarder, once something is ready:
 *
 *   1. read     a batch into memory, headroom before each packet; what is several packets yet stays one, a train
 *   2. decide   the engine writes headers in place, or takes them off, and says where to
 *   3. sort     each packet is noted at the sink it leaves by; nothing is copied
 *   4. flush    each sink hands its batch to the kernel
 */

/** Datagrams and trains that are taken out of the messages of one batch. */
const UNPACKED = 1024

/** Packets that a train is split into at most: 64 KiB of the smallest that TCP allows. */
const MOST_SPLIT = 2048

const IPV4_DF = 0x40

/** Where packets leave by. */
export interface Sinks {
  /** Device of a port; undefined when it has none. */
  device(port: number): Sink | undefined
  /** Socket of a tunnel; undefined when none has its local address. */
  underlay(out: PacketOut): Sink | undefined
}

/** Forwards batches, in whatever thread, and knows nothing of what wakes it. */
export class ForwardingLoop {
  readonly #engine: ForwardingEngine
  readonly #memory: PacketMemory
  readonly #sinks: Sinks
  readonly #out = new PacketOut()
  readonly #packets = new Uint32Array(BATCH * TUN_DESCRIPTOR.words)
  readonly #messages = new Uint32Array(UNPACKED * DATAGRAM_DESCRIPTOR.words)
  readonly #places = new Uint32Array(MOST_SPLIT * 2)
  readonly #source: { -readonly [word in keyof AddressWords]: AddressWords[word] } = { family: 4, w0: 0, w1: 0, w2: 0, w3: 0 }
  readonly #train: Train = { ip: 0, headers: 0, size: 0, stride: 0 }
  /** Sinks that have packets of this batch. */
  readonly #touched: Sink[] = []

  constructor(engine: ForwardingEngine, memory: PacketMemory, sinks: Sinks) {
    this.#engine = engine
    this.#memory = memory
    this.#sinks = sinks
  }

  /** Forwards one batch that comes out of a port's device; true when there may be more. @throws LinuxError when it cannot be read */
  fromPort(from: TunPort): boolean {
    const { words, offset, length, headers, size, stride } = TUN_DESCRIPTOR
    const { port, link } = from
    const packets = this.#packets
    const count = from.device.readBatch(this.#memory.device, HEADROOM, packets)
    for (let packet = 0; packet < count; packet++) {
      const at = packet * words
      const [start, octets] = [packets[at + offset], packets[at + length]]
      if (packets[at + headers] === 0) this.#route(this.#decide(from, start, octets, octets), SINGLE)
      else
        this.#trainFromPort(from, start, octets, this.#hold(start + link, packets[at + headers], packets[at + size], packets[at + stride]))
    }
    this.flush()
    for (let lost = from.unusable(); lost > 0; lost--) this.#engine.countDrop('inner-malformed', port)
    return count === BATCH
  }

  /** Forwards one batch that arrived at a socket; true when there may be more. @throws LinuxError when it cannot be received */
  fromUnderlay(receiver: Receiver): boolean {
    for (;;) {
      const isFull = this.#received(receiver)
      // What was received and found no descriptor is known to nobody else.
      if (receiver.socket instanceof RawSocket || !receiver.socket.hasWaiting) return isFull
    }
  }

  #received(receiver: Receiver): boolean {
    const { socket } = receiver
    const { words, offset, length, status, remote, tos, inner, headers, size, stride } = DATAGRAM_DESCRIPTOR
    const messages = this.#messages
    const source = this.#source
    const count = this.#receive(receiver)
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
      const [start, octets] = [messages[at + offset], messages[at + length]]
      if (messages[at + headers] === 0) this.#datagram(receiver, start, octets, messages[at + tos])
      else {
        const train = this.#hold(start + messages[at + inner], messages[at + headers], messages[at + size], messages[at + stride])
        this.#trainFromUnderlay(receiver, start, octets, messages[at + tos], train)
      }
    }
    this.flush()
    return count >= MESSAGES
  }

  /** Hands everything over that waits in sinks. */
  flush(): void {
    this.#copies()
    this.#empty()
    this.#memory.reset()
  }

  #receive({ socket, encapsulation }: Receiver): number {
    const { receive, unpack, slots } = this.#memory
    // What has no UDP header is not coalesced either.
    if (socket instanceof RawSocket) return socket.receiveBatch(receive, SOCKET_SLOT, HEADROOM, this.#messages)
    return socket.receivePackets(unpack, slots, SOCKET_SLOT, HEADROOM, encapsulation === 'vxlan' ? 'vxlan' : 'mpls', this.#messages)
  }

  #datagram({ encapsulation }: Receiver, offset: number, length: number, trafficClass: number): void {
    const { bytes } = this.#memory
    this.#route(this.#engine.fromUnderlay(encapsulation, this.#source, bytes, offset, length, this.#out, length, trafficClass), SINGLE)
  }

  /** @param segment octets of the largest packet, or frame, once it is cut */
  #decide({ port, link }: TunPort, offset: number, length: number, segment: number): Verdict {
    const { bytes } = this.#memory
    if (link > 0) return this.#engine.fromLink(port, bytes, offset, length, this.#out, segment)
    return this.#engine.fromPort(port, bytes, offset, length, this.#out, segment)
  }

  #trainFromPort(from: TunPort, offset: number, length: number, train: Train): void {
    const { bytes } = this.#memory
    const { ip } = train
    // What may have to be fragmented is decided packet by packet, and so is what someone looks at.
    const isApart = this.#engine.isObserved || (bytes[ip] >>> 4 === 4 && (bytes[ip + 6] & IPV4_DF) === 0)
    if (!isApart) {
      this.#route(this.#decide(from, offset, length, from.link + train.headers + train.size), train)
      return
    }
    const count = this.#split(train, offset, length)
    if (count === 0) this.#engine.countDrop('inner-malformed', from.port)
    for (let packet = 0; packet < count; packet++) {
      const [start, octets] = [this.#places[packet * 2], this.#places[packet * 2 + 1]]
      this.#route(this.#decide(from, start, octets, octets), SINGLE)
    }
  }

  #trainFromUnderlay(receiver: Receiver, offset: number, length: number, trafficClass: number, train: Train): void {
    const { bytes } = this.#memory
    if (!this.#engine.isObserved) {
      const first = train.ip - offset + train.headers + train.size
      const { encapsulation } = receiver
      this.#route(this.#engine.fromUnderlay(encapsulation, this.#source, bytes, offset, length, this.#out, first, trafficClass), train)
      return
    }
    const count = this.#split(train, offset, length)
    if (count === 0) this.#engine.countDrop('outer-malformed')
    for (let packet = 0; packet < count; packet++) {
      this.#datagram(receiver, this.#places[packet * 2], this.#places[packet * 2 + 1], trafficClass)
    }
  }

  #hold(ip: number, headers: number, size: number, stride: number): Train {
    const train = this.#train
    train.ip = ip
    train.headers = headers
    train.size = size
    train.stride = stride
    return train
  }

  /** Writes the packets of a train apart; how many there are, 0 when they are too many. */
  #split(train: Train, offset: number, length: number): number {
    const words = { offset, length, headers: train.headers, size: train.size, stride: train.stride }
    for (const isSecond of [false, true]) {
      const room = this.#memory.splitRoom
      try {
        const count = splitTrain(this.#memory.splittable, words, train.ip - offset, room, HEADROOM, this.#places)
        const last = (count - 1) * 2
        this.#memory.splitRoom = this.#places[last] + this.#places[last + 1]
        return count
      } catch (error) {
        if (!(error instanceof LinuxError) || isSecond) break
        // The room is taken by packets that wait.
        this.flush()
      }
    }
    return 0
  }

  #route(verdict: Verdict, train: Readonly<Train>): void {
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
    // What the engine made itself, an ICMP error, is a packet of its own.
    if (sink.waiting === 0) this.#touched.push(sink)
    sink.add(out, out.segment < out.length ? train : SINGLE)
    if (sink.waiting === SINK_CAPACITY) sink.flush()
  }

  /** Each part of a packet that is cut gets room of its own: it waits in a sink while the next one is written. */
  #cut(): void {
    const { mtu } = this.#out
    for (;;) {
      const verdict = this.#engine.nextFragment(this.#memory.bytes, this.#partRoom(mtu), this.#out)
      if (verdict === DROP) return
      this.#route(verdict, SINGLE)
    }
  }

  /** What was copied for the collectors of mirrors. */
  #copies(): void {
    while (this.#engine.hasCopies) {
      this.#route(this.#engine.nextCopy(this.#memory.bytes, this.#partRoom(this.#engine.underlayMtu), this.#out), SINGLE)
    }
  }

  #partRoom(octets: number): number {
    const room = this.#memory.partRoom(octets)
    if (room >= 0) return room
    this.#empty()
    this.#memory.resetParts()
    return this.#memory.partRoom(octets)
  }

  #empty(): void {
    for (const sink of this.#touched) if (sink.waiting > 0) sink.flush()
    this.#touched.length = 0
  }
}
