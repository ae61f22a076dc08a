import type { NativeDatagram } from './native/binding.js'
import { call, callAsync } from './native/call.js'
import { namespacePath } from './network-namespace.js'
import type { DatagramOptions } from './udp-batch-socket.js'

/** How to open a raw socket. */
export interface RawOptions extends DatagramOptions {
  readonly family: 4 | 6
  /** IP protocol number, 1–255; 47 is GRE. */
  readonly protocol: number
  /** Address to bind; any if left out. */
  readonly bind?: string
  /** Address of the one end to exchange packets with. */
  readonly connect?: string
  /** IPv4: leaves the IP header in front of received payload. IPv6 sockets never have it. */
  readonly keepHeader?: boolean
  /** IPv6: groups to join on `link`, which must be given; what is sent to a group does not come back. */
  readonly groups?: readonly string[]
  /** ICMPv6 (protocol 58): types to receive, 0–255. Default: all. */
  readonly icmpTypes?: readonly number[]
}

/**
 * A raw IP socket for one protocol, in batches. The kernel makes the IP header of what is sent.
 *
 * Descriptors are those of `UdpBatchSocket` without port and segments. IPv4 packets always have `tos`, `ttl` and `local`, taken from their header.
 * Needs CAP_NET_RAW. Never blocks: watch `fd` with a `Poller`.
 */
export class RawSocket implements Disposable {
  readonly #native: NativeDatagram
  /** Of the native part, for what is called often. */
  readonly #number: number

  private constructor(
    native: NativeDatagram,
    /** 4 or 6. */
    readonly family: 4 | 6,
    /** IP protocol number. */
    readonly protocol: number,
  ) {
    this.#native = native
    this.#number = native.number()
  }

  /** @throws LinuxError `EPERM` without the privilege, `EADDRNOTAVAIL`, `EINVAL`, `ENODEV` for a link, `ENOENT` for a namespace */
  static async open(options: RawOptions): Promise<RawSocket> {
    const { namespace, bind, connect, groups, icmpTypes, ...rest } = options
    const path = namespacePath(namespace)
    const request = {
      ...rest,
      ...(path === undefined ? {} : { namespace: path }),
      ...(groups === undefined ? {} : { groups: [...groups] }),
      ...(icmpTypes === undefined ? {} : { icmpTypes: [...icmpTypes] }),
      ...(bind === undefined ? {} : { bind: { address: bind, port: 0 } }),
      ...(connect === undefined ? {} : { connect: { address: connect, port: 0 } }),
    }
    return new RawSocket(await callAsync((native) => native.datagramOpen(request)), options.family, options.protocol)
  }

  /**
   * Adopts an open raw socket, e.g. one that another process handed over, and owns it from then on, also when this fails.
   *
   * @throws LinuxError `EINVAL` or `ENOTSOCK` when it is no descriptor of a socket, `EPROTOTYPE` when it is none of IP
   */
  static fromFd(fd: number, family: 4 | 6, protocol: number): RawSocket {
    return new RawSocket(
      call((binding) => binding.datagramFromFd(fd, false)),
      family,
      protocol,
    )
  }

  /** Descriptor, for a `Poller` or a hand-over. It stays owned by this object. */
  get fd(): number {
    return call(() => this.#native.fd)
  }

  /** As `UdpBatchSocket.receiveBatch`. */
  receiveBatch(buffer: Uint8Array, slotSize: number, headroom: number, descriptors: Uint32Array): number {
    return call((native) => native.datagramReceive(this.#number, buffer, slotSize, headroom, descriptors))
  }

  /** As `UdpBatchSocket.sendBatch`. */
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
