import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let made = 0

/** Network namespaces of a bench, and the processes and forwarders in them; all go with `close`, and at the latest with this process. */
export class Namespaces implements Disposable {
  readonly #prefix = `hdbench${process.pid}x${made++}`
  /** Directory for the state of forwarders, each in one of its own below it. */
  readonly state = join(tmpdir(), this.#prefix)
  readonly #names = new Set<string>()
  readonly #processes = new Set<ChildProcess>()
  readonly #emergency = (): void => this.close()

  constructor() {
    process.on('exit', this.#emergency)
    sweep()
  }

  add(...shorts: string[]): void {
    for (const short of shorts) {
      ip(['netns', 'add', this.name(short)])
      this.#names.add(short)
      this.run(short, 'ip link set lo up')
    }
  }

  name(short: string): string {
    return `${this.#prefix}-${short}`
  }

  path(short: string): string {
    return `/run/netns/${this.name(short)}`
  }

  /** Runs a command of plain words inside a namespace; `@name` stands for the full name of another one. */
  run(short: string, command: string): string {
    const words = command.split(' ').map((word) => (word.startsWith('@') ? this.name(word.slice(1)) : word))
    return ip(['netns', 'exec', this.name(short), ...words])
  }

  /** Starts a program inside a namespace, of the network alone: what it mounts stays when it ends. @param cpu it is kept on this one */
  start(short: string, argv: readonly string[], cpu?: number): ChildProcess {
    const words = [`--net=${this.path(short)}`, ...(cpu === undefined ? [] : ['taskset', '-c', `${cpu}`]), ...argv]
    const child = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#processes.add(child)
    child.once('exit', () => this.#processes.delete(child))
    return child
  }

  /** Starts a program that says "ready" when it serves. */
  async serve(short: string, argv: readonly string[], cpu?: number): Promise<ChildProcess> {
    const child = this.start(short, argv, cpu)
    const first = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit').then(() => undefined)])
    if (first === undefined) throw new Error(`${argv.join(' ')} ended before it was ready`)
    return child
  }

  close(): void {
    process.removeListener('exit', this.#emergency)
    for (const child of this.#processes) child.kill('SIGKILL')
    removeState(this.state)
    for (const short of this.#names) ip(['netns', 'delete', this.name(short)])
    this.#names.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** What a program wrote until its end; an end that is no success is an error. */
export async function outputOf(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.on('data', (chunk) => (output += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`${child.spawnargs.join(' ')} ended with ${code}`)
  return output.trim()
}

/** Takes away what a bench left that was killed and could not do it itself. */
function sweep(): void {
  const isLeft = (name: string): boolean => {
    const [, pid] = /^hdbench(\d+)x/.exec(name) ?? []
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  }
  const names = ip(['netns', 'list'])
    .split('\n')
    .map((line) => line.split(' ')[0])
  for (const name of names.filter(isLeft)) {
    for (const pid of ip(['netns', 'pids', name]).split('\n').filter(Boolean)) endProcess(Number(pid), 'SIGKILL')
    ip(['netns', 'delete', name])
  }
  for (const name of readdirSync(tmpdir()).filter(isLeft)) removeState(join(tmpdir(), name))
}

/**
 * Takes a directory of state away, with the forwarders that it is of, which are in sessions of their own and outlive who started them, and with what nodes that
 * forward in the kernel have mounted in it.
 */
function removeState(state: string): void {
  for (const pid of readdirSync('/proc')) {
    if (/^\d+$/.test(pid) && commandOf(pid).startsWith(`heddle-forwarder ${state}/`)) endProcess(Number(pid), 'SIGTERM')
  }
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  for (const folder of mounts.map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(`${state}/`))) {
    // Whoever was killed may not have gone yet.
    execFileSync('umount', ['--lazy', folder])
  }
  rmSync(state, { recursive: true, force: true })
}

/** Arguments of a process; empty when it has gone. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function ip(words: readonly string[]): string {
  return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
