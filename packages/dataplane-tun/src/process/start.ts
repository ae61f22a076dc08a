import { DataplaneError, type DataplaneErrorCode } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { PROTOCOL_VERSION } from '../protocol/message.js'
import { connectToClaim } from './claim.js'
import { configurationFrom } from './configuration.js'
import { RemoteDataplane } from './remote-dataplane.js'
import { SOFTWARE_VERSION } from './software-version.js'

/** Octets after which a log is set aside when a forwarder starts. */
const LOG_SIZE = 1 << 20

/** Where a forwarder's log is, in its directory. */
export const LOG_NAME = 'forwarder.log'

/** Descriptor by which a new forwarder tells that it serves, or why it cannot. */
export const READY_FD = 3

export interface StartOptions {
  /** Holds the forwarder's socket and log. */
  readonly directory: string
  /** Handed to the forwarder as its one argument. */
  readonly configuration: string
  /** Script that the forwarder's process runs. */
  readonly script: string
  /** Options of Node.js for that process. */
  readonly execArgv: readonly string[]
  /** How long a forwarder may take to serve, milliseconds. */
  readonly timeout: number
  /** Has a forwarder succeeded by a new one, though it fits. */
  readonly upgrade?: boolean
  readonly logger: Logger
}

/**
 * Takes control of the forwarder of `directory`, and starts one when there is none. One of another configuration or version is replaced; its
 * devices stay.
 *
 * @throws DataplaneError `dataplane.busy` when another agent controls it, `dataplane.device`, `dataplane.permission` when it cannot start
 */
export async function connectOrStart(options: StartOptions): Promise<RemoteDataplane> {
  const deadline = performance.now() + options.timeout
  for (;;) {
    const dataplane = await resume(options, deadline)
    if (dataplane !== undefined) return dataplane
    if (performance.now() > deadline) {
      throw new DataplaneError('dataplane.lost', `no forwarder served in ${options.directory} within ${options.timeout} ms`)
    }
    await start(options, deadline)
  }
}

/** Takes control of the forwarder that runs, if there is one that fits. */
async function resume(options: StartOptions, deadline: number): Promise<RemoteDataplane | undefined> {
  const { directory, configuration, logger } = options
  const socket = await connectToClaim(directory)
  if (socket === undefined) return undefined
  // One that is stopped in its tracks accepts connections all the same.
  const timer = setTimeout(() => socket.destroy(), Math.max(1, deadline - performance.now()))
  try {
    const dataplane = await RemoteDataplane.open(socket)
    const { greeting } = dataplane
    const isOfToday = greeting.protocol === PROTOCOL_VERSION
    const isSame = greeting.configuration === configuration && greeting.version === SOFTWARE_VERSION
    if (isOfToday && isSame && options.upgrade !== true) return dataplane
    if (isOfToday && haveSameUnderlay(greeting.configuration, configuration)) return await succeed(dataplane, options, deadline)
    logger.info('The forwarder has another underlay or protocol and is replaced', { pid: greeting.pid })
    await dataplane.stop(true)
    return undefined
  } catch (error) {
    // It ended between the connection and its greeting.
    if (error instanceof DataplaneError && (error.code === 'dataplane.lost' || error.code === 'dataplane.closed')) return undefined
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Has a new process succeed the forwarder that runs: it takes tables, devices and sockets while that one forwards; then the one stops reading, the other
 * begins with its flows, and what arrives between waits in devices and sockets.
 */
async function succeed(before: RemoteDataplane, options: StartOptions, deadline: number): Promise<RemoteDataplane> {
  const { directory, logger } = options
  const path = join(directory, `next.${process.pid}.sock`)
  await rm(path, { force: true })
  await start(options, deadline, path)
  const offered = join(directory, `offer.${process.pid}`)
  const state = await before.dump()
  const after = await RemoteDataplane.succeed(await connectTo(path), offered, await before.offer(offered), state)
  try {
    await after.resume(await before.pause())
  } catch (error) {
    await before.resume([])
    await after.close({ keep: true })
    throw error
  }
  await before.stop(true)
  await after.settle()
  logger.info('The forwarder was succeeded by a new one', { before: before.greeting.pid, after: after.greeting.pid })
  return after
}

function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.off('error', reject)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}

/** Whether two forwarders have the same sockets. */
function haveSameUnderlay(one: string, other: string): boolean {
  const underlayOf = (text: string): string => {
    const { addresses, underlayNetns } = configurationFrom(text)
    return JSON.stringify([addresses.map(String), underlayNetns])
  }
  return underlayOf(one) === underlayOf(other)
}

/**
 * Starts a forwarder in a session of its own and waits until it serves, or found that another one does.
 *
 * @param successor where it is to wait for what another one has
 */
async function start(options: StartOptions, deadline: number, successor?: string): Promise<void> {
  const { directory, configuration, script, execArgv, logger } = options
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    throw new DataplaneError('dataplane.permission', `${directory} cannot be made: ${cause.message}`, { cause })
  })
  const log = await openLog(join(directory, LOG_NAME))
  let child: ChildProcess
  try {
    const stdio = ['ignore', log.fd, log.fd, 'pipe'] as const
    const argv = [...execArgv, script, configuration, ...(successor === undefined ? [] : [successor])]
    child = spawn(process.execPath, argv, { detached: true, stdio: [...stdio], cwd: '/' })
  } finally {
    await log.close()
  }
  const word = await firstWord(child, Math.max(1, deadline - performance.now()))
  child.unref()
  if (word.ready) {
    logger.info('A forwarder was started', { pid: child.pid, directory })
    return
  }
  if (word.code === 'dataplane.busy') return
  throw new DataplaneError(word.code, `the forwarder did not start: ${word.message}; see ${join(directory, LOG_NAME)}`)
}

/** What a new forwarder says on `READY_FD`, as one JSON text. */
export type ReadyWord = { readonly ready: true } | { readonly ready: false; readonly code: DataplaneErrorCode; readonly message: string }

function firstWord(child: ChildProcess, timeout: number): Promise<ReadyWord> {
  return new Promise((resolve) => {
    const pipe = child.stdio[READY_FD] as Readable
    let said = ''
    const failed = (message: string): void => resolve({ ready: false, code: 'dataplane.lost', message })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      pipe.destroy()
      failed(`it said nothing within ${Math.round(timeout)} ms`)
    }, timeout)
    child.once('error', (error) => failed(error.message))
    pipe.on('data', (chunk: Uint8Array) => {
      said += new TextDecoder().decode(chunk)
    })
    pipe.on('error', (error) => failed(error.message))
    pipe.once('close', () => {
      clearTimeout(timer)
      try {
        resolve(JSON.parse(said) as ReadyWord)
      } catch {
        failed('it ended before it served')
      }
    })
  })
}

async function openLog(path: string): ReturnType<typeof open> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  if (size > LOG_SIZE) await rename(path, `${path}.1`)
  return open(path, 'a', 0o600)
}
