import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A routing daemon of someone else's, with a directory of its own; ended by its handle. */
export class Daemon {
  output = ''

  private constructor(
    readonly directory: string,
    private readonly process: ChildProcess,
  ) {
    process.stdout?.on('data', (chunk) => (this.output += String(chunk)))
    process.stderr?.on('data', (chunk) => (this.output += String(chunk)))
  }

  /** @param args given the directory, which holds `daemon.conf` with `config` */
  static async start(command: string, config: string, args: (directory: string) => readonly string[]): Promise<Daemon> {
    const directory = await mkdtemp(join(tmpdir(), 'heddle-interop-'))
    await writeFile(join(directory, 'daemon.conf'), config)
    return new Daemon(directory, spawn(command, args(directory), { stdio: ['ignore', 'pipe', 'pipe'] }))
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  /** Ends the process without giving it a chance to say anything. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill('SIGKILL')
    await ended
  }

  async stop(): Promise<void> {
    if (this.running) {
      const ended = new Promise((resolve) => this.process.once('exit', resolve))
      this.process.kill('SIGTERM')
      const hard = setTimeout(() => this.process.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(hard)
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** What a command prints, as JSON; `undefined` while it prints something else or fails. */
export async function askJson(command: string, ...args: string[]): Promise<unknown> {
  try {
    const { stdout } = await run(command, args, { maxBuffer: 1 << 24 })
    return JSON.parse(stdout)
  } catch {
    return undefined
  }
}

/** Runs a command to its end. */
export async function command(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(name, args)
  return stdout
}

/** The first of `paths` that exists. */
export function find(...paths: string[]): string | undefined {
  return paths.find((path) => existsSync(path))
}

/** Asks until the answer is there. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined> | T | undefined, seconds = 60): Promise<T> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new TypeError(`never happened in ${seconds} s: ${what}`)
}
