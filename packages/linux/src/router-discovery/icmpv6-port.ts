import {
  ByteReader,
  ICMPV6_ROUTER_ADVERTISEMENT,
  ICMPV6_ROUTER_SOLICITATION,
  IP_PROTOCOL_ICMPV6,
  IpAddress,
  WireError,
  decodeIcmpv6,
  encodeIcmpv6,
  icmpv6Size,
  type Icmpv6Message,
} from '@heddle/wire'
import { DATAGRAM_BATCH, DATAGRAM_DESCRIPTOR as D, readAddressWords, writeAddressWords } from '../datagram-descriptor.js'
import type { NamespaceReference } from '../network-namespace.js'
import { READINESS, type Watch } from '../poller.js'
import { RawSocket } from '../raw-socket.js'
import type { Readiness } from '../tcp/readiness.js'
import { errnoName } from '../probe.js'
import { LinuxError } from '../linux-error.js'
import { ALL_ROUTERS, type HeardMessage } from './router-protocol.js'

/** Octets of a message that are looked at: those of all options that routers send, and what is longer is none of them. */
const SLOT = 1500
const HOP_LIMIT = 255
const UNSPECIFIED = IpAddress.v6(0, 0, 0, 0)

/** Where messages of a link go to. */
export interface Icmpv6PortOptions {
  readonly device: string
  readonly namespace: NamespaceReference | undefined
  readonly readiness: Readiness
  received(heard: HeardMessage): void
  /** The socket is of no use any more, such as when its device is gone; it is closed. */
  failed(error: unknown): void
}

/** Messages of router discovery on one device. */
export class Icmpv6Port {
  readonly #buffer = new Uint8Array(SLOT * DATAGRAM_BATCH)
  readonly #descriptors = new Uint32Array(D.words * DATAGRAM_BATCH)
  readonly #watch: Watch
  #open = true

  private constructor(
    private readonly socket: RawSocket,
    private readonly options: Icmpv6PortOptions,
  ) {
    this.#watch = options.readiness.watch(socket.fd, READINESS.readable, () => this.#receive())
  }

  /** @throws LinuxError `ENODEV` when there is no such device, `EPERM` without CAP_NET_RAW */
  static async open(options: Icmpv6PortOptions): Promise<Icmpv6Port> {
    const { device, namespace } = options
    const socket = await RawSocket.open({
      family: 6,
      protocol: IP_PROTOCOL_ICMPV6,
      link: device,
      groups: [String(ALL_ROUTERS)],
      icmpTypes: [ICMPV6_ROUTER_SOLICITATION, ICMPV6_ROUTER_ADVERTISEMENT],
      receiveLocal: true,
      receiveTtl: true,
      ...(namespace === undefined ? {} : { namespace }),
    })
    try {
      return new Icmpv6Port(socket, options)
    } catch (error) {
      socket.close()
      throw error
    }
  }

  send(message: Icmpv6Message, to: IpAddress): void {
    if (!this.#open) return
    const size = icmpv6Size(message)
    const bytes = new Uint8Array(size)
    // the kernel chooses the source, and with it writes the checksum (RFC 3542 §3.1)
    encodeIcmpv6(message, UNSPECIFIED, to, new DataView(bytes.buffer), 0)
    const descriptor = new Uint32Array(D.words)
    descriptor[D.length] = size
    descriptor[D.ttl] = HOP_LIMIT
    writeAddressWords(descriptor, D.remote, to)
    this.#guarded(() => {
      this.socket.sendBatch(bytes, descriptor, 1)
      const errno = descriptor[D.status]
      if (errno === 0 || TRANSIENT.has(errnoName(errno))) return
      throw new LinuxError(errnoName(errno), errno, `send to ${to}%${this.options.device}`, 'it may be down, or have no link-local address')
    })
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#watch.close()
    this.socket.close()
  }

  /** One batch: whoever is on the link sends as much as they like. What is left has its turn behind everything else. */
  #receive(): void {
    const words = this.#descriptors
    this.#guarded(() => {
      const count = this.socket.receiveBatch(this.#buffer, SLOT, 0, words)
      for (let at = 0; at < count * D.words && this.#open; at += D.words) this.#message(words.subarray(at, at + D.words))
      if (this.#open) this.#watch.rearm()
    })
  }

  #message(words: Uint32Array): void {
    if (words[D.status] !== 0) return
    const bytes = this.#buffer.subarray(words[D.offset], words[D.offset] + words[D.length])
    const source = readAddressWords(words, D.remote, 6)
    try {
      const message = decodeIcmpv6(new ByteReader(bytes), source, readAddressWords(words, D.local, 6))
      this.options.received({ message, source, hopLimit: words[D.ttl] })
    } catch (error) {
      if (!(error instanceof WireError)) throw error // what cannot be read is dropped (RFC 4861 §6.1)
    }
  }

  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.close()
      this.options.failed(error)
    }
  }
}

/** The next message may have room. For everything else a socket is made anew: that of a device that is gone says no more than that of one that is down. */
const TRANSIENT: ReadonlySet<string> = new Set(['EAGAIN', 'ENOBUFS'])
