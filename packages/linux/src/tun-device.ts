import { nativeSetup, type LinkSetup } from './link-setup.js'
import type { NativeTun } from './native/binding.js'
import { call, callAsync } from './native/call.js'
import { namespacePath, type NamespaceReference } from './network-namespace.js'

/** How to open a TUN or TAP device. */
export interface TunOptions extends LinkSetup {
  /** 1–15 octets. */
  readonly name: string
  /** Where the device is; the descriptor stays in this process. */
  readonly namespace?: NamespaceReference
  /**
   * `create` (the default) makes it and refuses if there is one; `attach` takes an existing persistent one, or adds a queue; `either` does what
   * fits.
   */
  readonly mode?: 'create' | 'attach' | 'either'
  /** Several queues, each an own `TunDevice`, may be open on the device; all of them have to say so. */
  readonly multiQueue?: boolean
  /** A TAP device: Ethernet frames go in and out instead of IP packets. A device that exists must be of that kind. */
  readonly ethernet?: boolean
  /**
   * Takes segments of up to 64 KiB from the kernel (TSO, USO) and hands such to it: trains, see `TUN_DESCRIPTOR`. A packet of one costs a
   * fraction of one alone.
   */
  readonly offload?: boolean
  /** The device outlives its last descriptor, until it is deleted. */
  readonly persist?: boolean
  /** Octets, 68–65,535; 1500 if left out. */
  readonly mtu?: number
  /** Sets the link up once it is configured; true if left out. */
  readonly up?: boolean
  /** Whether the kernel gives the link an IPv6 link-local address and solicits routers; left out: false, but in mode `attach`, where it stays. */
  readonly linkLocal?: boolean
}

/** How to adopt a TUN descriptor that came from elsewhere. */
export interface AdoptTunOptions {
  /** Where the device is. */
  readonly namespace?: NamespaceReference
  /** Whether it was opened with `offload`. */
  readonly offload?: boolean
}

/**
 * One queue of a TUN device: IP packets that a namespace routes into a link come out here, and the other way round. Of a TAP device: Ethernet frames,
 * and where this says packet, a frame is meant.
 *
 * Never blocks: watch `fd` with a `Poller`. Needs CAP_NET_ADMIN in the user namespace of the network namespace, and `/dev/net/tun`.
 */
export class TunDevice implements Disposable {
  /** Octets of the largest packet, or train. */
  static readonly maxPacket = 65_535
  readonly #native: NativeTun
  /** Of the native part, for what is called often. */
  readonly #number: number

  private constructor(native: NativeTun) {
    this.#native = native
    this.#number = native.number()
  }

  /**
   * Opens a device and configures its link. On an error nothing stays of one that was made.
   *
   * @throws LinuxError `EEXIST` (create) or `ENODEV` (attach) by the mode, `EBUSY` when its one queue is taken, `EPERM` without the privilege,
   * `ENOENT` when there is no such namespace or no `/dev/net/tun`, `EINVAL` for a name, MTU or address that cannot be, or a device of the other kind
   */
  static async open(options: TunOptions): Promise<TunDevice> {
    const { name, namespace, mode = 'create', multiQueue = false, ethernet = false, offload = false, persist = false, ...rest } = options
    const path = namespacePath(namespace)
    const setup = nativeSetup({ up: true, ...(mode === 'attach' ? {} : { linkLocal: false }), ...rest }, mode !== 'create')
    const request = { name, mode, multiQueue, ethernet, offload, persist, setup, ...(path === undefined ? {} : { namespace: path }) }
    return new TunDevice(await callAsync((native) => native.tunOpen(request)))
  }

  /**
   * Adopts an open descriptor and owns it from then on, also when this fails.
   *
   * @throws LinuxError `EINVAL` when it is no TUN descriptor or was opened otherwise than `offload` says
   */
  static fromFd(fd: number, options: AdoptTunOptions = {}): TunDevice {
    return new TunDevice(call((native) => native.tunFromFd(fd, namespacePath(options.namespace), options.offload ?? false)))
  }

  /** Descriptor, for a `Poller` or a hand-over. It stays owned by this object. */
  get fd(): number {
    return call(() => this.#native.fd)
  }

  get name(): string {
    return call(() => this.#native.name)
  }

  /** Index of the link in its namespace. */
  get index(): number {
    return call(() => this.#native.index)
  }

  /** Whether it is a TAP device. */
  get ethernet(): boolean {
    return call(() => this.#native.ethernet)
  }

  /** Packets that could not be used since the device was opened: their offload data contradicted them. */
  get dropped(): number {
    return call((native) => native.tunDropped(this.#number))
  }

  /** Whether the device stays when its last descriptor is closed. */
  setPersist(persist: boolean): void {
    call(() => this.#native.setPersist(persist))
  }

  /**
   * Reads packets that wait, one behind the other, each behind `headroom` octets, until none waits, descriptors run out, or the buffer has no room
   * for another one of any size.
   *
   * @param descriptors see `TUN_DESCRIPTOR`; must not share memory with `buffer`
   * @returns number of packets; 0 when none waits
   * @throws LinuxError `EINVAL` when the buffer is too small for any packet, `EBADFD` when the device was deleted, `EBADF` when closed
   */
  readBatch(buffer: Uint8Array, headroom: number, descriptors: Uint32Array): number {
    return call((native) => native.tunRead(this.#number, buffer, headroom, descriptors))
  }

  /**
   * Writes the packets of the first `count` descriptors. A train goes as one large segment, or packet by packet where the device does not take it;
   * its headers are written anew in the buffer. One of TCP takes those behind it along that continue it, up to 64 KiB: their outcome is one.
   *
   * @returns number of packets that were dealt with, fewer than `count` when the device takes no more now; each has its outcome in `status`: 5
   * (EIO) when the link is down, 77 (EBADFD) when the device was deleted, 22 (EINVAL) when it is no IP packet
   * @throws LinuxError `EINVAL` when a packet is empty, not within the buffer, or no train though it is said to be one; `EBADF` when closed
   */
  writeBatch(buffer: Uint8Array, descriptors: Uint32Array, count: number): number {
    return call((native) => native.tunWrite(this.#number, buffer, descriptors, count))
  }

  /** Closes the descriptor; without `persist` the device goes with its last one. Idempotent. */
  close(): void {
    this.#native.close()
  }

  /** Closes it on another thread, as `close` does here: with the last descriptor of a device, the kernel waits for a grace period. Idempotent. */
  async release(): Promise<void> {
    await callAsync(() => this.#native.release())
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
