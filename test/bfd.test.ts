// BFD between `heddle speaker`, `heddle node` and FRR's bgpd and bfdd: what breaks is noticed long before the hold time ends, and what does not is left alone.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { Namespaces } from '../packages/dataplane-tun/test/support/namespaces.js'
import { missing as missingEbpf } from '../packages/dataplane-ebpf/test/support/requirements.js'
import { missing } from '../packages/dataplane-tun/test/support/requirements.js'
import { root } from '../scripts/lib/packages.mjs'
import { FrrBfd, missingFrr } from './support/frr-bfd.js'

const run = promisify(execFile)
const executable = join(root, 'packages', 'heddle', 'bin', 'heddle.js')
const reason = missing() || missingFrr()
const [HERE, THERE] = ['192.0.2.1', '192.0.2.2']
const HOLD = 90
/* Less than a second, and long enough for a machine that runs other suites beside. */
const TIMING = { interval: 100, multiplier: 8 }
/** As `TIMING`, for what is not about the detection time: no machine is that busy. */
const PATIENT = { interval: 100, multiplier: 100 }

const frrConfig = (as: number, more = '', { interval, multiplier } = TIMING): string =>
  `router bgp ${as}
 bgp router-id ${THERE}
 no bgp ebgp-requires-policy
 ${more}
 neighbor ${HERE} remote-as 65001
 neighbor ${HERE} timers 30 ${HOLD}
 neighbor ${HERE} timers connect 1
 neighbor ${HERE} bfd
 neighbor ${HERE} bfd ${multiplier} ${interval} ${interval}
`

interface BfdRow {
  readonly state: string
  readonly hops: string
  readonly users: readonly string[]
  readonly detection: number
  readonly reason: string | null
}

/** A role of ours and FRR at the two ends of a veth. */
class Link implements AsyncDisposable {
  readonly namespaces = new Namespaces()
  readonly frr: FrrBfd
  readonly #directory = mkdtempSync(join(tmpdir(), 'hd-bfd-'))
  readonly #socket = join(this.#directory, 'us.sock')
  readonly #document: Record<string, unknown>
  #role: ChildProcess | undefined
  #output = ''

  constructor(
    private readonly role: 'speaker' | 'node',
    bgp: object,
    more: object = {},
  ) {
    for (const name of ['us', 'frr']) this.namespaces.add(name)
    this.in('us', `ip link add up0 type veth peer name up0 netns ${this.namespaces.name('frr')}`)
    for (const [name, address] of [
      ['us', HERE],
      ['frr', THERE],
    ] as const) {
      this.in(name, `ip address add ${address}/24 dev up0`)
      this.in(name, 'ip link set up0 up')
    }
    this.frr = new FrrBfd(this.namespaces, 'frr')
    this.#document = { node: { name: 'us', address: HERE }, socket: this.#socket, bgp: { as: 65001, ...bgp }, ...more }
  }

  in(name: string, command: string): void {
    this.namespaces.in(name, ...command.split(' '))
  }

  write(neighbor: object): void {
    const { bgp, ...rest } = this.#document
    const neighbors = [{ address: THERE, families: ['ipv4-unicast'], connectRetry: 1, holdTime: HOLD, ...neighbor }]
    writeFileSync(join(this.#directory, 'us.yaml'), stringify({ ...rest, bgp: { ...(bgp as object), neighbors } }))
  }

  async start(): Promise<void> {
    this.#output = ''
    const words = [executable, this.role, '--config', join(this.#directory, 'us.yaml')]
    // Not by `ip netns exec`, which has mounts of its own: a node that comes back must find the file system of its pins.
    const inside = [`--net=${this.namespaces.path('us')}`, process.execPath, ...words]
    this.#role = spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#role.stdout, this.#role.stderr]) stream?.setEncoding('utf8').on('data', (text) => (this.#output += text))
    await expect.poll(() => this.#output).toContain('ready')
  }

  /** Ends our process as a crash does. */
  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#role?.once('exit', resolve))
    this.#role?.kill('SIGKILL')
    await gone
  }

  async heddle(...words: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [executable, '--socket', this.#socket, ...words])
    return stdout
  }

  /** State of the session and what BFD says of it. */
  async neighbor(): Promise<string> {
    const [row] = JSON.parse(await this.heddle('show', 'bgp', 'neighbors', '--json')) as { state: string; bfd: string | null }[]
    return `${row.state}, bfd ${row.bfd}`
  }

  async paths(): Promise<readonly BfdRow[]> {
    return JSON.parse(await this.heddle('show', 'bfd', '--json')) as BfdRow[]
  }

  async becomes(state: string): Promise<void> {
    await expect.poll(() => this.neighbor(), { interval: 100 }).toBe(state)
  }

  /** What FRR counts of its session. */
  async flaps(): Promise<number> {
    const [counters] = (await this.frr.ask('bfdd', 'show bfd peers counters')) as { 'session-down': number }[]
    return counters['session-down']
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#role?.exitCode === null && this.#role.signalCode === null) {
      const gone = new Promise((resolve) => this.#role?.once('exit', resolve))
      this.#role.kill('SIGTERM')
      await gone
    }
    this.frr.close()
    this.namespaces.close()
    // Of a node that did not come to its end.
    for (const [, at] of readFileSync('/proc/mounts', 'utf8').matchAll(/^\S+ (\S+)/gm)) {
      if (at.startsWith(this.#directory)) await run('umount', [at])
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

describe.skipIf(reason !== '')(`BFD with BGP peers${reason === '' ? '' : ` (skipped: ${reason})`}`, () => {
  it('ends the session of a speaker when the far end is gone, and has it back', async () => {
    await using link = new Link('speaker', {})
    link.write({ as: 65002, bfd: TIMING })
    await Promise.all([link.frr.start(frrConfig(65002)), link.start()])
    await link.becomes('established, bfd up')
    expect(await link.paths()).toMatchObject([{ state: 'up', hops: 'single', users: ['bgp'], detection: 800 }])
    expect(await link.heddle('show', 'bfd')).toContain(THERE)

    link.frr.kill('bfdd')
    const before = performance.now()
    await expect.poll(async () => (await link.neighbor()).split(',')[0], { timeout: HOLD * 500, interval: 20 }).not.toBe('established')
    console.log(`without bfdd the session was seen gone after ${Math.round(performance.now() - before)} ms`)
    expect(await link.heddle('show', 'bgp', 'neighbors')).toContain('6/10 sent')
    await link.frr.run('bfdd')
    await link.becomes('established, bfd up')

    link.in('frr', 'ip link set up0 down')
    await expect.poll(() => link.neighbor(), { timeout: HOLD * 500, interval: 20 }).toContain('bfd down')
    expect(await link.paths()).toMatchObject([{ state: 'down', reason: 'nothing was heard for the detection time' }])
    link.in('frr', 'ip link set up0 up')
    await link.becomes('established, bfd up')
  })

  it('follows a reload: other intervals, and none at all, end nothing', async () => {
    await using link = new Link('speaker', {})
    link.write({ as: 65002, bfd: TIMING })
    await Promise.all([link.frr.start(frrConfig(65002)), link.start()])
    await link.becomes('established, bfd up')
    const flaps = await link.flaps()
    link.write({ as: 65002, bfd: { interval: 200, multiplier: 5 } })
    await link.heddle('reload')
    await expect.poll(() => link.paths()).toMatchObject([{ state: 'up', detection: 1600 }])
    await link.becomes('established, bfd up')
    expect(await link.flaps()).toBe(flaps)
    link.write({ as: 65002, bfd: false })
    await link.heddle('reload')
    await expect.poll(() => link.paths()).toEqual([])
    // FRR 8.4 ends its session for it all the same (RFC 5882 §3.2 would have it go on).
    const told = { status: 'down', 'remote-diagnostic': 'administratively down' }
    await expect.poll(() => link.frr.ask('bfdd', 'show bfd peers')).toMatchObject([told])
    await link.becomes('established, bfd null')
  })

  it.for(['tun', 'ebpf'])(
    'is kept up by the dataplane of a node when its agent dies (%s)',
    { timeout: 120_000 },
    async (kind, { skip }) => {
      if (kind === 'ebpf') skip(missingEbpf() !== '', missingEbpf())
      await using link = new Link('node', { restartTime: 60 }, { dataplane: { kind } })
      link.write({ as: 65001, bfd: PATIENT })
      await Promise.all([link.frr.start(frrConfig(65001, 'bgp graceful-restart', PATIENT)), link.start()])
      await link.becomes('established, bfd up')
      expect(await link.paths()).toMatchObject([{ state: 'up', hops: 'single', users: ['bgp'] }])
      const flaps = await link.flaps()
      await link.kill()
      await link.start()
      await link.becomes('established, bfd up')
      expect(await link.paths()).toMatchObject([{ state: 'up', hops: 'single', users: ['bgp'] }])
      expect(await link.flaps()).toBe(flaps)
      link.frr.kill('bfdd')
      await expect.poll(async () => (await link.neighbor()).split(',')[0], { timeout: HOLD * 500 }).not.toBe('established')
    },
  )
})
