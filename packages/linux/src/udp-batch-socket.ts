import type { NativeDatagram } from './native/binding.js'
import { call, callAsync } from './native/call.js'
import { namespacePath, type NamespaceReference } from './network-namespace.js'

/** Address and port of one end; the address says the family. */
export interface SocketEnd {
  readonly address: string
  /** 0–65,535; 0 lets the kernel choose when binding. */
  readonly port: number
}

/** What UDP and raw sockets have in common. */
export interface DatagramOptions {
  readonly namespace?: NamespaceReference
  /** Name of a link to bind to (SO_BINDTODEVICE). */
  readonly link?: string
  /**
   * Path MTU discovery: `system` (the default) leaves it to the host, `fragment` never sets DF, `discover` sets it and refuses what exceeds the
   * known path MTU (EMSGSIZE), `probe` sets it and sends regardless.
   */
  readonly pathMtu?: 'system' | 'fragment' | 'discover' | 'probe'
  /** TOS or traffic class of what is sent, 0–255; descriptors that say otherwise win. 0 if left out. */
  readonly tos?: number
  /** TTL or hop limit of what is sent, 1–255. */
  readonly ttl?: number
  /** Octets; the kernel doubles it and caps it at net.core.rmem_max. */
  readonly receiveBuffer?: number
  /** Octets; likewise, net.core.wmem_max. */
  readonly sendBuffer?: number
  /** Fill `local` and `link` of received descriptors. */
  readonly receiveLocal?: boolean
  /** Fill `tos`. */
  readonly receiveTos?: boolean
  /** Fill `ttl`. */
  readonly receiveTtl?: boolean
}

/** How to open a UDP socket. */
export interface UdpOptions extends DatagramOptions {
  readonly bind: SocketEnd
  /** Exchanges datagrams with this end only. */
  readonly connect?: SocketEnd
  readonly reuseAddress?: boolean
  /** Several sockets share the port, flows are spread over them. */
  readonly reusePort?: boolean
  /** Receive coalesced datagrams (UDP_GRO, Linux 5.0): `segment` is set, slots should have 65,535 octets. */
  readonly gro?: boolean
  /**
   * Join descriptors that follow each other into one message (UDP_SEGMENT, Linux 4.18) where they go to one end with one mark and are of equal
   * length, but for a shorter last one. What arrives is the same. Off together with `zeroChecksumTx`, which cannot be segmented.
   */
  readonly gso?: boolean
  /** Sends zero checksums (RFC 7510 over IPv4; RFC 6935 and 6936 over IPv6). Descriptors with `segment` are then refused. */
  readonly zeroChecksumTx?: boolean
  /** Accepts zero checksums over IPv6 (`UDP_NO_CHECK6_RX`); IPv4 always does. */
  readonly zeroChecksumRx?: boolean
}

/**
 * A UDP socket that sends and receives in batches: one system call carries up to 64 messages, each of them up to 64 datagrams.
 *
 * Never blocks: watch `fd` with a `Poller`. Payload is in one buffer, everything else in descriptors beside it: see `DATAGRAM_DESCRIPTOR`.
 */
export class UdpBatchSocket implements Disposable {
  readonly #native: NativeDatagram
  /** Of the native part, for what is called often. */
  readonly #number: number

  private constructor(
    native: NativeDatagram,
    /** Where it is bound in fact. */
    readonly local: SocketEnd,
    /** 4 or 6; an IPv6 socket takes no IPv4. */
    readonly family: 4 | 6,
  ) {
    this.#native = native
    this.#number = native.number()
  }

  /**
   * @throws LinuxError `EADDRINUSE`, `EADDRNOTAVAIL`, `EINVAL` for an address that is none or of two families, `ENODEV` for a link, `ENOENT` for
   * a namespace that is not there, `ENOPROTOOPT` for an option that the kernel lacks
   */
  static async open(options: UdpOptions): Promise<UdpBatchSocket> {
    const { namespace, ...rest } = options
    const family = options.bind.address.includes(':') ? 6 : 4
    const path = namespacePath(namespace)
    const request = { ...rest, family, ...(path === undefined ? {} : { namespace: path }) }
    const native = await callAsync((binding) => binding.datagramOpen(request))
    return new UdpBatchSocket(
      native,
      call(() => native.local()),
      family,
    )
  }

  /**
   * Adopts an open UDP socket, e.g. one that another process handed over, and owns it from then on, also when this fails. Its options stay as they
   * are; `gso` is said anew.
   *
   * @throws LinuxError `EINVAL` or `ENOTSOCK` when it is no descriptor of a socket, `EPROTOTYPE` when it is none of UDP
   */
  static fromFd(fd: number, options: { readonly gso?: boolean } = {}): UdpBatchSocket {
    const native = call((binding) => binding.datagramFromFd(fd, options.gso ?? false))
    const local = call(() => native.local())
    return new UdpBatchSocket(native, local, local.address.includes(':') ? 6 : 4)
  }

  /** Descriptor, for a `Poller` or a hand-over. It stays owned by this object. */
  get fd(): number {
    return call(() => this.#native.fd)
  }

  /**
   * Has the kernel drop what a filter of classic BPF does not accept, before it takes room: `SO_ATTACH_FILTER`. Octet 0 is the first of the UDP header.
   *
   * @param program two words an instruction: code, jumps if true and if false (16, 8 and 8 bits from the lowest), and the operand; empty: takes all
   * @throws LinuxError `EINVAL` for a program that the kernel refuses, `ENOMEM` for one that is longer than `net.core.optmem_max` allows
   */
  filter(program: readonly number[]): void {
    call((native) => native.datagramFilter(this.#number, [...program]))
  }

  /**
   * Receives messages that wait, at most 64, one in each slot of `slotSize` octets, `headroom` octets behind its start.
   *
   * @param descriptors see `DATAGRAM_DESCRIPTOR`; must not share memory with `buffer`
   * @returns number of messages; 0 when none waits
   * @throws LinuxError `EINVAL` when the buffers hold no slot, `ECONNREFUSED` on a connected socket whose other end refused, `EBADF` when closed
   */
  receiveBatch(buffer: Uint8Array, slotSize: number, headroom: number, descriptors: Uint32Array): number {
    return call((native) => native.datagramReceive(this.#number, buffer, slotSize, headroom, descriptors))
  }

  /**
   * As `receiveBatch`, for tunnelled packets: coalesced messages are taken apart, each datagram has its descriptor and `headroom` octets before it,
   * and those that continue each other stay one as a train (see `TUN_DESCRIPTOR`; checksums were verified). What finds no descriptor or room waits
   * in its slot for the next call, so the buffer must be left alone between two.
   *
   * @param room octets of `buffer` that are slots; what is behind is for copies, at least `headroom + slotSize`
   * @param carries what the datagrams carry: where nothing of it is found, they are handed over as they are
   * @param descriptors `inner`, `headers`, `size` and `stride` are set; `segment` is 0
   * @returns number of descriptors; 0 when nothing waits
   * @throws LinuxError as `receiveBatch`
   */
  receivePackets(
    buffer: Uint8Array,
    room: number,
    slotSize: number,
    headroom: number,
    carries: 'mpls' | 'vxlan',
    descriptors: Uint32Array,
  ): number {
    return call((native) => native.datagramReceivePackets(this.#number, buffer, room, slotSize, headroom, carries === 'vxlan', descriptors))
  }

  /** Whether `receivePackets` has more of what it received: nothing in the kernel tells of that. */
  get hasWaiting(): boolean {
    return call((native) => native.datagramHasWaiting(this.#number))
  }

  /**
   * Sends the messages of the first `count` descriptors. A train (`headers`) is cut on its way, its first `inner` octets before each packet.
   *
   * @returns number of messages that were dealt with, fewer than `count` when the socket takes no more now; each has its outcome in `status`
   * @throws LinuxError `EINVAL` when a descriptor cannot be (nothing is sent then), `EBADF` when closed
   */
  sendBatch(buffer: Uint8Array, descriptors: Uint32Array, count: number): number {
    return call((native) => native.datagramSend(this.#number, buffer, descriptors, count))
  }

  /** Idempotent. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
