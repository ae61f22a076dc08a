import type { LivenessObject } from '@heddle/core'
import type { BfdSessions } from '@heddle/forwarding'
import type { Logger } from '@heddle/io'
import { DATAGRAM_DESCRIPTOR, LinuxError, READINESS, UdpBatchSocket, type Poller, type Watch } from '@heddle/linux'
import { ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST } from '@heddle/mpls'
import { BFD_MULTIHOP_PORT, BFD_PORT, IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'

const { words, offset, length, status, remote, port, ttl } = DATAGRAM_DESCRIPTOR

/** Datagrams read in one go, and room for each: a packet with the longest authentication section is no longer. */
const BATCH = 16
const SLOT = 128
/** RFC 5881 §5: what one hop away arrives with another TTL was sent by somebody else. */
const TTL = 255
const PORTS = { single: BFD_PORT, multiple: BFD_MULTIHOP_PORT } as const

export interface BfdSocketsOptions {
  readonly addresses: readonly IpAddress[]
  readonly underlayNetns?: string | undefined
  readonly logger: Logger
}

interface Receiver {
  readonly local: IpAddress
  readonly hops: LivenessObject['hops']
  readonly socket: UdpBatchSocket
}

/** The UDP sockets of BFD sessions: two to receive for each underlay address, and one to send. */
export class BfdSockets {
  readonly #receivers: readonly Receiver[]
  readonly #senders: ReadonlyMap<string, UdpBatchSocket>
  readonly #watches: Watch[] = []
  readonly #buffer = new Uint8Array(BATCH * SLOT)
  readonly #descriptors = new Uint32Array(BATCH * words)
  readonly #outgoing = new Uint32Array(words)

  private constructor(receivers: readonly Receiver[], senders: ReadonlyMap<string, UdpBatchSocket>) {
    this.#receivers = receivers
    this.#senders = senders
  }

  /** Opens the sockets; undefined when they cannot be had, since another BFD runs on these addresses. */
  static async open({ addresses, underlayNetns, logger }: BfdSocketsOptions): Promise<BfdSockets | undefined> {
    const common = { ...(underlayNetns === undefined ? {} : { namespace: underlayNetns }), ttl: TTL, receiveTtl: true }
    const receivers: Receiver[] = []
    const senders = new Map<string, UdpBatchSocket>()
    try {
      for (const local of addresses) {
        const address = local.toString()
        for (const hops of ['single', 'multiple'] as const) {
          receivers.push({ local, hops, socket: await UdpBatchSocket.open({ ...common, bind: { address, port: PORTS[hops] } }) })
        }
        senders.set(address, await sender(common, address))
      }
      return new BfdSockets(receivers, senders)
    } catch (error) {
      for (const { socket } of receivers) socket.close()
      for (const socket of senders.values()) socket.close()
      if (!(error instanceof LinuxError)) throw error
      logger.warn('Liveness is not offered', { reason: error.message })
      return undefined
    }
  }

  /** Takes the sockets over that another forwarder has: `fds` as it told them. */
  static adopt({ addresses }: BfdSocketsOptions, fds: readonly number[]): BfdSockets {
    const receivers: Receiver[] = []
    const senders = new Map<string, UdpBatchSocket>()
    addresses.forEach((local, index) => {
      const [single, multiple, sending] = fds.slice(index * 3, index * 3 + 3).map((fd) => UdpBatchSocket.fromFd(fd))
      receivers.push({ local, hops: 'single', socket: single }, { local, hops: 'multiple', socket: multiple })
      senders.set(local.toString(), sending)
    })
    return new BfdSockets(receivers, senders)
  }

  /** Descriptors for another forwarder, three an address. */
  get fds(): readonly number[] {
    return Array.from(this.#senders.values(), (sending, index) => [
      ...this.#receivers.slice(index * 2, index * 2 + 2).map(({ socket }) => socket.fd),
      sending.fd,
    ]).flat()
  }

  /** Hears nothing from now on, until it is served anew. */
  pause(): void {
    for (const watch of this.#watches.splice(0)) watch.close()
  }

  /** Hands what arrives to the sessions. */
  serve(poller: Poller, sessions: BfdSessions): void {
    for (const receiver of this.#receivers) {
      const watch = poller.watch(receiver.socket.fd, READINESS.readable, () => {
        this.#receive(receiver, sessions)
        watch.rearm()
      })
      this.#watches.push(watch)
    }
  }

  send({ local, remote: to, hops }: LivenessObject, packet: Uint8Array): void {
    const descriptor = this.#outgoing.fill(0)
    descriptor[length] = packet.length
    descriptor[remote] = to.w0
    descriptor[remote + 1] = to.w1
    descriptor[remote + 2] = to.w2
    descriptor[remote + 3] = to.w3
    descriptor[port] = PORTS[hops]
    try {
      this.#senders.get(local.toString())?.sendBatch(packet, descriptor, 1)
    } catch (error) {
      // A packet that does not go out is one that is not heard: the far end will say so.
      if (!(error instanceof LinuxError)) throw error
    }
  }

  close(): void {
    for (const watch of this.#watches) watch.close()
    for (const { socket } of this.#receivers) socket.close()
    for (const socket of this.#senders.values()) socket.close()
  }

  #receive({ local, hops, socket }: Receiver, sessions: BfdSessions): void {
    let count = 0
    try {
      count = socket.receiveBatch(this.#buffer, SLOT, 0, this.#descriptors)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
    }
    for (let message = 0; message < count; message++) {
      const from = this.#descriptors.subarray(message * words, (message + 1) * words)
      if (from[status] !== 0) continue
      const [w0, w1, w2, w3] = from.subarray(remote, remote + 4)
      const far = local.family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
      sessions.receive(local, far, hops, from[ttl], this.#buffer.subarray(from[offset], from[offset] + from[length]))
    }
  }
}

/** A socket at a free port of those that sessions send from (RFC 5881 §4). */
async function sender(common: { readonly namespace?: string; readonly ttl: number }, address: string): Promise<UdpBatchSocket> {
  for (let attempt = 0; ; attempt++) {
    try {
      const source = randomInt(ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST + 1)
      return await UdpBatchSocket.open({ ...common, bind: { address, port: source } })
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'EADDRINUSE' || attempt > 32) throw error
    }
  }
}
