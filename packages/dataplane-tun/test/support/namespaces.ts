import type { IpAddress } from '@heddle/wire'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { sweepFolders } from './folders.js'

let made = 0

export interface Sent {
  readonly octets: number
  readonly packets: number
}

/** Network namespaces of a test; `close` takes them away with everything in them, and so does the end of the process. */
export class Namespaces {
  /** Test files that run at once are threads of one process. */
  readonly prefix = `hdtun${process.pid}x${threadId}x${made++}`
  readonly #processes = new Set<ChildProcess>()
  readonly #names = new Set<string>()
  readonly #emergency = (): void => this.close()

  constructor() {
    process.on('exit', this.#emergency)
    sweep()
    sweepFolders()
  }

  add(short: string): void {
    ip('netns', 'add', this.name(short))
    this.#names.add(short)
    this.in(short, 'ip', 'link', 'set', 'lo', 'up')
  }

  delete(short: string): void {
    if (this.#names.delete(short)) ip('netns', 'delete', this.name(short))
  }

  /** Full name of a namespace. */
  name(short: string): string {
    return `${this.prefix}-${short}`
  }

  path(short: string): string {
    return `/run/netns/${this.name(short)}`
  }

  /** Runs a command inside a namespace; its output. */
  in(short: string, ...command: string[]): string {
    return ip('netns', 'exec', this.name(short), ...command)
  }

  /** Octets and packets that a link has sent. */
  sentBy(short: string, link: string): Sent {
    const [{ stats64 }] = JSON.parse(this.in(short, ...`ip -j -s link show ${link}`.split(' '))) as [
      { stats64: { tx: { bytes: number; packets: number } } },
    ]
    return { octets: stats64.tx.bytes, packets: stats64.tx.packets }
  }

  /** Starts a command inside a namespace. */
  start(short: string, ...command: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name(short), ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#processes.add(child)
    child.once('exit', () => this.#processes.delete(child))
    return child
  }

  close(): void {
    process.removeListener('exit', this.#emergency)
    for (const child of this.#processes) child.kill('SIGKILL')
    for (const name of this.#names) this.delete(name)
  }
}

/** Routes of a namespace by which packets to some destinations may have fewer octets. */
export class NarrowPaths {
  readonly #to: IpAddress[] = []

  /** @param router short name of the namespace */
  constructor(
    private readonly namespaces: Namespaces,
    private readonly router: string,
  ) {}

  add(to: IpAddress, mtu: number): void {
    this.#to.push(to)
    this.namespaces.in(this.router, ...`ip route replace ${to} dev up0 mtu ${mtu}`.split(' '))
  }

  remove(): void {
    for (const to of this.#to.splice(0)) this.namespaces.in(this.router, ...`ip route delete ${to} dev up0`.split(' '))
  }
}

/** Takes away what tests left that were killed and could not do it themselves. */
function sweep(): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const [name = '', pid] = /^hdtun(\d+)x\S+/.exec(line) ?? []
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeLeftover(name)
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
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
