import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { probeEnvironment } from '../probe/probed.ts'
import { CONFIG_FILE, type Reflector, type ReflectorSetup } from './reflector.ts'

/** Of `/proc/PID/stat`; Linux has had no other for decades. */
const TICKS_PER_SECOND = 100
const KILL_AFTER = 5_000

/** A daemon that runs, with a directory of its own; disposing of it ends it. */
export class Daemon implements AsyncDisposable {
  readonly directory: string
  /** Where it can be asked for its timers (`probe/`), if it can. */
  readonly probe: string | undefined
  readonly #child: ChildProcess
  #output = ''

  constructor(reflector: Reflector, setup: Omit<ReflectorSetup, 'directory'>) {
    this.directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
    this.probe = reflector.probed === true ? join(this.directory, 'probe.sock') : undefined
    const { config, args } = reflector.start({ ...setup, directory: this.directory })
    writeFileSync(join(this.directory, CONFIG_FILE), config)
    const env = this.probe === undefined ? process.env : probeEnvironment(this.probe)
    this.#child = spawn(reflector.executable!, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk) => (this.#output = (this.#output + String(chunk)).slice(-4_000)))
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The end of what it printed. */
  get output(): string {
    return this.#output
  }

  /** Peak resident memory so far, MiB. */
  get peakMemory(): number {
    return this.#status('VmHWM') / 1024
  }

  /** Processor time so far, seconds. */
  get cpu(): number {
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) {
      const ended = new Promise((resolve) => this.#child.once('exit', resolve))
      this.#child.kill('SIGTERM')
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER)
      await ended
      clearTimeout(timer)
    }
    rmSync(this.directory, { recursive: true, force: true })
  }

  #status(key: string): number {
    return Number(new RegExp(`^${key}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'))?.[1])
  }
}
