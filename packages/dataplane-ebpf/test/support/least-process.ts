import type { EbpfChoice } from '@heddle/dataplane-ebpf'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { RUN_SOURCES } from '../../../dataplane-tun/test/support/run-sources.js'

/** The capabilities that are enough, as setpriv(1) takes them, and as the kernel tells them. */
const THREE = '-all,+net_admin,+bpf,+perfmon'
export const CAPABILITIES = ((1n << 12n) | (1n << 38n) | (1n << 39n)).toString(16).padStart(16, '0')
/** Begins a command that has these alone, as root, and as somebody who is not. */
export const LIMITED = ['setpriv', `--bounding-set=${THREE}`, `--inh-caps=${THREE}`]
const NOBODY = ['--reuid=65534', '--regid=65534', '--clear-groups', `--ambient-caps=${THREE}`]
export const LIMITED_NOBODY = [...LIMITED, ...NOBODY]

/** What a process with few capabilities says of itself. */
export interface Said {
  readonly capabilities: string
  readonly features: readonly (readonly [name: string, reason: string])[]
  readonly choice?: EbpfChoice
}

export interface LeastProcessOptions {
  /** Path of its network namespace. */
  readonly netns: string
  /** Name of the script in this folder. */
  readonly script: 'least-agent' | 'least-features'
  readonly args?: readonly string[]
  /** Begins the command: what may do more, and runs what stands behind. */
  readonly through?: readonly string[]
  /** What has it run with few capabilities. */
  readonly limited?: readonly string[]
}

/** A process with few capabilities; see the scripts. */
export class LeastProcess {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor({ netns, script, args = [], through = [], limited = LIMITED }: LeastProcessOptions) {
    const file = fileURLToPath(new URL(`${script}.ts`, import.meta.url))
    const command = [`--net=${netns}`, ...through, ...limited, process.execPath, ...RUN_SOURCES, file, ...args]
    this.#child = spawn('nsenter', command, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout as Readable)[Symbol.asyncIterator]()
  }

  /** What it says next. */
  async says<T = Said>(): Promise<T> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new TypeError('a process has ended before it has said everything')
    return JSON.parse(value) as T
  }

  /** What it says last, once it has ended: until then it takes back what it has made. */
  async saysLast(): Promise<Said> {
    const ended = once(this.#child, 'exit')
    const said = await this.says()
    const [code] = (await ended) as [number | null]
    if (code !== 0) throw new TypeError(`a process has ended with ${code} behind what it said`)
    return said
  }

  /** Ends an agent; how many packets each endpoint has sent, and what the process ended with. */
  async end(order: 'keep' | 'end'): Promise<readonly [sent: readonly number[], code: number | null]> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin?.write(`${order}\n`)
    const sent = await this.says<readonly number[]>()
    const [code] = (await ended) as [number | null]
    return [sent, code]
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
