import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CniResponse } from '../../src/index.js'
import { callOf, type CallOptions } from './calls.js'

/** The built executable. */
export const CLIENT = join(import.meta.dirname, `../../npm/linux-${process.arch}/heddle-cni`)

/** Why tests with the executable cannot run; empty when they can. */
export const clientMissing = existsSync(CLIENT) ? '' : 'needs the CNI client: npm run build:native, which takes Rust'

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<CniResponse & { readonly signal: string | null; readonly milliseconds: number }>
}

/** Starts a plugin as a runtime does; `input` comes in pieces. */
export function start(file: string, environment: Record<string, string>, input: string): Started {
  const begin = performance.now()
  const child = spawn(file, { env: environment, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' })
  let output = ''
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  child.stdin?.on('error', () => undefined)
  child.stdin?.write(input.slice(0, 10))
  child.stdin?.end(input.slice(10))
  const ended = new Promise<Awaited<Started['ended']>>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ exitCode: code ?? -1, signal, output, milliseconds: performance.now() - begin }))
  })
  return { child, ended }
}

/** Calls the executable, which finds its agent at `socket`. */
export function startCall(socket: string, verb: string, options: CallOptions = {}): Started {
  const { environment, input } = callOf(verb, { ...options, config: { socket, ...options.config } })
  return start(CLIENT, environment, input)
}
