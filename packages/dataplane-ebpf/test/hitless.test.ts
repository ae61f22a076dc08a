import { PORT_COUNTERS } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { POD, UNDERLAY } from '../../dataplane-tun/test/support/two-sites.js'
import { BPF_OBJECT } from '../src/bpf-object.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const here = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url))
/** Compiled another way, the same sources are another version of the programs. */
const hasClang = ((): boolean => {
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

const RATE = 10_000
const RED = 0

interface Ready {
  readonly tags: Readonly<Record<string, string>>
  readonly devices: number
}

describe.skipIf(missing() !== '')(titled('an agent that is killed and upgraded while packets flow'), () => {
  let sites: TwoEbpfSites
  let folder: string
  let far: EbpfDataplane
  const running = new Set<ChildProcess>()

  beforeAll(async () => {
    sites = new TwoEbpfSites('hitless')
    folder = mkdtempSync(join(tmpdir(), 'hd-hitless-'))
    far = await open('b')
    await sites.setUp(far, 'b', 1, 4, 'mpls-udp')
    const near = await open('a', join(folder, 'pins'))
    await sites.setUp(near, 'a', 1, 4, 'mpls-udp')
    await near.close({ keep: true })
  })
  afterAll(async () => {
    for (const child of running) await end(child)
    await far?.close()
    const near = await open('a', join(folder, 'pins'))
    await near.close()
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(folder)
    sites.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function open(site: 'a' | 'b', pinDirectory?: string): Promise<EbpfDataplane> {
    const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
    const underlayNetns = sites.path(sites.short('site', site))
    return ebpfDataplane({
      addresses,
      uplink: 'up0',
      underlayNetns,
      fibBlocks: 2048,
      routes: 4096,
      ...(pinDirectory === undefined ? {} : { pinDirectory }),
    })
  }

  /** Starts an agent of site a and waits until it has taken everything over. */
  async function start(object?: string): Promise<{ readonly child: ChildProcess; readonly ready: Ready }> {
    const argv = [...RUN_SOURCES, here('site-agent.ts'), sites.path(sites.short('site', 'a')), join(folder, 'pins')]
    const env = { ...process.env, ...(object === undefined ? {} : { HEDDLE_EBPF_OBJECT_PATH: object }) }
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], env })
    running.add(child)
    const [line] = (await once(createInterface(child.stdout as NodeJS.ReadableStream), 'line')) as [string]
    return { child, ready: JSON.parse(line) as Ready }
  }

  async function end(child: ChildProcess): Promise<void> {
    running.delete(child)
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** The same sources, optimised for size: other instructions, which do the same. */
  function anotherVersion(): string {
    const source = fileURLToPath(new URL('heddle.bpf.c', BPF_OBJECT))
    const object = join(folder, 'other.bpf.o')
    const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()
    const flags = ['-Os', '-g', '-mcpu=v3', '-target', 'bpf', `-I/usr/include/${machine}-linux-gnu`]
    execFileSync('clang', [...flags, '-c', source, '-o', object])
    return object
  }

  /** Packets that a port of the far site has delivered. */
  async function delivered(): Promise<number> {
    const { portIds, ports } = await far.counters()
    return ports[portIds.indexOf(RED) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf('tx-packets')]
  }

  it(`loses no packet of ${RATE} a second${hasClang ? '' : ' (the upgrade is left out: needs clang)'}`, async () => {
    // Without anybody who listens, errors would come back and be the sender's.
    const sink = sites.start(sites.short('red', 'b'), process.execPath, here('udp-sink.mjs'), POD.b[0], '9')
    await once(sink.stdout as NodeJS.ReadableStream, 'data')
    const before = await delivered()
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), process.execPath, here('udp-stream.mjs'), POD.b[0], '9', `${RATE}`]
    const stream = spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
    running.add(stream)
    const printed = once(stream.stdout, 'data') as Promise<[Buffer]>
    await expect.poll(delivered).toBeGreaterThan(before)

    const first = await start()
    await end(first.child)
    const second = await start(hasClang ? anotherVersion() : undefined)
    if (hasClang) expect(second.ready.tags.egress).not.toBe(first.ready.tags.egress)
    expect(second.ready.devices).toBe(first.ready.devices)
    await end(second.child)
    const third = await start()
    expect(third.ready.tags).toEqual(first.ready.tags)

    stream.stdin.end()
    const [count] = await printed
    running.delete(stream)
    await expect.poll(delivered, { timeout: 5000 }).toBe(before + Number(count))
    await end(third.child)
  }, 60_000)
})
