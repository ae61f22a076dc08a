import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { threadId } from 'node:worker_threads'
import { build } from 'esbuild'
import { afterAll } from 'vitest'
import { nativeAvailability, NetworkNamespace, UdpBatchSocket, type UdpOptions } from '../src/index.js'

const run = promisify(execFile)

/** Why tests that need the kernel cannot run here; empty when they can. */
export const missing = reason()

/** For the title of a suite: says why it does not run. */
export const because = missing === '' ? '' : ` (not run: ${missing})`

/** Whether the native part is there, which needs no rights. */
export const availability = nativeAvailability()
export const unbuilt = availability.available ? '' : ` (not run: ${availability.reason})`

/** Why tests that need the loopback link cannot run here; empty when they can. */
export const loopback = networkInterfaces()['lo'] === undefined ? 'the loopback link is down' : ''
export const noLoopback = loopback === '' ? '' : ` (not run: ${loopback})`

/** A UDP socket on the loopback address. */
export function localUdp(options: Partial<UdpOptions> = {}): Promise<UdpBatchSocket> {
  return UdpBatchSocket.open({ bind: { address: '127.0.0.1', port: 0 }, ...options })
}

function reason(): string {
  const availability = nativeAvailability()
  if (!availability.available) return availability.reason
  return process.getuid?.() === 0 ? '' : 'needs root'
}

let made = 0

/** Makes namespaces for the tests of one file and deletes them behind the last, whatever came between. */
export function namespaces(): { create(): Promise<NetworkNamespace> } {
  const all: NetworkNamespace[] = []
  const clean = async (): Promise<void> => {
    for (const namespace of all.splice(0)) await namespace[Symbol.asyncDispose]()
  }
  afterAll(clean)
  return {
    async create() {
      // Told apart from those of other files by the thread, from those that a killed run left by chance.
      const name = `hdl-test-${process.pid}-${threadId}-${Math.random().toString(36).slice(2, 6)}${made++}`
      const namespace = await NetworkNamespace.create(name)
      all.push(namespace)
      return namespace
    },
  }
}

/**
 * Runs `script`, a module, in a process of its own, where nothing else opens descriptors or threads; returns what it prints.
 *
 * It finds the package as `linux`, `assert`, and `count()` with the numbers of open descriptors and threads once things have settled.
 *
 * @param options `command`: what starts Node.js
 */
export async function isolated(
  script: string,
  { env = {}, command = [process.execPath] }: { readonly env?: NodeJS.ProcessEnv; readonly command?: readonly string[] } = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hdl-test-'))
  const prelude = `
    import assert from 'node:assert/strict'
    import { readdirSync, readlinkSync } from 'node:fs'
    import { setTimeout as sleep } from 'node:timers/promises'
    import * as linux from ${JSON.stringify(join(import.meta.dirname, '../src/index.ts'))}
    async function count() {
      const now = () => ['fd', 'task'].map((kind) => readdirSync('/proc/self/' + kind).length)
      for (let last = '', alike = 0; alike < 4; await sleep(40)) {
        const next = String(now())
        alike = next === last ? alike + 1 : 0
        last = next
      }
      return now()
    }
    `
  try {
    const outfile = join(folder, 'script.mjs')
    await build({
      stdin: { contents: prelude + script, resolveDir: import.meta.dirname },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      outfile,
      alias: {
        '@heddle/wire': join(import.meta.dirname, '../../wire/src/index.ts'),
        '@heddle/io/node': join(import.meta.dirname, '../../io/src/node/index.ts'),
        '@heddle/io': join(import.meta.dirname, '../../io/src/index.ts'),
      },
      logLevel: 'silent',
    })
    const HEDDLE_NATIVE_PATH = process.env['HEDDLE_NATIVE_PATH'] ?? nativeFile()
    const [file = '', ...words] = command
    const { stdout } = await run(file, [...words, outfile], { env: { ...process.env, HEDDLE_NATIVE_PATH, ...env } })
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The built library. */
export function nativeFile(): string {
  return join(import.meta.dirname, `../npm/linux-${process.arch}-gnu/heddle-linux.linux-${process.arch}-gnu.node`)
}

/** Calls `attempt` until it answers something other than undefined. */
export async function eventually<T>(
  what: string,
  attempt: () => T | undefined | Promise<T | undefined>,
  milliseconds = 60_000,
): Promise<T> {
  const end = performance.now() + milliseconds
  for (;;) {
    const result = await attempt()
    if (result !== undefined) return result
    if (performance.now() > end) throw new RangeError(`${what} did not happen within ${milliseconds} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
