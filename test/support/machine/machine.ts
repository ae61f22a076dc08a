import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const ALL_NAMESPACES = ['-m', '-p', '-n', '-u', '-i', '-C']

/** Why machines cannot be made here; empty when they can. */
export function machinesMissing(): string {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/sys/fs/cgroup/memory')) return 'needs the hierarchies of cgroup v1'
  return ''
}

/** A machine inside this one: namespaces of its own for all but users, its files on a tmpfs; it ends when this process does. */
export class Machine {
  readonly #init: ChildProcess
  readonly #emergency = (): void => void this.#init.kill('SIGKILL')

  private constructor(
    readonly name: string,
    /** Name of its network namespace, and of its cgroups. */
    readonly netns: string,
    /** Folder of its own, which this process sees too: sockets, configurations, logs. */
    readonly folder: string,
    init: ChildProcess,
  ) {
    this.#init = init
    process.on('exit', this.#emergency)
  }

  /** Starts a machine in a network namespace that is there. */
  static async start(name: string, netns: string, folder: string): Promise<Machine> {
    mkdirSync(folder, { recursive: true })
    const init = spawn(join(import.meta.dirname, 'machine.sh'), [name, netns, join(folder, 'disk')], { stdio: ['pipe', 'pipe', 'pipe'] })
    const machine = new Machine(name, netns, folder, init)
    let complaints = ''
    init.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
    await new Promise<void>((resolve, reject) => {
      init.stdout.once('data', () => resolve())
      init.once('exit', () => reject(new TypeError(`the machine ${name} did not start: ${complaints}`)))
    })
    return machine
  }

  /** Starts a program; what it says goes to `log` in the machine's folder. It ends with the machine. */
  spawn(log: string, file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const out = openSync(this.log(log), 'a')
    const child = spawn('nsenter', this.#words(file, args), { stdio: ['ignore', out, out], env: { ...process.env, ...env } })
    closeSync(out)
    return child
  }

  /** Runs a command; its output. */
  async run(file: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execute('nsenter', this.#words(file, args), { timeout: 60_000, maxBuffer: 16 << 20 })
    return stdout
  }

  async succeeds(file: string, ...args: readonly string[]): Promise<boolean> {
    return this.run(file, ...args).then(
      () => true,
      () => false,
    )
  }

  log(name: string): string {
    return join(this.folder, `${name}.log`)
  }

  /** Ends everything that runs in it, and removes its cgroups. */
  async close(): Promise<void> {
    process.removeListener('exit', this.#emergency)
    if (this.#init.exitCode === null && this.#init.signalCode === null) {
      const ended = new Promise((resolve) => this.#init.once('exit', resolve))
      this.#init.stdin?.end()
      const timer = setTimeout(() => this.#init.kill('SIGKILL'), 5000)
      await ended
      clearTimeout(timer)
    }
    await this.#removeGroups()
  }

  #words(file: string, args: readonly string[]): string[] {
    const { pid = 0 } = this.#init
    // `unshare` forks: its child is process 1 of the machine.
    const inside = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return ['-t', inside, ...ALL_NAMESPACES, '--', file, ...args]
  }

  /** Groups empty out a moment after their processes. */
  async #removeGroups(): Promise<void> {
    const folders = readFileSync('/proc/self/cgroup', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .filter(([, controllers]) => controllers !== undefined && controllers !== '')
      .map(([, controllers = '', path = '']) => `/sys/fs/cgroup/${controllers.replace('name=', '')}${path}/${this.netns}`)
    for (let tries = 0; tries < 100 && !folders.map(removeTree).every(Boolean); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Removes a group with those below it, as far as they are empty. */
function removeTree(folder: string): boolean {
  if (!existsSync(folder)) return true
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(folder, entry.name))
    rmdirSync(folder)
    return true
  } catch {
    return false
  }
}
