import { execFile, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Namespaces } from '../../packages/dataplane-tun/test/support/namespaces.js'

const run = promisify(execFile)
const DAEMONS = ['zebra', 'bfdd', 'bgpd'] as const

/** Why FRR with BFD cannot run here; empty when it can. */
export function missingFrr(): string {
  const missing = DAEMONS.filter((name) => !existsSync(`/usr/lib/frr/${name}`))
  return missing.length === 0 ? '' : `needs FRR's ${missing.join(', ')}`
}

/** A router of FRR with BGP and BFD in a namespace. */
export class FrrBfd {
  readonly #directory = mkdtempSync(join(tmpdir(), 'hd-frr-'))
  readonly #running = new Map<string, ChildProcess>()

  constructor(
    private readonly namespaces: Namespaces,
    private readonly namespace: string,
  ) {}

  /** @param bgp lines of `router bgp` @param bfd lines of `bfd` @param zebra lines of the configuration of `zebra` */
  async start(bgp: string, bfd = '', zebra = ''): Promise<void> {
    chmodSync(this.#directory, 0o777)
    writeFileSync(join(this.#directory, 'zebra.conf'), zebra)
    writeFileSync(join(this.#directory, 'bgpd.conf'), bgp)
    writeFileSync(join(this.#directory, 'bfdd.conf'), bfd)
    for (const name of DAEMONS) await this.run(name)
  }

  /** Starts one of the daemons. */
  async run(name: (typeof DAEMONS)[number]): Promise<void> {
    const place = (file: string): string => join(this.#directory, file)
    const own = name === 'bfdd' ? ['--bfdctl', place('bfdd.sock')] : []
    const paths = ['-i', place(`${name}.pid`), '-z', place('zebra.sock'), '--vty_socket', this.#directory]
    const args = [...paths, '-f', place(`${name}.conf`), ...own, '-u', 'frr', '-g', 'frr', '--log', 'stdout', '-P', '0']
    this.#running.set(name, this.namespaces.start(this.namespace, `/usr/lib/frr/${name}`, ...args))
    const sign = place(name === 'zebra' ? 'zebra.sock' : `${name}.vty`)
    for (const end = Date.now() + 300_000; !existsSync(sign);) {
      if (Date.now() > end) throw new TypeError(`${name} does not start`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Ends one of the daemons as a crash does. */
  kill(name: (typeof DAEMONS)[number]): void {
    this.#running.get(name)?.kill('SIGKILL')
    rmSync(join(this.#directory, `${name}.vty`), { force: true })
  }

  /** What a daemon answers to a command, as JSON. */
  async ask(name: (typeof DAEMONS)[number], question: string): Promise<unknown> {
    const { stdout } = await run('vtysh', ['--vty_socket', this.#directory, '-d', name, '-c', `${question} json`])
    return JSON.parse(stdout)
  }

  close(): void {
    for (const child of this.#running.values()) child.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
