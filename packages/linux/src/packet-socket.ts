import type { NativePacket } from './native/binding.js'
import { call, callAsync } from './native/call.js'
import { namespacePath, type NamespaceReference } from './network-namespace.js'

/** How to open a packet socket. */
export interface PacketOptions {
  readonly namespace?: NamespaceReference
  /** Name of the link. */
  readonly link: string
  /** EtherType to receive, e.g. 0x8847 for MPLS, 0x0800 for IPv4; 3 for all. */
  readonly etherType: number
  /** Also receive what this host sends. */
  readonly outgoing?: boolean
  /** Link-layer headers are part of what is sent and received; what a descriptor says of them is not sent. */
  readonly frames?: boolean
  /** Octets; the kernel doubles it and caps it at net.core.rmem_max. */
  readonly receiveBuffer?: number
}

/**
 * A packet socket (AF_PACKET) on one link, in batches: payload in the buffer, MAC address and EtherType in the descriptor, the kernel makes and
 * strips the link-layer header, but with `frames`. See `PACKET_DESCRIPTOR`.
 *
 * Needs CAP_NET_RAW. Never blocks: watch `fd` with a `Poller`.
 */
export class PacketSocket implements Disposable {
  readonly #native: NativePacket

  private constructor(native: NativePacket) {
    this.#native = native
  }

  /** @throws LinuxError `EPERM` without the privilege, `ENODEV` when there is no such link, `ENOENT` when the namespace is not there */
  static async open(options: PacketOptions): Promise<PacketSocket> {
    const { namespace, ...rest } = options
    const path = namespacePath(namespace)
    return new PacketSocket(await callAsync((native) => native.packetOpen(path === undefined ? rest : { ...rest, namespace: path })))
  }

  /** Descriptor, for a `Poller`. It stays owned by this object. */
  get fd(): number {
    return call(() => this.#native.fd)
  }

  /** Index of the link. */
  get index(): number {
    return call(() => this.#native.index)
  }

  /** As `UdpBatchSocket.receiveBatch`, with `PACKET_DESCRIPTOR`. */
  receiveBatch(buffer: Uint8Array, slotSize: number, headroom: number, descriptors: Uint32Array): number {
    return call(() => this.#native.receiveBatch(buffer, slotSize, headroom, descriptors))
  }

  /** As `UdpBatchSocket.sendBatch`, with `PACKET_DESCRIPTOR`. */
  sendBatch(buffer: Uint8Array, descriptors: Uint32Array, count: number): number {
    return call(() => this.#native.sendBatch(buffer, descriptors, count))
  }

  /** Idempotent. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
