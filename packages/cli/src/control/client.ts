import { connect, type Socket } from 'node:net'
import { linesOf } from './lines.js'
import { Pieces } from './pieces.js'
import { ControlError, MAX_LINE, RefusedError, type ControlResponse } from './protocol.js'

interface Waiting {
  /** Takes a piece of a stream; what comes behind it waits until it is done. */
  readonly rows?: (rows: readonly unknown[]) => Promise<void>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

/** A connection to a running node. */
export class ControlClient implements AsyncDisposable {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #next = 1

  private constructor(socket: Socket) {
    this.#socket = socket
    void this.#receive()
  }

  /** @throws ControlError `control.unreachable` when no node serves `path`, `control.permission` */
  static async connect(path: string): Promise<ControlClient> {
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (cause: NodeJS.ErrnoException) => {
        if (cause.code === 'EACCES' || cause.code === 'EPERM') {
          reject(new ControlError('control.permission', `no permission to talk to the node at ${path}`, { cause }))
        } else reject(new ControlError('control.unreachable', `no node serves ${path}`, { cause }))
      })
    })
    socket.on('error', () => undefined)
    return new ControlClient(socket)
  }

  /**
   * Asks the node.
   *
   * @throws RefusedError with the node's code; ControlError `control.closed` when the node goes away before it answers
   */
  async request(method: string, params: unknown = {}): Promise<unknown> {
    if (this.#socket.destroyed || this.#socket.writableEnded) throw closed()
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`)
    })
  }

  /**
   * Asks for what comes in pieces. Who is slow slows the node down, and all else on this connection; leaving the loop early ends the connection.
   *
   * @throws as `request`
   */
  async *stream(method: string, params: unknown = {}): AsyncGenerator<readonly unknown[]> {
    if (this.#socket.destroyed || this.#socket.writableEnded) throw closed()
    const id = this.#next++
    const pieces = new Pieces()
    this.#waiting.set(id, { rows: (rows) => pieces.put(rows), resolve: () => pieces.end(), reject: (error) => pieces.end(error) })
    this.#socket.write(`${JSON.stringify({ id, method, params })}\n`)
    try {
      for (let piece = await pieces.take(); piece !== undefined; piece = await pieces.take()) yield piece
    } finally {
      pieces.end()
      if (this.#waiting.delete(id)) await this.close()
    }
  }

  /** Ends the connection; what was not answered is rejected. Idempotent. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve())
      this.#socket.end()
      this.#socket.destroySoon()
    })
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #receive(): Promise<void> {
    try {
      for await (const line of linesOf(this.#socket, MAX_LINE)) {
        if (line !== null && line !== '') await this.#settle(JSON.parse(line) as ControlResponse)
      }
    } catch {
      this.#socket.destroy()
    }
    for (const { reject } of this.#waiting.values()) reject(closed())
    this.#waiting.clear()
  }

  async #settle(response: ControlResponse): Promise<void> {
    const { id } = response
    const waiting = id === null ? undefined : this.#waiting.get(id)
    if (id === null || waiting === undefined) return
    if ('rows' in response) return waiting.rows?.(response.rows)
    this.#waiting.delete(id)
    if ('error' in response) waiting.reject(new RefusedError(response.error.code, response.error.message))
    else waiting.resolve(response.result)
  }
}

function closed(): ControlError {
  return new ControlError('control.closed', 'the node closed the connection')
}
