import { IpAddress } from '@heddle/wire'
import type { DataplaneEvent } from '@heddle/core'
import type { Logger, LogFields } from '@heddle/io'
import { RawSocket, TunDevice, UdpBatchSocket, WOKEN, Waiter } from '@heddle/linux'
import { IP_PROTOCOL_GRE } from '@heddle/wire'
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { PAUSE, serve, type Source } from '../forwarder/watching.js'
import type { Receiver, Senders } from '../forwarder/underlay.js'
import { FrameReader } from '../protocol/frame.js'
import { encodeEvent } from '../protocol/message.js'
import { BatchClock } from './batch-clock.js'
import { RingReader } from './byte-ring.js'
import { decodeCommand, encodeCounters, type Command, type LaneStart, type Word } from './command.js'
import { Lane } from './lane.js'
import { ReadRoutes, type MovedRoutes } from './shared-routes.js'

/** Descriptors that are told readable at once at most. */
const TOKENS = 64

interface Port {
  readonly device: TunDevice
  /** Undefined when another thread reads it. */
  readonly token: number | undefined
}

/**
 * A lane on a thread of its own, which sleeps until a descriptor of it is readable, or the thread of the forwarder has written a command into shared
 * memory and woken it. Its event loop never turns.
 */
export class LaneThread {
  readonly #lane: Lane
  readonly #parent: MessagePort
  /** By VRF. */
  readonly #routes = new Map<number, ReadRoutes>()
  readonly #waiter = Waiter.open()
  readonly #commands: RingReader
  readonly #frames = new FrameReader()
  readonly #sockets: (UdpBatchSocket | RawSocket)[] = []
  readonly #ports = new Map<number, Port>()
  readonly #sources = new Map<number, Source>()
  /** Tokens of sources that are left alone, and until when. */
  readonly #paused = new Map<number, number>()
  readonly #logger: Logger
  #nextToken = 0
  #isHeld: boolean
  #isClosed = false

  constructor(start: LaneStart, parent: MessagePort) {
    this.#parent = parent
    this.#isHeld = start.isPaused
    this.#logger = loggerTo((level, message, fields) => this.#tell({ type: 'log', level, message, fields }))
    this.#commands = new RingReader(start.ring, () => this.#tell({ type: 'room' }))
    const senders = start.senders.map((one): Senders => this.#adoptSenders(one))
    this.#lane = new Lane({
      ...start,
      senders,
      clock: new BatchClock(),
      newRoutes: (vrf) => this.#readRoutes(vrf),
      observe: (event: DataplaneEvent) => this.#tell({ type: 'event', frame: encodeEvent(event) }),
      tooLarge: (local, family, remote) =>
        this.#tell({ type: 'too-large', sender: senders.findIndex((one) => one.local.equals(local)), family, remote }),
    })
    for (const { encapsulation, family, fd } of start.receivers) {
      const receiver: Receiver = { encapsulation, socket: this.#adopt(fd, encapsulation === 'mpls-gre' ? family : 0) }
      this.#watch(
        receiver.socket.fd,
        () => this.#lane.fromUnderlay(receiver),
        (reason) => this.#logger.error('An underlay socket failed', { reason }),
      )
    }
  }

  /** Forwards until it is told to close. */
  run(): void {
    const tokens = new Uint32Array(TOKENS)
    this.#tell({ type: 'ready', wakeFd: this.#waiter.wakeFd })
    while (!this.#isClosed) {
      const count = this.#waiter.wait(tokens, this.#paused.size > 0 ? PAUSE : -1)
      for (let at = 0; at < count; at++) {
        if (tokens[at] === WOKEN) this.#obey()
        else this.#serve(tokens[at])
      }
      if (this.#paused.size > 0) this.#resume()
    }
    for (const socket of this.#sockets) socket.close()
    this.#waiter.close()
  }

  #serve(token: number): void {
    const source = this.#sources.get(token)
    // It was told readable together with the word that it is not to be read.
    if (source === undefined || this.#isHeld) return
    const outcome = serve(source, this.#logger, () => false)
    if (outcome === 'ready') return
    this.#waiter.remove(source.fd)
    if (outcome === 'paused') this.#paused.set(token, performance.now() + PAUSE)
    else this.#sources.delete(token)
  }

  #resume(): void {
    const now = performance.now()
    for (const [token, until] of this.#paused) {
      if (until > now) continue
      this.#paused.delete(token)
      const source = this.#sources.get(token)
      if (source !== undefined && !this.#isHeld) this.#waiter.add(source.fd, token)
    }
  }

  #obey(): void {
    for (const frame of this.#frames.push(this.#commands.take())) {
      const { id, command } = decodeCommand(frame)
      try {
        const counters = this.#carryOut(command)
        this.#tell({ type: 'done', id, ...(counters !== undefined && { counters }) })
      } catch (error) {
        this.#tell({ type: 'failed', id, message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      }
    }
  }

  #carryOut(command: Command): Uint8Array | undefined {
    const { engine } = this.#lane
    switch (command.type) {
      case 'program':
        engine.program(command.transaction)
        this.#follow()
        for (const vrf of command.transaction.vrfs.remove) this.#routes.delete(vrf)
        return undefined
      case 'add-port':
        this.#removePort(command.port)
        this.#addPort(command.port, TunDevice.fromFd(command.fd, { offload: true }), command.reads)
        return undefined
      case 'remove-port':
        this.#removePort(command.port)
        return undefined
      case 'underlay-mtu':
        engine.underlayMtu = command.octets
        return undefined
      case 'path-mtu':
        engine.setPathMtu(command.remote, command.octets)
        return undefined
      case 'liveness':
        engine.setLiveness(command.liveness, command.isUp)
        return undefined
      case 'counters':
        return encodeCounters(engine.counters())
      case 'add-counters':
        engine.addCounters(command.counters)
        return undefined
      case 'pause':
        this.#hold(true)
        return undefined
      case 'resume':
        this.#hold(false)
        return undefined
      case 'close':
        for (const port of this.#ports.keys()) this.#removePort(port)
        this.#isClosed = true
        return undefined
    }
  }

  #readRoutes(vrf: number): ReadRoutes {
    const routes = new ReadRoutes()
    this.#routes.set(vrf, routes)
    return routes
  }

  /** Reads routes where they lie now: that is told before the command. */
  #follow(): void {
    for (let told = receiveMessageOnPort(this.#parent); told !== undefined; told = receiveMessageOnPort(this.#parent)) {
      for (const { vrf, regions } of told.message as readonly MovedRoutes[]) this.#routes.get(vrf)?.load(regions)
    }
  }

  /** Stops reading all sources, or begins to. */
  #hold(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return
    this.#isHeld = isHeld
    for (const [token, { fd }] of this.#sources) {
      if (this.#paused.has(token)) continue
      if (isHeld) this.#waiter.remove(fd)
      else this.#waiter.add(fd, token)
    }
  }

  #addPort(port: number, device: TunDevice, reads: boolean): void {
    const added = this.#lane.addPort(port, device)
    const turn = (): boolean => this.#lane.fromPort(added)
    const gone = (reason: string): void => this.#tell({ type: 'gone', port, reason })
    this.#ports.set(port, { device, token: reads ? this.#watch(device.fd, turn, gone) : undefined })
  }

  #removePort(port: number): void {
    const held = this.#ports.get(port)
    if (held === undefined) return
    const { device, token } = held
    this.#ports.delete(port)
    this.#lane.removePort(port)
    // What went by itself is watched no more, and so is what is left alone.
    if (token !== undefined && this.#sources.delete(token) && !this.#paused.delete(token) && !this.#isHeld) this.#waiter.remove(device.fd)
    device.close()
  }

  #watch(fd: number, turn: () => boolean, gone: (reason: string) => void): number {
    const token = this.#nextToken++
    this.#sources.set(token, { fd, turn, gone, flush: () => this.#lane.flush() })
    if (!this.#isHeld) this.#waiter.add(fd, token)
    return token
  }

  #adoptSenders({ local, udp, gre, heedless }: LaneStart['senders'][number]): Senders {
    const address = IpAddress.parse(local)
    const udpSocket = (fd: number): UdpBatchSocket => this.#adopt(fd, 0) as UdpBatchSocket
    const greSocket = (fd: number | undefined): RawSocket | undefined =>
      fd === undefined ? undefined : (this.#adopt(fd, address.family) as RawSocket)
    return {
      local: address,
      udp: udp.map(udpSocket),
      gre: greSocket(gre),
      heedless: { udp: udpSocket(heedless.udp), gre: greSocket(heedless.gre) },
    }
  }

  /** @param raw family of a raw socket, 0 for UDP */
  #adopt(fd: number, raw: 4 | 6 | 0): UdpBatchSocket | RawSocket {
    const socket = raw === 0 ? UdpBatchSocket.fromFd(fd, { gso: true }) : RawSocket.fromFd(fd, raw, IP_PROTOCOL_GRE)
    this.#sockets.push(socket)
    return socket
  }

  #tell(word: Word): void {
    this.#parent.postMessage(word)
  }
}

function loggerTo(write: (level: 'trace' | 'debug' | 'info' | 'warn' | 'error', message: string, fields: LogFields) => void): Logger {
  const logger = (bound: LogFields): Logger => ({
    trace: (message, fields) => write('trace', message, { ...bound, ...fields }),
    debug: (message, fields) => write('debug', message, { ...bound, ...fields }),
    info: (message, fields) => write('info', message, { ...bound, ...fields }),
    warn: (message, fields) => write('warn', message, { ...bound, ...fields }),
    error: (message, fields) => write('error', message, { ...bound, ...fields }),
    child: (fields) => logger({ ...bound, ...fields }),
  })
  return logger({})
}
