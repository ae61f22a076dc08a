import { chmod, mkdir, mkdtemp, rename, rm, stat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'

/** What of Node's `net.Server` is needed to make it listen. */
export interface ListeningServer {
  listen(options: { readonly path: string; readonly backlog?: number }, listening: () => void): unknown
  once(event: 'error', failed: (error: Error) => void): unknown
}

/** A name that a socket has. */
export interface SocketName {
  /** Removes the name, unless it is another socket's by now. */
  remove(): Promise<void>
}

/**
 * Listens on the unix socket `path`, mode 0600, and makes its folder where there is none. It listens in a folder that is ours alone, and is moved to
 * `path` once its mode is right: nobody can connect in between, and what was left there is replaced at once. All of that happens inside the folder
 * of `path`, so that it may be a mount of its own, and nothing else need be writable.
 *
 * @param backlog connections that wait to be accepted; the system's own bound when left out
 * @throws what the system says, with its `code`
 */
export async function listenPrivately(
  server: ListeningServer,
  path: string,
  { backlog }: { readonly backlog?: number } = {},
): Promise<SocketName> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  // not by join(), which would take the dot for the folder itself and make ours beside it
  const workshop = await mkdtemp(`${folder}/.`)
  try {
    const made = `${workshop}/s`
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path: made, ...(backlog === undefined ? {} : { backlog }) }, resolve)
    })
    await chmod(made, 0o600)
    await rename(made, path)
    const inode = await inodeOf(path)
    return {
      async remove() {
        if (inode !== undefined && (await inodeOf(path)) === inode) await unlink(path)
      },
    }
  } finally {
    await rm(workshop, { recursive: true, force: true })
  }
}

/** What the system says where nobody listens. */
const UNSERVED: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'])

/**
 * Whether somebody accepts connections on the unix socket `path`, may it be as busy as it wants; one that nobody does on is left over from a process that
 * died.
 *
 * @throws what the system says, with its `code`, where that tells neither
 */
export async function isSocketServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (UNSERVED.has(error.code)) resolve(false)
      else if (error.code === 'EAGAIN') resolve(true) // its queue is full
      else reject(error)
    })
  })
}

async function inodeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  )
}
