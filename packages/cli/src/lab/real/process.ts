import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { LabError } from '../errors.js'

/** A program that runs in a namespace until it is ended by its id. */
export class LabProcess {
  readonly #child: ChildProcess
  readonly ended: Promise<void>

  private constructor(
    readonly name: string,
    child: ChildProcess,
  ) {
    this.#child = child
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        resolve()
      })
      child.once('error', () => {
        resolve()
      })
    })
  }

  /** Starts `file` inside `namespace`; what it says goes to `log`, unless `pipe` asks for its streams. */
  static start(
    name: string,
    namespace: string,
    file: string,
    args: readonly string[],
    options: { readonly log: string; readonly pipe?: boolean },
  ): LabProcess {
    const log = openSync(options.log, 'a')
    // A process group of its own: Ctrl-C is for the lab, which ends its parts in order.
    const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, file, ...args], {
      stdio: options.pipe === true ? ['pipe', 'pipe', log] : ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    return new LabProcess(name, child)
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new LabError('lab.process', `${this.name} did not start`)
    return pid
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get stdout(): NodeJS.ReadableStream {
    if (this.#child.stdout === null) throw new LabError('lab.process', `${this.name} has no pipe`)
    return this.#child.stdout
  }

  get stdin(): NodeJS.WritableStream {
    if (this.#child.stdin === null) throw new LabError('lab.process', `${this.name} has no pipe`)
    return this.#child.stdin
  }

  /** Ends it and waits; after `patience` milliseconds without mercy. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patience = 30_000): Promise<void> {
    if (!this.running) return
    this.#child.kill(signal)
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL')
    }, patience)
    await this.ended
    clearTimeout(timer)
  }
}
