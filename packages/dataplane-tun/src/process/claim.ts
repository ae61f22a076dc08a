import { DataplaneError } from '@heddle/core'
import { randomInt } from 'node:crypto'
import { chmod, link, mkdir, readdir, stat, unlink } from 'node:fs/promises'
import { connect, type Server, type Socket } from 'node:net'
import { join } from 'node:path'

/*
 * One forwarder a directory, without a lock file: a listening unix socket is the claim, and the kernel takes it back when its owner dies, in
 * whatever way and PID namespace. The sockets are called forwarder.1.sock, forwarder.2.sock, … A claimant
 *
 *   1. finds that no socket answers, or gives up,
 *   2. listens on a socket of a passing name and links it to the next free number, which one of several claimants succeeds with; from its
 *      first moment under that name it answers,
 *   3. looks again, since another may have claimed another number between the two, and steps back if one answers,
 *   4. removes the names of the dead.
 *
 * Who links before another looks is seen by it, so two that overlap never both stay.
 */

const NAME = /^forwarder\.(\d+)\.sock$/
const PASSING_NAME = /^claim\.\d+\.\d+\.sock$/

/** After how many milliseconds a passing name is litter. */
const PASSING_TIME = 60_000

/** Longest path of a unix socket (`sun_path` without its closing zero). */
const LONGEST_PATH = 107

/** Connects to the forwarder that holds `directory`; undefined when there is none. */
export async function connectToClaim(directory: string): Promise<Socket | undefined> {
  for (const { path } of await claims(directory)) {
    const socket = await tryConnect(path)
    if (socket !== undefined) return socket
  }
  return undefined
}

/**
 * Makes `server` the one that listens in `directory`; returns a function that gives the place up.
 *
 * @throws DataplaneError `dataplane.busy` when another one is there, `dataplane.permission` when the directory cannot be used
 */
export async function claim(directory: string, server: Server): Promise<() => Promise<void>> {
  await prepare(directory)
  const passing = await listenInPassing(server, directory)
  try {
    const found = await claims(directory)
    const path = await linkNext(directory, passing, found)
    const others = (await claims(directory)).filter((other) => other.path !== path)
    try {
      for (const other of others) if (await answers(other.path)) throw busy(directory)
    } catch (error) {
      await remove(path)
      throw error
    }
    for (const other of others) await remove(other.path)
    return () => remove(path)
  } catch (error) {
    server.close()
    throw error
  } finally {
    await remove(passing)
  }
}

/** Listens under a passing name that nobody else has: another claimant of this process, or one with its number elsewhere, may draw the same. */
async function listenInPassing(server: Server, directory: string): Promise<string> {
  for (;;) {
    const path = join(directory, `claim.${process.pid}.${randomInt(1e6)}.sock`)
    try {
      await listenAt(server, path)
      return path
    } catch (error) {
      if (((error as DataplaneError).cause as NodeJS.ErrnoException | undefined)?.code !== 'EADDRINUSE') throw error
    }
  }
}

/** Links `passing` to the next number. */
async function linkNext(directory: string, passing: string, found: readonly Claim[]): Promise<string> {
  let known = found
  for (;;) {
    for (const { path } of known) if (await answers(path)) throw busy(directory)
    const path = join(directory, `forwarder.${(known[0]?.number ?? 0) + 1}.sock`)
    try {
      await link(passing, path)
      return path
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(directory, error)
    }
    known = await claims(directory)
  }
}

interface Claim {
  readonly path: string
  readonly number: number
}

/** Claims by descending number: the one most likely alive first. */
async function claims(directory: string): Promise<Claim[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw unusable(directory, error)
  })
  return names
    .flatMap((name) => {
      const number = NAME.exec(name)?.[1]
      return number === undefined ? [] : [{ path: join(directory, name), number: Number(number) }]
    })
    .sort((a, b) => b.number - a.number)
}

/** Makes the directory, for its owner alone, and sweeps out passing names that a killed claimant left. */
async function prepare(directory: string): Promise<void> {
  if (Buffer.byteLength(join(directory, 'claim.9999999.999999.sock')) > LONGEST_PATH) {
    throw new DataplaneError('dataplane.device', `the directory ${directory} is too deep for a unix socket in it`)
  }
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      if (PASSING_NAME.test(name) && Date.now() - (await changedAt(path)) > PASSING_TIME) await remove(path)
    }
  } catch (error) {
    throw unusable(directory, error)
  }
}

/** When a file was last changed; for one that is gone meanwhile, never. */
async function changedAt(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.POSITIVE_INFINITY,
  )
}

/** Listens on a socket that is its owner's alone. @throws DataplaneError when the path cannot be used */
export async function listenAt(server: Server, path: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.removeListener('error', reject)
        resolve()
      })
    })
    await chmod(path, 0o600)
  } catch (error) {
    if (server.listening) server.close()
    throw unusable(path, error)
  }
}

async function answers(path: string): Promise<boolean> {
  const socket = await tryConnect(path)
  socket?.destroy()
  return socket !== undefined
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM') reject(unusable(path, error))
      else resolve(undefined)
    })
  })
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw unusable(path, error)
  })
}

function busy(directory: string): DataplaneError {
  return new DataplaneError('dataplane.busy', `another forwarder holds ${directory}`)
}

function unusable(path: string, cause: unknown): DataplaneError {
  const { code, message } = cause as NodeJS.ErrnoException
  return new DataplaneError(
    code === 'EACCES' || code === 'EPERM' ? 'dataplane.permission' : 'dataplane.device',
    `${path} cannot be used: ${message}`,
    { cause },
  )
}
