// `heddle speaker` as a process between peers of this one: what the suites of it share.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { IPV4_UNICAST, Speaker, type LocalRoute } from '@heddle/bgp'
import type { Transport } from '@heddle/io'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { stringify } from 'yaml'
import { root } from '../../scripts/lib/packages.mjs'

const run = promisify(execFile)
export const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')

export interface Process {
  readonly child: ChildProcess
  output(): string
}

/** A reflector, and two peers of this process that it stands between. */
export interface Reflecting {
  readonly process: Process
  readonly socket: string
  readonly port: number
  readonly heddle: (...words: string[]) => Promise<string>
  readonly a: Speaker
  readonly b: Speaker
  readonly write: (change?: (bgp: Record<string, unknown>) => void) => void
}

/** Starts reflectors at addresses of its own, so that suites may run side by side, and ends what it started. */
export class ReflectorLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-speaker-'))
  readonly rr: string
  readonly a: string
  readonly b: string
  readonly #ends: (() => Promise<unknown>)[] = []
  #made = 0

  /** @param net first three octets of a network of loopback addresses */
  constructor(net: string) {
    this.rr = `${net}.1`
    this.a = `${net}.2`
    this.b = `${net}.3`
  }

  /** Is done when the test ends, whatever came between: the last first. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end)
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end()
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  spawned(words: readonly string[], flags: readonly string[] = []): Process {
    const child = spawn(process.execPath, [...flags, executable, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    const gone = new Promise((resolve) => child.once('exit', resolve))
    this.atEnd(async () => {
      child.kill('SIGTERM')
      await gone
    })
    return { child, output: () => text }
  }

  /** A peer of the reflector. */
  async peer(
    address: string,
    port: number,
    { transport = nodeTcpTransport(), ...more }: { transport?: Transport; authentication?: { kind: 'tcp-md5'; key: string } } = {},
  ): Promise<Speaker> {
    const neighbor = { address: this.rr, port, as: 65000, localAddress: address, families: ['ipv4-unicast' as const], connectRetry: 1 }
    const config = { as: 65000, routerId: address, neighbors: [{ ...neighbor, ...more }] }
    const speaker = new Speaker({ clock: nodeClock, random: nodeRandom, transport, config })
    this.atEnd(async () => speaker.stop())
    await speaker.start()
    return speaker
  }

  /** A reflector between two peers. */
  async reflecting(more: object = {}, flags: readonly string[] = []): Promise<Reflecting> {
    const socket = join(this.folder, `${this.#made++}.sock`)
    const file = `${socket}.yaml`
    const port = await this.freePort()
    const write: Reflecting['write'] = (change = () => undefined) => {
      const bgp: Record<string, unknown> = {
        as: 65000,
        listen: [{ address: this.rr, port }],
        policies: { 'no-small': 'term small\n match prefix 0.0.0.0/0 ge 30\n reject\notherwise accept' },
        groups: { clients: { as: 65000, routeReflectorClient: true, passive: true, families: ['ipv4-unicast'] } },
        neighbors: [
          { address: this.a, group: 'clients' },
          { address: this.b, group: 'clients', description: 'the second' },
        ],
        networks: [{ prefix: '203.0.113.0/24', nextHop: '192.0.2.1', communities: ['65000:1'] }],
        ...more,
      }
      change(bgp)
      writeFileSync(file, stringify({ node: { name: 'rr', address: this.rr }, socket, bgp }))
    }
    write()
    const started = this.spawned(['speaker', '--config', file], flags)
    await until(`ready: ${started.output()}`, () => started.output().includes('ready') || undefined)
    const [a, b] = [await this.peer(this.a, port), await this.peer(this.b, port)]
    await until('both sessions', () => [a, b].every((speaker) => speaker.neighbors()[0].state === 'established') || undefined)
    const heddle = async (...words: string[]): Promise<string> => {
      const { stdout } = await run(process.execPath, [executable, '--socket', socket, ...words], { maxBuffer: 1 << 28 })
      return stdout
    }
    return { process: started, socket, port, heddle, a, b, write }
  }

  async freePort(): Promise<number> {
    const server = createServer().listen(0, this.rr)
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  /** Destinations that a peer has from the reflector. */
  received(speaker: Speaker): string[] {
    return [...speaker.routes({ family: 'ipv4-unicast', neighbor: this.rr })]
      .map(({ nlri }) => (nlri.kind === 'unicast' ? String(nlri.prefix) : ''))
      .sort()
  }
}

export async function until<T>(what: string, ask: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new TypeError(`never happened: ${what}`)
}

export function route(prefix: string, nextHop = '192.0.2.2'): LocalRoute {
  return { family: IPV4_UNICAST, nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) }, nextHop: IpAddress.parse(nextHop) }
}
