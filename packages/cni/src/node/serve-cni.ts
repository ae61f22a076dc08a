import { chmod, mkdir, mkdtemp, rename, rm, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import type { Cni } from '../server/create-cni.js'
import { CallReader, encodeResponse } from './frame.js'

/** Where the executable looks for an agent when a configuration does not say it. */
export const DEFAULT_CNI_SOCKET = '/run/heddle/cni.sock'

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
  if (await isAnswered(path)) throw new CniServeError('cni.in-use', `another agent serves ${path}`)
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    converse(socket, cni)
  })
  let inode: number
  try {
    inode = await appear(server, path)
  } catch (cause) {
    server.close()
    throw new CniServeError('cni.socket', `the socket ${path} cannot be made: ${(cause as Error).message}`, { cause })
  }
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    closing ??= disappear(server, open, path, inode)
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

/** The socket gets its name when its mode is right, so that nobody connects in between. */
async function appear(server: Server, path: string): Promise<number> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const workshop = await mkdtemp(join(dirname(path), '.'))
  try {
    const made = join(workshop, 's')
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // Executables come in bursts, and one that finds the queue full waits for its deadline.
      server.listen({ path: made, backlog: 1024 }, resolve)
    })
    await chmod(made, 0o600)
    await rename(made, path)
    return (await stat(path)).ino
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/** Removes the name first, unless it is another one's by now: who comes later is told at once that nobody is there. */
async function disappear(server: Server, open: ReadonlySet<Socket>, path: string, inode: number): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (there?.ino === inode) await unlink(path)
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  })
}

async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
