import type { Encapsulation } from '@heddle/core'
import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { RUN_SOURCES } from '../../../dataplane-tun/test/support/run-sources.js'

/** What an agent says once it has taken everything over. */
interface Ready {
  readonly tags: Readonly<Record<string, string>>
  readonly devices: number
}

/** An agent in a process of its own. */
export interface SiteAgent {
  readonly child: ChildProcess
  readonly ready: Ready
  /** What it ends with: null when it is killed. */
  readonly code: Promise<number | null>
}

export interface SiteAgentOptions {
  readonly netns: string
  readonly pins: string
  readonly encapsulation: Encapsulation
  /** Features to do without. */
  readonly without?: readonly EbpfFeatureName[]
  /** Of BFD sessions; with one the tunnels are watched. */
  readonly keeper?: NodeScript
}

interface NodeScript {
  readonly script: string
  readonly execArgv: readonly string[]
}

/** What an agent is started with in place of today's. */
export interface OtherSoftware {
  /** Of programs. */
  readonly object?: string
  readonly agent?: NodeScript
  readonly keeper?: NodeScript
}

const TODAY: NodeScript = { script: fileURLToPath(new URL('site-agent.ts', import.meta.url)), execArgv: RUN_SOURCES }

/** Agents of site a, one after the other; see `site-agent.ts`. */
export class SiteAgents {
  readonly #running = new Map<ChildProcess, Promise<number | null>>()

  constructor(private readonly options: SiteAgentOptions) {}

  /** Starts one, and waits until it has taken everything over. */
  async start({ object, agent = TODAY, keeper = this.options.keeper }: OtherSoftware = {}): Promise<SiteAgent> {
    const env = { ...process.env, ...(object === undefined ? {} : { HEDDLE_EBPF_OBJECT_PATH: object }) }
    const argv = [...agent.execArgv, agent.script, JSON.stringify({ ...this.options, keeper })]
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'], env })
    const code = once(child, 'exit').then(([number]) => number as number | null)
    this.#running.set(child, code)
    const line = once(createInterface(child.stdout), 'line').then(([text]) => text as string)
    const said = await Promise.race([line, code])
    if (typeof said !== 'string') throw new TypeError(`an agent has ended with ${said} before it had taken everything over`)
    return { child, code, ready: JSON.parse(said) as Ready }
  }

  /** @returns what it ended with */
  end({ child, code }: Pick<SiteAgent, 'child' | 'code'>, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<number | null> {
    this.#running.delete(child)
    child.kill(signal)
    return code
  }

  async endAll(): Promise<void> {
    for (const [child, code] of this.#running) await this.end({ child, code })
  }
}
