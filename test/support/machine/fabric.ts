import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { Machine } from './machine.js'

/** Octets of a prefix that the fabric's addresses lie in: `PREFIX.HOST/16`. */
const PREFIX = '10.255.9'

/** Machines on one bridge. The namespace of the bridge has the address `.1`: a router can run there. */
export class Fabric {
  readonly address = `${PREFIX}.1`
  readonly #machines: Machine[] = []
  readonly #emergency = (): void => this.#removeNamespaces()
  readonly #namespaces: string[] = []

  /** @param kind tells the namespaces of one suite from those of others */
  constructor(
    readonly kind: string,
    readonly folder: string,
  ) {
    removeLeftovers(kind)
    process.on('exit', this.#emergency)
    this.#addNamespace('hub')
    ip('-n', this.hub, 'link', 'add', 'hub0', 'type', 'bridge')
    ip('-n', this.hub, 'address', 'add', `${this.address}/16`, 'dev', 'hub0')
    ip('-n', this.hub, 'link', 'set', 'hub0', 'up')
  }

  /** Namespace of the bridge. */
  get hub(): string {
    return this.#nameOf('hub')
  }

  /** A new machine with an address on the bridge. */
  async add(name: string): Promise<Machine> {
    const netns = this.#addNamespace(name)
    ip('link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', `to-${name}`, 'netns', this.hub)
    ip('-n', this.hub, 'link', 'set', `to-${name}`, 'master', 'hub0', 'up')
    ip('-n', netns, 'address', 'add', `${this.addressOf(this.#machines.length)}/16`, 'dev', 'eth0')
    // A link of the kernel's leaves checksums open that a wire would not: what is inside of a tunnel would keep an open one.
    run('nsenter', `--net=/run/netns/${netns}`, 'ethtool', '-K', 'eth0', 'tx', 'off')
    ip('-n', netns, 'link', 'set', 'eth0', 'up')
    ip('-n', netns, 'route', 'add', 'default', 'via', this.address)
    const machine = await Machine.start(name, netns, `${this.folder}/${name}`)
    this.#machines.push(machine)
    return machine
  }

  /** Address of the machine that was added as number `index`, from 0. */
  addressOf(index: number): string {
    return `${PREFIX}.${11 + index}`
  }

  async close(): Promise<void> {
    process.removeListener('exit', this.#emergency)
    await Promise.all(this.#machines.map(async (machine) => machine.close()))
    this.#removeNamespaces()
  }

  #nameOf(name: string): string {
    return `${this.kind}${process.pid}-${name}`
  }

  #addNamespace(name: string): string {
    const full = this.#nameOf(name)
    ip('netns', 'add', full)
    this.#namespaces.push(full)
    ip('-n', full, 'link', 'set', 'lo', 'up')
    return full
  }

  #removeNamespaces(): void {
    for (const name of this.#namespaces.splice(0)) ip('netns', 'delete', name)
  }
}

/** Namespaces of a suite that was killed. */
function removeLeftovers(kind: string): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const [name = ''] = line.split(' ', 1)
    const pid = name.startsWith(kind) ? /^\d+/.exec(name.slice(kind.length))?.[0] : undefined
    if (pid !== undefined && !isRunning(pid)) ip('netns', 'delete', name)
  }
}

function isRunning(pid: string): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

function ip(...args: string[]): string {
  return run('ip', ...args)
}

function run(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })
}
