import { createServer, type Server, type Socket } from 'node:net'
import { isSocketServed, listenPrivately, type SocketName } from '@heddle/io/node'
import { linesOf } from './lines.js'
import { asRequest, ControlError, isRowStream, MAX_LINE, type ControlHandler, type ControlResponse } from './protocol.js'

/** Requests of one client that are worked on at once; more wait. */
const MAX_OPEN = 64

/** A control socket that is open. */
export interface ControlServer {
  readonly path: string
  /** Ends every connection and removes the socket. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens the control socket at `path`, mode 0600, with its folder. A socket that nobody answers on is left over from a process that died, and is
 * replaced; one that somebody answers on is not.
 *
 * @throws ControlError `control.in-use`, `control.permission`, `control.unreachable`
 */
export async function serveControl(path: string, handle: ControlHandler): Promise<ControlServer> {
  const isServed = await isSocketServed(path).catch((error: unknown) => {
    throw asControlError(path, error)
  })
  if (isServed) throw new ControlError('control.in-use', `another node serves ${path}`)
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    void converse(socket, handle)
  })
  const name = await listenPrivately(server, path).catch((error: unknown) => {
    server.close()
    throw asControlError(path, error)
  })
  let closing: Promise<void> | undefined
  return {
    path,
    async close() {
      closing ??= disappear(server, open, name)
      await closing
    },
  }
}

/** Ends what is open, and removes the socket unless another one has taken its place. */
async function disappear(server: Server, open: ReadonlySet<Socket>, name: SocketName): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    for (const socket of open) socket.destroySoon()
  })
  await name.remove()
}

/** Reads requests and writes responses until the client is gone. */
async function converse(socket: Socket, handle: ControlHandler): Promise<void> {
  const gone = new AbortController()
  const pending = new Set<Promise<void>>()
  socket.on('close', () => gone.abort())
  socket.on('error', () => gone.abort())
  const respond = async (response: ControlResponse): Promise<void> => {
    if (socket.destroyed || socket.write(`${JSON.stringify(response)}\n`)) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done).off('close', done)
        resolve()
      }
      socket.on('drain', done).on('close', done)
    })
  }
  try {
    for await (const line of linesOf(socket, MAX_LINE)) {
      if (line?.trim() === '') continue
      const request = line === null ? undefined : asRequest(parsed(line))
      if (request === undefined) {
        await respond({ id: null, error: { code: 'control.protocol', message: 'a line that is no request' } })
        continue
      }
      const { id } = request
      const work = handle(request.method, request.params, gone.signal)
        .then(async (result) => {
          if (!isRowStream(result)) return respond({ id, result: result ?? null })
          for await (const rows of result) {
            if (gone.signal.aborted) return
            if (rows.length > 0) await respond({ id, rows })
          }
          await respond({ id, result: null })
        })
        .catch(async (error: unknown) => respond({ id, error: describe(error) }))
        .finally(() => pending.delete(work))
      pending.add(work)
      if (pending.size >= MAX_OPEN) await Promise.race(pending)
    }
    await Promise.all(pending)
    socket.end()
  } catch {
    socket.destroy()
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function describe(error: unknown): { code: string; message: string } {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return { code: typeof code === 'string' ? code : 'internal', message: typeof message === 'string' ? message : String(error) }
}

function asControlError(path: string, cause: unknown): ControlError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new ControlError(
      'control.permission',
      `no permission to make the control socket ${path}; name another one with the key "socket"`,
      { cause },
    )
  }
  return new ControlError('control.unreachable', `the control socket ${path} cannot be made: ${message}`, { cause })
}
