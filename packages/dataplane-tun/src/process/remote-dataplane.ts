import {
  DataplaneError,
  type ApplyReport,
  type CounterSnapshot,
  type Dataplane,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
  type FibTransaction,
} from '@heddle/core'
import { EventQueue, untilAborted } from '@heddle/io'
import type { Socket } from 'node:net'
import { FrameReader } from '../protocol/frame.js'
import {
  PROTOCOL_VERSION,
  decodeAnswer,
  encodeRequest,
  resultFrom,
  type Answer,
  type Greeting,
  type Method,
  type Replies,
  type Request,
} from '../protocol/message.js'
import { ProtocolError } from '../protocol/protocol-error.js'

interface Waiting {
  readonly method: Method
  resolve(result: Replies[Method]): void
  reject(error: Error): void
}

/** The agent's end of a forwarder's socket: the `Dataplane` contract, carried out in the forwarder's process. */
export class RemoteDataplane implements Dataplane {
  readonly events = new EventQueue<DataplaneEvent>()
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  /** Ports with a device, for the events when the forwarder is lost. */
  readonly #attached = new Set<number>()
  #greeting: Greeting | undefined
  #nextId = 1
  #closing = false
  #over: DataplaneError | undefined
  readonly #ended: Promise<void>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#ended = new Promise((resolve) => socket.once('close', () => resolve()))
    const reader = new FrameReader()
    socket.on('data', (chunk) => {
      try {
        for (const frame of reader.push(chunk)) this.#take(decodeAnswer(frame))
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        this.#end(new DataplaneError('dataplane.lost', 'the forwarder sent what is no message', { cause: error }))
      }
    })
    socket.on('error', (cause) => this.#end(new DataplaneError('dataplane.lost', 'the connection to the forwarder broke', { cause })))
    socket.on('close', () => this.#end(new DataplaneError('dataplane.lost', 'the forwarder is gone')))
  }

  /**
   * Takes control of the forwarder at the other end of `socket`.
   *
   * @throws DataplaneError `dataplane.busy` when another agent has it, `dataplane.closed` when it is stopping, `dataplane.lost` when it ends meanwhile
   */
  static async open(socket: Socket): Promise<RemoteDataplane> {
    const dataplane = new RemoteDataplane(socket)
    try {
      dataplane.#greeting = await dataplane.#ask({ method: 'hello', protocol: PROTOCOL_VERSION })
      if (dataplane.#greeting.protocol === PROTOCOL_VERSION) {
        for (const { port } of (await dataplane.dump()).devices) dataplane.#attached.add(port)
      }
      return dataplane
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  /** Makes the forwarder at the other end of `socket`, which waits to succeed another one, take what that one offers. */
  static async succeed(socket: Socket, path: string, offers: number, state: DataplaneState): Promise<RemoteDataplane> {
    const dataplane = new RemoteDataplane(socket)
    try {
      dataplane.#greeting = await dataplane.#ask({ method: 'adopt', path, offers, state })
      for (const { port } of state.devices) dataplane.#attached.add(port)
      return dataplane
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  /** Has the forwarder offer its devices and sockets at `path`; returns the number of offers. */
  async offer(path: string): Promise<number> {
    return (await this.#ask({ method: 'offer', path })).offers
  }

  /** Has the forwarder read nothing until `resume`, or until this connection is gone; returns the flows that it remembers. */
  pause(): Promise<readonly Uint8Array[]> {
    return this.#ask({ method: 'pause' })
  }

  /** Has the forwarder read on. */
  async resume(flows: readonly Uint8Array[]): Promise<void> {
    await this.#ask({ method: 'resume', flows })
  }

  /** Makes a successor the forwarder of its directory. */
  async settle(): Promise<void> {
    await this.#ask({ method: 'settle' })
  }

  /** What the forwarder said of itself. */
  get greeting(): Greeting {
    if (this.#greeting === undefined) throw new DataplaneError('dataplane.closed', 'the forwarder has not answered yet')
    return this.#greeting
  }

  get capabilities(): DataplaneCapabilities {
    return this.greeting.capabilities
  }

  async apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport> {
    signal?.throwIfAborted()
    const report = this.#ask({ method: 'apply', transaction })
    return signal === undefined ? report : untilAborted(report, signal)
  }

  dump(): Promise<DataplaneState> {
    return this.#ask({ method: 'dump' })
  }

  counters(): Promise<CounterSnapshot> {
    return this.#ask({ method: 'counters' })
  }

  async attachPort(port: number, device: DeviceRequest): Promise<DeviceFacts> {
    const facts = await this.#ask({ method: 'attach-port', port, device })
    this.#attached.add(port)
    return facts
  }

  async detachPort(port: number): Promise<void> {
    await this.#ask({ method: 'detach-port', port })
    this.#attached.delete(port)
  }

  /** Lets the forwarder go on alone (`keep`), or ends it with its devices. */
  async close(options?: { readonly keep?: boolean }): Promise<void> {
    this.#closing = true
    if (this.#over === undefined && options?.keep !== true) await this.stop(false)
    this.#end(new DataplaneError('dataplane.closed', 'this dataplane was closed'))
    await this.#ended
  }

  /** Ends the forwarder. Its devices are removed, or kept for the next forwarder to adopt. */
  async stop(keepDevices: boolean): Promise<void> {
    try {
      await this.#ask({ method: 'stop', keepDevices })
    } catch (error) {
      if (!(error instanceof DataplaneError) || (error.code !== 'dataplane.lost' && error.code !== 'dataplane.closed')) throw error
    }
    // The connection ends with the forwarder's process.
    await this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #ask<M extends Method>(request: Request & { readonly method: M }): Promise<Replies[M]> {
    if (this.#over !== undefined) return Promise.reject(this.#over)
    const id = this.#nextId++
    return new Promise<Replies[M]>((resolve, reject) => {
      this.#waiting.set(id, { method: request.method, resolve: resolve as Waiting['resolve'], reject })
      this.#socket.write(encodeRequest(id, request))
    })
  }

  #take(answer: Answer): void {
    if (answer.type === 'event') {
      this.events.push(answer.event)
      return
    }
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    this.#waiting.delete(answer.id)
    if (answer.type === 'failure') waiting.reject(answer.error)
    else waiting.resolve(resultFrom(waiting.method, answer.result, answer.columns))
  }

  #end(reason: DataplaneError): void {
    if (this.#over !== undefined) return
    const error = this.#closing ? new DataplaneError('dataplane.closed', 'this dataplane was closed') : reason
    this.#over = error
    if (error.code === 'dataplane.lost') {
      for (const port of this.#attached) this.events.push({ type: 'port-down', port, reason: 'the forwarder is gone' })
    }
    this.events.end()
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
    if (error.code === 'dataplane.closed') this.#socket.end(() => this.#socket.destroy())
    else this.#socket.destroy()
  }
}
