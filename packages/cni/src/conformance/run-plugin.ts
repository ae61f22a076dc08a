import { spawn } from 'node:child_process'
import { isObject, type JsonObject } from '../protocol/json.js'
import { ConformanceFailure } from './plugin-check.js'

/** How a run of a plugin ended. */
export interface PluginRun {
  /** -1 when a signal ended it. */
  readonly exitCode: number
  /** All of standard output. */
  readonly output: string
  /** The document of standard output; empty when there is none, or it is no JSON object. */
  readonly json: JsonObject
  /** Milliseconds from its start to its exit, and from its exit to the end of its standard output. */
  readonly ran: number
  readonly lingered: number
}

/** How a call differs from the usual one. */
export interface RunOptions {
  /** Variables that differ from those of the call; `undefined` takes one away. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Standard input instead of the configuration. */
  readonly input?: string
  /** Keys that differ in the configuration; `undefined` takes one away. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Milliseconds after which it is ended with SIGKILL. */
  readonly killAfter?: number
  /** Working directory; the root if left out. */
  readonly cwd?: string
}

/** Longest that a plugin is waited for, milliseconds. */
const DEADLINE = 30_000

/** Runs a program as a runtime runs a plugin; standard input comes in two pieces. */
export async function runPlugin(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  input: string,
  { killAfter, cwd = '/' }: Pick<RunOptions, 'killAfter' | 'cwd'> = {},
): Promise<PluginRun> {
  const [file = '', ...rest] = words
  return new Promise((resolve, reject) => {
    const begin = performance.now()
    let exited = begin
    let isLate = false
    const child = spawn(file, rest, {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd,
    })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stdin.on('error', () => undefined)
    child.stdin.write(input.slice(0, 7))
    setImmediate(() => child.stdin.end(input.slice(7)))
    const timer = setTimeout(() => {
      isLate = killAfter === undefined
      child.kill('SIGKILL')
    }, killAfter ?? DEADLINE)
    child.once('error', (cause) => reject(new ConformanceFailure(`${file} cannot be run: ${cause.message}`, { cause })))
    child.once('exit', () => {
      exited = performance.now()
      clearTimeout(timer)
    })
    child.once('close', (code) => {
      if (isLate) {
        reject(new ConformanceFailure(`it did not end within ${DEADLINE} ms`))
        return
      }
      const output = Buffer.concat(chunks).toString()
      resolve({ exitCode: code ?? -1, output, json: documentOf(output), ran: exited - begin, lingered: performance.now() - exited })
    })
  })
}

function documentOf(output: string): JsonObject {
  try {
    const value: unknown = JSON.parse(output)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
