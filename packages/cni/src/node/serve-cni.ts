import { createServer, type Server, type Socket } from 'node:net'
import { isSocketServed, listenPrivately, type SocketName } from '@heddle/io/node'
import type { Cni } from '../server/create-cni.js'
import { CallReader, encodeResponse } from './frame.js'

/** Where the executable looks for an agent when a configuration does not say it. */
export const DEFAULT_CNI_SOCKET = '/run/heddle/cni.sock'

/** Executables come in bursts, and one that finds the queue full waits for its deadline. */
const BACKLOG = 1024

/** What can go wrong with the socket. */
export type CniServeErrorCode = 'cni.in-use' | 'cni.socket'

/** Why a plugin cannot be served. */
export class CniServeError extends Error {
  override readonly name = 'CniServeError'

  constructor(
    readonly code: CniServeErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}

/** A plugin that is served. */
export interface CniListener extends AsyncDisposable {
  readonly path: string
  /** Answers what is under way, takes nothing new, and removes the socket. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves a plugin to its executable over the unix socket `path`, mode 0600. A socket that nobody answers on is left over from a process that died,
 * and is replaced. The call of an executable that goes away before it has its answer is aborted, so that an ADD is taken back.
 *
 * @throws CniServeError `cni.in-use` when somebody serves it, `cni.socket` when it cannot be made
 */
export async function serveCni(cni: Pick<Cni, 'handle'>, path = DEFAULT_CNI_SOCKET): Promise<CniListener> {
  const fail = (cause: unknown): never => {
    throw new CniServeError('cni.socket', `the socket ${path} cannot be made: ${(cause as Error).message}`, { cause })
  }
  if (await isSocketServed(path).catch(fail)) throw new CniServeError('cni.in-use', `another agent serves ${path}`)
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    converse(socket, cni)
  })
  let name: SocketName
  try {
    name = await listenPrivately(server, path, { backlog: BACKLOG })
  } catch (cause) {
    server.close()
    return fail(cause)
  }
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    closing ??= disappear(server, open, name)
    await closing
  }
  return { path, close, [Symbol.asyncDispose]: close }
}

function converse(socket: Socket, cni: Pick<Cni, 'handle'>): void {
  const reader = new CallReader()
  const gone = new AbortController()
  let isAsked = false
  let isAnswered = false
  const leave = (): void => {
    if (!isAnswered) gone.abort()
  }
  socket.on('error', leave)
  socket.once('close', leave)
  socket.on('data', (chunk) => {
    if (isAsked) return
    const call = reader.take(chunk)
    if (call === null) socket.destroy()
    if (call === undefined || call === null) return
    isAsked = true
    void cni.handle(call.environment, call.input, gone.signal).then((response) => {
      isAnswered = true
      socket.end(encodeResponse(response))
    })
  })
}

/** Removes the name first, unless it is another one's by now: who comes later is told at once that nobody is there. */
async function disappear(server: Server, open: ReadonlySet<Socket>, name: SocketName): Promise<void> {
  await name.remove()
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  })
}
