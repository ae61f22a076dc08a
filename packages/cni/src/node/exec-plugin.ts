import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { Logger } from '@heddle/io'
import { silentLogger } from '@heddle/io'
import type { PluginCall, PluginRunner } from '../ipam/delegated-addresses.js'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniResponse } from '../protocol/response.js'

/** How plugins are run. */
export interface ExecPluginOptions {
  /** Milliseconds after which a plugin that does not end is killed; default 60,000. */
  readonly timeout?: number
  /** Gets what plugins write to standard error. */
  readonly logger?: Logger
  /** Folders that are looked through instead of those of `CNI_PATH`: of where this process runs, if that is not where the runtime is. */
  readonly path?: readonly string[]
}

/** Most octets that are taken of what a plugin writes. */
const MOST_OUTPUT = 1 << 20

/** Runs plugins as processes, each the way a runtime would: the environment and standard input in, standard output and the exit code back. */
export function execPlugin({ timeout = 60_000, logger = silentLogger, path }: ExecPluginOptions = {}): PluginRunner {
  return async (call, signal) => {
    signal?.throwIfAborted()
    const file = await find(path === undefined ? call : { ...call, path })
    return run(file, call, { timeout, logger, signal })
  }
}

async function find({ type, path }: PluginCall): Promise<string> {
  for (const folder of path) {
    if (!isAbsolute(folder)) continue
    const file = join(folder, type)
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return file
  }
  throw new CniError(
    CNI_CODES.delegate,
    `the plugin ${type} is not there`,
    `looked in ${path.join(', ') || 'no folder: CNI_PATH is empty'}`,
  )
}

async function run(
  file: string,
  { type, environment, input }: PluginCall,
  { timeout, logger, signal }: { timeout: number; logger: Logger; signal: AbortSignal | undefined },
): Promise<CniResponse> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, { env: { PATH: process.env['PATH'], ...environment }, stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' })
    const output: Buffer[] = []
    const complaints: Buffer[] = []
    let octets = 0
    let killed: CniError | undefined
    const kill = (reason: CniError): void => {
      killed = reason
      child.kill('SIGKILL')
    }
    const timer = setTimeout(() => kill(new CniError(CNI_CODES.tryAgain, `${type} did not end within ${timeout} ms`)), timeout)
    const abort = (): void => kill(new CniError(CNI_CODES.tryAgain, `${type} was stopped: the caller went away`))
    signal?.addEventListener('abort', abort, { once: true })
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      octets += chunk.length
      if (octets > MOST_OUTPUT) kill(new CniError(CNI_CODES.delegate, `${type} wrote more than ${MOST_OUTPUT} octets`))
      else into.push(chunk)
    }
    child.stdout.on('data', collect(output))
    child.stderr.on('data', collect(complaints))
    child.stdin.on('error', () => undefined) // a plugin need not read what it is given
    child.stdin.end(input)
    child.once('error', (cause) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      reject(new CniError(CNI_CODES.delegate, `the plugin ${file} cannot be run`, cause.message, { cause }))
    })
    child.once('close', (code, name) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      const text = Buffer.concat(complaints).toString()
      if (text !== '') logger.info('a plugin wrote to standard error', { plugin: type, text })
      if (killed !== undefined) reject(killed)
      else if (code === null) reject(new CniError(CNI_CODES.delegate, `${type} was ended by ${name}`))
      else resolve({ exitCode: code, output: Buffer.concat(output).toString() })
    })
  })
}
