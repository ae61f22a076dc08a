import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { PodPlace } from './call.ts'

const KIND = 'hdbcni'

/** A network namespace that is the plugins' host, and those of pods. All of it goes with `close`, and at the latest with this process. */
export class Host {
  /** Of the host, to be the end of tunnels. */
  readonly address = '192.0.2.88'
  readonly #prefix = `${KIND}${process.pid}`
  readonly #emergency = (): void => this.close()
  #pods = 0

  constructor() {
    process.on('exit', this.#emergency)
    for (const name of names()) {
      const pid = /^hdbcni(\d+)/.exec(name)?.[1]
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) ip(['netns', 'delete', name])
    }
    ip(['netns', 'add', this.#prefix])
    // An underlay, for a dataplane that attaches its programs to one.
    const lines = [
      'link set lo up',
      'link add uplink type veth peer name far',
      `address add ${this.address}/24 dev uplink`,
      'link set uplink up',
      'link set far up',
    ]
    ip(['-n', this.#prefix, '-batch', '-'], lines)
  }

  /** Namespaces of new pods. */
  pods(count: number): readonly PodPlace[] {
    const made = Array.from({ length: count }, () => `${this.#prefix}-${this.#pods++}`)
    ip(
      ['-batch', '-'],
      made.map((name) => `netns add ${name}`),
    )
    return made.map((name) => ({ id: name, netns: `/run/netns/${name}` }))
  }

  start(file: string, args: readonly string[]): ChildProcess {
    return spawn('nsenter', [`--net=/run/netns/${this.#prefix}`, file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  }

  /** Starts a module of this bench inside. */
  fork(module: string): ChildProcess {
    return fork(module, { execPath: '/usr/bin/nsenter', execArgv: [`--net=/run/netns/${this.#prefix}`, process.execPath] })
  }

  /** Ids of the processes inside. */
  processes(): readonly number[] {
    return ip(['netns', 'pids', this.#prefix])
      .split('\n')
      .filter((line) => line !== '')
      .map(Number)
  }

  close(): void {
    process.removeListener('exit', this.#emergency)
    const ours = names().filter((name) => name.startsWith(this.#prefix))
    if (ours.length > 0)
      ip(
        ['-batch', '-'],
        ours.map((name) => `netns delete ${name}`),
      )
  }
}

function names(): readonly string[] {
  return ip(['netns', 'list'])
    .split('\n')
    .map((line) => line.split(' ', 1)[0] ?? '')
    .filter((name) => name.startsWith(KIND))
}

function ip(args: readonly string[], lines: readonly string[] = []): string {
  return execFileSync('ip', args, { input: lines.map((line) => `${line}\n`).join(''), encoding: 'utf8', maxBuffer: 16 << 20 })
}
