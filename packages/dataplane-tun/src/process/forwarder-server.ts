import { DataplaneError, type Dataplane, type DataplaneEvent } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { createServer, type Server, type Socket } from 'node:net'
import { isPacketEvent } from '../protocol/observe.js'
import { FrameReader, MAX_FRAME_SIZE, MAX_GREETING_SIZE } from '../protocol/frame.js'
import {
  PROTOCOL_VERSION,
  decodeRequest,
  encodeEvent,
  encodeFailure,
  encodeReply,
  type Greeting,
  type Replies,
  type Request,
} from '../protocol/message.js'
import { ProtocolError } from '../protocol/protocol-error.js'

/** How long a connection may stay without a greeting, milliseconds. */
const GREETING_TIME = 5000

/** Octets of answers and events that wait for an agent to read them, before packets of mirrors and traces are left out. */
const MOST_UNREAD = 4 << 20

/** How long a new agent waits for the kernel's word that the old one is gone, milliseconds. */
const LAST_BREATH = 100

/** A dataplane that can hand what it has to another process. */
export interface SucceededDataplane extends Dataplane {
  offer(path: string): number
  pause(): Promise<readonly Uint8Array[]>
  resume(flows?: readonly Uint8Array[]): Promise<void>
}

/** How a forwarder that was started to succeed another one does so. */
export interface Succession {
  adopt(request: Request & { readonly method: 'adopt' }): Promise<SucceededDataplane>
  /** Makes it the one of its directory, through another server of the same answers. */
  settle(): Promise<void>
}

export interface ForwarderServerOptions {
  /** See `Greeting`. */
  readonly configuration: string
  readonly version: string
  /** Left out by a forwarder that begins by itself. */
  readonly succession?: Succession
  readonly logger: Logger
  /** Called once, when an agent asked the forwarder to stop and was answered. */
  readonly stopped: () => void
}

/**
 * Offers a dataplane over a unix socket to one agent at a time. The dataplane does not notice whether an agent is there: when one dies,
 * forwarding goes on, and the next one finds the tables as the last one left them.
 */
export class ForwarderServer {
  readonly server: Server
  readonly #options: ForwarderServerOptions
  readonly #connections = new Set<Socket>()
  /** Those that listen: a successor has one to wait at, and one in its directory. */
  readonly #servers: Server[] = []
  #agent: Socket | undefined
  #dataplane: Dataplane | SucceededDataplane | undefined
  #stopping = false
  #isPaused = false
  #isSettled: boolean

  constructor(options: ForwarderServerOptions) {
    this.#options = options
    this.#isSettled = options.succession === undefined
    this.server = this.another()
  }

  /** Another server that answers as this one does. */
  another(): Server {
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket))
    this.#servers.push(server)
    return server
  }

  /** Begins to answer; who connected before has waited. */
  serve(dataplane: Dataplane | SucceededDataplane): void {
    this.#dataplane = dataplane
    void this.#watch(dataplane.events)
    for (const socket of this.#connections) socket.resume()
  }

  /**
   * Ends every connection and listens no more.
   *
   * @param options.withProcess leaves the agent's connection to the kernel, behind what is said to it: it ends with the process, and an agent that
   * waits for that goes on when nothing is left
   */
  async close(options?: { readonly withProcess?: boolean }): Promise<void> {
    for (const server of this.#servers) server.close()
    await Promise.all(
      Array.from(this.#connections, async (socket) => {
        if (socket === this.#agent && options?.withProcess === true) await new Promise((said) => socket.write('', said))
        else if (!socket.destroyed) await new Promise<void>((resolve) => socket.once('close', resolve).end(() => socket.destroy()))
      }),
    )
  }

  async #watch(events: AsyncIterable<DataplaneEvent>): Promise<void> {
    for await (const event of events) {
      const agent = this.#agent
      if (agent === undefined) continue
      // An agent that does not read packets as fast as they are copied loses them, and not this process its memory.
      if (isPacketEvent(event) && agent.writableLength > MOST_UNREAD) continue
      write(agent, encodeEvent(event))
    }
  }

  #accept(socket: Socket): void {
    const { succession } = this.#options
    const reader = new FrameReader(succession === undefined ? MAX_GREETING_SIZE : MAX_FRAME_SIZE)
    let last = Promise.resolve()
    this.#connections.add(socket)
    socket.setTimeout(GREETING_TIME, () => socket.destroy())
    socket.on('error', (error) => this.#options.logger.debug('A connection broke', { reason: error.message }))
    socket.on('close', () => {
      this.#connections.delete(socket)
      if (this.#agent !== socket) return
      this.#agent = undefined
      this.#options.logger.info('The agent is gone; forwarding goes on')
      this.#outliveAgent()
    })
    socket.on('data', (chunk) => {
      try {
        for (const frame of reader.push(chunk)) {
          const { id, request } = decodeRequest(frame)
          if (request.method === 'hello') reader.limit = MAX_FRAME_SIZE
          // One after the other, as they were asked.
          last = last.then(() => this.#answer(socket, id, request))
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        this.#options.logger.warn('A connection sent no message of ours', { code: error.code, reason: error.message })
        socket.destroy()
      }
    })
    // A handler for data makes a socket flow of itself.
    if (this.#dataplane === undefined && succession === undefined) socket.pause()
    else socket.resume()
  }

  /** Until a succession is complete, the forwarder that was there goes on, and the other one ends: never both, never none. */
  #outliveAgent(): void {
    if (!this.#isSettled) this.#options.stopped()
    else if (this.#isPaused) void this.#succeeded().resume()
    this.#isPaused = false
  }

  #succeeded(): SucceededDataplane {
    const dataplane = this.#dataplane
    if (dataplane === undefined || !('offer' in dataplane))
      throw new DataplaneError('dataplane.closed', 'this forwarder cannot be succeeded')
    return dataplane
  }

  async #answer(socket: Socket, id: number, request: Request): Promise<void> {
    if (socket.destroyed && request.method !== 'apply') return
    try {
      const reply = await this.#carryOut(socket, request)
      if (socket.writable) write(socket, encodeReply(id, request.method, reply))
    } catch (error) {
      const failure = error instanceof DataplaneError ? error : unexpected(error)
      if (failure !== error) this.#options.logger.error('A request failed', { method: request.method, reason: String(error) })
      if (socket.writable) write(socket, encodeFailure(id, failure))
    }
    if (request.method === 'stop' && this.#stopping) this.#options.stopped()
  }

  async #carryOut(socket: Socket, request: Request): Promise<Replies[Request['method']]> {
    if (request.method === 'adopt') return this.#adopt(socket, request)
    const dataplane = this.#dataplane
    if (dataplane === undefined) throw new DataplaneError('dataplane.closed', 'the forwarder does not serve yet')
    if (request.method === 'hello') return this.#greet(socket, dataplane)
    if (this.#agent !== socket) throw new DataplaneError('dataplane.busy', 'this connection does not control the forwarder')
    switch (request.method) {
      case 'apply':
        return dataplane.apply(request.transaction)
      case 'dump':
        return dataplane.dump()
      case 'counters':
        return dataplane.counters()
      case 'attach-port':
        return dataplane.attachPort(request.port, request.device)
      case 'detach-port':
        await dataplane.detachPort(request.port)
        return undefined
      case 'stop':
        this.#stopping = true
        await dataplane.close({ keep: request.keepDevices })
        return undefined
      case 'offer':
        return { offers: this.#succeeded().offer(request.path) }
      case 'pause':
        this.#isPaused = true
        return this.#succeeded().pause()
      case 'resume':
        this.#isPaused = false
        await this.#succeeded().resume(request.flows)
        return undefined
      case 'settle':
        await this.#options.succession?.settle()
        this.#isSettled = true
        return undefined
      default:
        throw new DataplaneError('dataplane.closed', `there is no request ${JSON.stringify(request satisfies never)}`)
    }
  }

  async #adopt(socket: Socket, request: Request & { readonly method: 'adopt' }): Promise<Greeting> {
    const { succession } = this.#options
    if (succession === undefined || this.#agent !== undefined) {
      throw new DataplaneError('dataplane.busy', 'this forwarder was not started to succeed another one, or does so already')
    }
    this.#agent = socket
    socket.setTimeout(0)
    const dataplane = await succession.adopt(request)
    this.serve(dataplane)
    return this.#greeting(dataplane)
  }

  #greeting({ capabilities }: Dataplane): Greeting {
    const { configuration, version } = this.#options
    return { protocol: PROTOCOL_VERSION, pid: process.pid, version, configuration, capabilities: { ...capabilities, survivesClose: true } }
  }

  async #greet(socket: Socket, dataplane: Dataplane): Promise<Greeting> {
    const { logger } = this.#options
    if (this.#agent !== undefined && this.#agent !== socket) await breath(this.#agent)
    if (this.#stopping) throw new DataplaneError('dataplane.closed', 'the forwarder is stopping')
    if (this.#agent !== undefined && this.#agent !== socket) {
      throw new DataplaneError('dataplane.busy', `forwarder ${process.pid} is controlled by another agent, which is alive`)
    }
    this.#agent = socket
    socket.setTimeout(0)
    logger.info('An agent took control')
    return this.#greeting(dataplane)
  }
}

/** What is said in one turn goes out at once, an event with the answer that follows it: each write wakes the agent. */
function write(socket: Socket, octets: Uint8Array): void {
  socket.cork()
  socket.write(octets)
  process.nextTick(() => socket.uncork())
}

/** Waits for the end of a connection whose other end may just have died: the kernel tells of both in any order. */
async function breath(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LAST_BREATH)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function unexpected(cause: unknown): DataplaneError {
  return new DataplaneError('dataplane.device', `the forwarder failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  })
}
