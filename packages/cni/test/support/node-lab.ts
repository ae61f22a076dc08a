import { nativeAvailability } from '@heddle/linux'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { RUN_SOURCES } from '../../../dataplane-tun/test/support/run-sources.js'
import { clientMissing } from './client.js'

/** Why tests with real namespaces cannot run here; empty when they can. */
export function labMissing(): string {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun'
  const native = nativeAvailability()
  return native.available ? clientMissing : `needs the native part of @heddle/linux: ${native.reason}`
}

/** What a lab has besides. */
export interface LabOptions {
  readonly nodeAddresses: boolean
  readonly configuration?: { readonly vrfs: readonly object[]; readonly endpoints: readonly object[]; readonly nat: readonly object[] }
  readonly networks?: readonly {
    readonly name: string
    readonly vrf: string
    readonly prefix: string
    readonly report?: 'address' | 'node-address'
    /** As the network's; and the gateway of its pool. */
    readonly link?: 'ip' | 'ethernet'
    readonly gateway?: string
  }[]
  /** Underlay address of the node; and of one that it has a session with. */
  readonly address?: string
  readonly neighbor?: string
}

let made = 0

/** Network namespaces of a test, of which one is the host of plugins. Those that were left by a test that was killed go first. */
export class Namespaces {
  /** Test files that run at once are threads of one process. */
  readonly #prefix = `hdcni${process.pid}x${threadId}x${made++}`
  readonly #names = new Set<string>()
  readonly #emergency = (): void => this.close()

  constructor() {
    process.on('exit', this.#emergency)
    for (const line of ip('netns', 'list').split('\n')) {
      const [name = '', pid] = /^hdcni(\d+)x\S+/.exec(line) ?? []
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeLeftover(name)
    }
  }

  /** Path of a namespace, which is made if it is not there. */
  path(short: string): string {
    const name = `${this.#prefix}-${short}`
    if (!this.#names.has(name)) {
      ip('netns', 'add', name)
      this.#names.add(name)
      this.in(short, 'ip', 'link', 'set', 'lo', 'up')
    }
    return `/run/netns/${name}`
  }

  delete(short: string): void {
    const name = `${this.#prefix}-${short}`
    if (this.#names.delete(name)) ip('netns', 'delete', name)
  }

  /** Runs a command inside a namespace; its output. */
  in(short: string, ...command: string[]): string {
    return run('nsenter', `--net=/run/netns/${this.#prefix}-${short}`, ...command)
  }

  succeeds(short: string, ...command: string[]): boolean {
    try {
      this.in(short, ...command)
      return true
    } catch {
      return false
    }
  }

  close(): void {
    process.removeListener('exit', this.#emergency)
    for (const name of this.#names) ip('netns', 'delete', name)
    this.#names.clear()
  }
}

/** A node with TUN dataplane and plugin in a process of its own. */
export class NodeLab {
  readonly namespaces = new Namespaces()
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-cni-lab-'))
  readonly socket = join(this.folder, 'cni.sock')
  readonly #address: string
  /** The agent that runs, if one does. */
  readonly #running: ChildProcess[] = []

  /**
   * @param options `nodeAddresses`: endpoints of the networks `probed-red` and `probed-blue` get addresses on the node, which takes nftables; `vrfs`,
   * `endpoints`, `nat` and `networks`: keys of the node's configuration, and networks, besides its own
   */
  constructor(readonly options: LabOptions = { nodeAddresses: false }) {
    this.#address = options.address ?? '192.0.2.77'
    this.namespaces.path('host')
    this.namespaces.in('host', 'ip', 'address', 'add', `${this.#address}/32`, 'dev', 'lo')
  }

  /** Resolves when the plugin is served. */
  async start(): Promise<void> {
    const script = join(import.meta.dirname, 'agent-process.ts')
    const options = JSON.stringify({ ...this.options, folder: this.folder, address: this.#address })
    const child = spawn('nsenter', [`--net=${this.namespaces.path('host')}`, process.execPath, ...RUN_SOURCES, script, options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#running.push(child)
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve())
      child.once('exit', (code) => reject(new RangeError(`the agent ended with ${code}`)))
    })
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    for (const child of this.#running.splice(0)) {
      if (child.exitCode !== null) continue
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill(signal)
      await ended
    }
  }

  /** Ends the agent with its forwarder, which an agent that was killed left behind. */
  async close(): Promise<void> {
    if (this.#running.length === 0) await this.start()
    await this.end('SIGTERM')
    this.namespaces.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Another test file may be at it, too. */
function removeLeftover(name: string): void {
  try {
    ip('netns', 'delete', name)
  } catch (error) {
    if (existsSync(`/run/netns/${name}`)) throw error
  }
}

function ip(...args: string[]): string {
  return run('ip', ...args)
}

function run(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
}
