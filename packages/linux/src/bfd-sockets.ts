import { BFD_MULTIHOP_PORT, BFD_PORT, IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'
import { bfdFilter } from './bfd-filter.js'
import { DATAGRAM_DESCRIPTOR } from './datagram-descriptor.js'
import { LinuxError } from './linux-error.js'
import type { NamespaceReference } from './network-namespace.js'
import { READINESS, type Poller, type Watch } from './poller.js'
import { UdpBatchSocket, type UdpOptions } from './udp-batch-socket.js'

const { words, offset, length, status, remote, port, ttl, link } = DATAGRAM_DESCRIPTOR

/** Datagrams read in one go, and room for each: a packet with the longest authentication section is no longer. */
const BATCH = 16
const SLOT = 128
/** RFC 5881 §5: what one hop away arrives with another TTL was sent by somebody else. */
const TTL = 255
/** RFC 5881 §4. */
const FIRST_SOURCE_PORT = 49_152
const PORTS = { single: BFD_PORT, multiple: BFD_MULTIHOP_PORT } as const
/** Descriptors an address. */
const SOCKETS = 3

/** Where packets of a session go and come from. */
export interface BfdWay {
  readonly local: IpAddress
  readonly remote: IpAddress
  /** The link that packets leave and come in by; those of a link-local address have one (RFC 4007 §6). */
  readonly device?: string
  /** One hop (RFC 5881), or as many as it takes (RFC 5883). */
  readonly hops: 'single' | 'multiple'
}

/** A link by which some sessions send alone, whichever way the routes of this host lead. */
export interface BfdUplink {
  readonly name: string
  readonly index: number
}

/** Takes what arrived. @param packet is valid only during the call */
export type BfdReceiver = (
  local: IpAddress,
  remote: IpAddress,
  hops: BfdWay['hops'],
  ttl: number,
  packet: Uint8Array,
  device?: string,
) => void

/** Whether a session is one of the uplink: what came in by another link is not for it. */
export type IsOfUplink = (local: IpAddress, remote: IpAddress, hops: BfdWay['hops']) => boolean

/** A session that packets may come for. A `BfdSessionStatus` of `@heddle/bfd` is one. */
export interface BfdExpected {
  readonly path: BfdWay
  readonly state: string
  /** This end's. */
  readonly discriminator: number
}

interface Serving {
  readonly poller: Poller
  readonly receive: BfdReceiver
  readonly isOfUplink: IsOfUplink | undefined
  readonly expected: (() => readonly BfdExpected[]) | undefined
}

/** The sockets of an address: two to receive, one to send, and one that sends by the uplink, where there is one. */
interface Sockets {
  readonly local: IpAddress
  readonly device?: string
  readonly single: UdpBatchSocket
  readonly multiple: UdpBatchSocket
  readonly sending: UdpBatchSocket
  readonly sendingByUplink: UdpBatchSocket | undefined
}

/** The UDP sockets of BFD sessions (RFC 5881 §4, RFC 5883 §5), by address of this host. */
export class BfdSockets implements Disposable {
  readonly #namespace: NamespaceReference | undefined
  readonly #vrf: string | undefined
  readonly #uplink: BfdUplink | undefined
  readonly #sockets = new Map<string, Sockets>()
  readonly #watches = new Map<string, Watch[]>()
  readonly #buffer = new Uint8Array(BATCH * SLOT)
  readonly #descriptors = new Uint32Array(BATCH * words)
  readonly #outgoing = new Uint32Array(words)
  #serving: Serving | undefined
  #closed = false
  #filtering: NodeJS.Immediate | undefined
  /** What each socket was given last. */
  readonly #filters = new Map<UdpBatchSocket, string>()

  /**
   * Without addresses yet; see `add`.
   *
   * @param namespace the process's own when left out
   * @param vrf name of the VRF device whose links have the addresses, and whose routes lead to the far ends
   * @param uplink the link that `sendByUplink` sends by; it may be in that VRF
   */
  constructor(namespace?: NamespaceReference, vrf?: string, uplink?: BfdUplink) {
    this.#namespace = namespace
    this.#vrf = vrf
    this.#uplink = uplink
  }

  /**
   * Opens the sockets of `addresses`. `namespace`, `vrf`, `uplink`: as for the constructor.
   *
   * @throws LinuxError as `add`; then none is open
   */
  static async open(
    addresses: readonly IpAddress[],
    namespace?: NamespaceReference,
    vrf?: string,
    uplink?: BfdUplink,
  ): Promise<BfdSockets> {
    const sockets = new BfdSockets(namespace, vrf, uplink)
    try {
      for (const address of addresses) await sockets.add(address)
      return sockets
    } catch (error) {
      sockets.close()
      throw error
    }
  }

  /** Takes the sockets over that another process has, without an uplink: `fds` as it told them. */
  static adopt(addresses: readonly IpAddress[], fds: readonly number[]): BfdSockets {
    const adopted = new BfdSockets()
    addresses.forEach((local, index) => {
      const [single, multiple, sending] = fds.slice(index * SOCKETS, (index + 1) * SOCKETS).map((fd) => UdpBatchSocket.fromFd(fd))
      adopted.#sockets.set(local.toString(), { local, single, multiple, sending, sendingByUplink: undefined })
    })
    return adopted
  }

  /**
   * Opens the sockets of one address more; nothing when they are open.
   *
   * @param device the link that they are bound to, which a link-local address needs
   * @throws LinuxError `EADDRINUSE` when another BFD runs on the address, `EADDRNOTAVAIL` when no link has it, `ENODEV` for a link that is not there
   */
  async add(local: IpAddress, device?: string): Promise<void> {
    const address = local.toString()
    const name = placeName(local, device)
    if (this.#sockets.has(name)) return
    const boundTo = device ?? this.#vrf
    const link = boundTo === undefined ? {} : { link: boundTo }
    const common = { ...(this.#namespace === undefined ? {} : { namespace: this.#namespace }), ...link, ttl: TTL }
    // One for sessions of the uplink and for others: two would have to share the port with whoever asks, and another BFD on the address would go unnoticed.
    const receiving = { ...common, receiveTtl: true, receiveLocal: this.#uplink !== undefined }
    const opened: UdpBatchSocket[] = []
    const keep = (socket: UdpBatchSocket): UdpBatchSocket => {
      opened.push(socket)
      return socket
    }
    try {
      const single = keep(await UdpBatchSocket.open({ ...receiving, bind: { address, port: PORTS.single } }))
      const multiple = keep(await UdpBatchSocket.open({ ...receiving, bind: { address, port: PORTS.multiple } }))
      const sending = keep(await sender(common, address))
      // A link of a VRF has the routes of that VRF which lead by it.
      const sendingByUplink = this.#uplink && keep(await sender({ ...common, link: this.#uplink.name }, address))
      if (this.#closed) throw new LinuxError('EBADF', 9, `open the BFD sockets of ${address}`, 'they were closed meanwhile')
      this.#sockets.set(name, { local, ...(device === undefined ? {} : { device }), single, multiple, sending, sendingByUplink })
      this.#watch(name)
      this.expect()
    } catch (error) {
      for (const socket of opened) socket.close()
      throw error
    }
  }

  /** Descriptors for another process, three an address, in the order in which addresses were added. */
  get fds(): readonly number[] {
    return Array.from(this.#sockets.values(), ({ single, multiple, sending }) => [single.fd, multiple.fd, sending.fd]).flat()
  }

  /** Hears nothing from now on, until it is served anew, here or by whoever has the descriptors. */
  pause(): void {
    this.#serving = undefined
    clearImmediate(this.#filtering)
    this.#filtering = undefined
    for (const socket of this.#filters.keys()) this.#filter(socket, [])
    this.#filters.clear()
    for (const watch of [...this.#watches.values()].flat()) watch.close()
    this.#watches.clear()
  }

  /**
   * Hands what arrives to `receive`, also at addresses that are added later.
   *
   * @param expected sessions of now: what is of none is dropped by the kernel, as long as `expect` tells of each change; all comes in when left out
   */
  serve(poller: Poller, receive: BfdReceiver, isOfUplink?: IsOfUplink, expected?: () => readonly BfdExpected[]): void {
    this.pause()
    this.#serving = { poller, receive, isOfUplink, expected }
    for (const name of this.#sockets.keys()) this.#watch(name)
    this.expect()
  }

  /** Sessions came, went, or are up or not, which counts once what is going on is done: many at a time cost as much as one. */
  expect(): void {
    if (this.#serving?.expected === undefined) return
    this.#filtering ??= setImmediate(() => {
      this.#filtering = undefined
      this.#expectNow()
    })
  }

  #expectNow(): void {
    const expected = this.#serving?.expected?.()
    if (expected === undefined) return
    const byPlace = new Map<string, BfdExpected[]>()
    for (const one of expected) {
      const { hops, local, device } = one.path
      const place = `${hops} ${placeName(local, device)}`
      const others = byPlace.get(place)
      if (others === undefined) byPlace.set(place, [one])
      else others.push(one)
    }
    for (const [name, sockets] of this.#sockets) {
      for (const hops of ['single', 'multiple'] as const) {
        const sessions = byPlace.get(`${hops} ${name}`) ?? []
        // Over several hops a session that is up believes nobody who does not name it.
        const open = sessions.filter(({ state }) => hops === 'single' || state !== 'up')
        const [discriminators, openTo] = [sessions.map((one) => one.discriminator), open.map(({ path }) => path.remote)]
        this.#filter(sockets[hops], bfdFilter({ family: sockets.local.family, hops, discriminators, openTo }))
      }
    }
  }

  /** A filter that the kernel does not take is none: what it would keep out is read and left. */
  #filter(socket: UdpBatchSocket, program: readonly number[]): void {
    const text = program.join()
    if (this.#filters.get(socket) === text) return
    this.#filters.set(socket, text)
    try {
      socket.filter(program)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      if (program.length > 0) this.#filter(socket, [])
    }
  }

  /** Sends a packet of a session. One that does not go out is one that is not heard: the far end will say so. */
  send(way: BfdWay, packet: Uint8Array): void {
    this.#sendBy(this.#sockets.get(placeName(way.local, way.device))?.sending, way, packet)
  }

  /** As `send`, by the uplink: lost where no route leads by it. */
  sendByUplink(way: BfdWay, packet: Uint8Array): void {
    this.#sendBy(this.#sockets.get(placeName(way.local, way.device))?.sendingByUplink, way, packet)
  }

  #sendBy(socket: UdpBatchSocket | undefined, { remote: to, hops }: BfdWay, packet: Uint8Array): void {
    const descriptor = this.#outgoing.fill(0)
    descriptor[length] = packet.length
    descriptor[remote] = to.w0
    descriptor[remote + 1] = to.w1
    descriptor[remote + 2] = to.w2
    descriptor[remote + 3] = to.w3
    descriptor[port] = PORTS[hops]
    try {
      socket?.sendBatch(packet, descriptor, 1)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
  }

  close(): void {
    this.#closed = true
    this.pause()
    for (const { single, multiple, sending, sendingByUplink } of this.#sockets.values()) {
      for (const socket of [single, multiple, sending, sendingByUplink]) socket?.close()
    }
    this.#sockets.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #watch(name: string): void {
    const [sockets, serving] = [this.#sockets.get(name), this.#serving]
    if (sockets === undefined || serving === undefined) return
    const watches = (['single', 'multiple'] as const).map((hops) => {
      const watch = serving.poller.watch(sockets[hops].fd, READINESS.readable, () => {
        this.#receive(sockets, hops, serving)
        watch.rearm()
      })
      return watch
    })
    this.#watches.set(name, watches)
  }

  #receive({ local, device, ...sockets }: Sockets, hops: BfdWay['hops'], { receive, isOfUplink }: Serving): void {
    let count = 0
    try {
      count = sockets[hops].receiveBatch(this.#buffer, SLOT, 0, this.#descriptors)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
    for (let message = 0; message < count; message++) {
      const from = this.#descriptors.subarray(message * words, (message + 1) * words)
      if (from[status] !== 0) continue
      const [w0, w1, w2, w3] = from.subarray(remote, remote + 4)
      const far = local.family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
      if (from[link] !== this.#uplink?.index && isOfUplink?.(local, far, hops) === true) continue
      receive(local, far, hops, from[ttl], this.#buffer.subarray(from[offset], from[offset] + from[length]), device)
    }
  }
}

/** An address of a link, or one of this host. */
function placeName(local: IpAddress, device: string | undefined): string {
  return device === undefined ? local.toString() : `${local}%${device}`
}

/** A socket at a free port of those that sessions send from. */
async function sender(common: Omit<UdpOptions, 'bind'>, address: string): Promise<UdpBatchSocket> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await UdpBatchSocket.open({ ...common, bind: { address, port: randomInt(FIRST_SOURCE_PORT, 65_536) } })
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'EADDRINUSE' || attempt > 32) throw error
    }
  }
}
