import { dropReasonIndex } from '@heddle/core'
import { testPacket } from '@heddle/dataplane-conformance'
import { NetworkNamespace } from '@heddle/linux'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { RATE_KEY } from '../src/layout/structs/rate.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { ensureFileSystem, preparePins, removePins } from '../src/pins.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { wordBytes } from '../src/layout/word.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { mapSizes } from '../src/tables/map-sizes.js'
import { missing, titled } from './support/requirements.js'

const SENDER = fileURLToPath(new URL('support/limited-sender.ts', import.meta.url))
const CAPACITY = { fibBlocks: 1024, routes: 16, flows: 1024, ports: 4 }
const PORT = 1
const EGRESS = 1
const LOOPBACK = 1
/** Packets that the limit lets pass, and that each of two processes sends: one alone does not reach the limit. */
const [ALLOWED, SENT] = [1_500_000, 1_000_000]

/** A process that sends when it is told to. */
class Sender {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(cpu: string, argv: readonly string[]) {
    this.#child = spawn('taskset', ['-c', cpu, process.execPath, ...RUN_SOURCES, SENDER, ...argv])
    this.#child.stderr.pipe(process.stderr)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async ready(): Promise<void> {
    expect(await this.#lines.next()).toEqual({ done: false, value: 'ready' })
  }

  /** When it began and was over. */
  async send(): Promise<readonly number[]> {
    this.#child.stdin.write('\n')
    const { value } = await this.#lines.next()
    expect(value).toMatch(/^\d+ \d+$/)
    return String(value).split(' ').map(Number)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** The first and the last CPU of those that are ours: two, where there are two. */
function twoCpus(): readonly string[] {
  const list = /^Cpus_allowed_list:(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1].match(/\d+/g) ?? ['0']
  return [list[0], list[list.length - 1]]
}

/** How much of the shorter of two times lies in the other. */
function shared([one, other]: readonly (readonly number[])[]): number {
  const both = Math.min(one[1], other[1]) - Math.max(one[0], other[0])
  return both / Math.min(one[1] - one[0], other[1] - other[0])
}

describe.skipIf(missing() !== '')(titled('a rate limit that several CPUs write'), () => {
  let folder: string
  let pins: string
  let object: NativeObject
  let senders: readonly Sender[] = []
  beforeAll(() => {
    folder = makeFolder('races')
    pins = preparePins(folder, ensureFileSystem(folder), NetworkNamespace.identity()).pins
    object = call((native) => native.objectLoad(readBpfObject(), mapSizes(CAPACITY), pins))
  })
  afterAll(() => {
    for (const sender of senders) sender.kill()
    object?.close()
    removePins(folder)
    rmSync(folder, { recursive: true, force: true })
  })

  it('loses none of what they count: together they send what the limit allows, and no packet more', async () => {
    const maps = new KernelMaps(object)
    const packet = testPacket({ source: '10.1.0.1', destination: '10.2.0.1', size: 100 })
    // An octet comes back in eight seconds: that the burst ends one octet into a packet leaves no time for one more.
    const limit = { bitsPerSecond: 1, burstOctets: (ALLOWED - 1) * packet.length + 1 }
    const port = { id: PORT, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400, rateLimits: { egress: limit } } as const
    const transaction = {
      ...emptyTransaction(1),
      vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
      ports: { set: [port], remove: [] },
    }
    expect(new KernelTables(maps).program(transaction)).toEqual([])
    maps.set('links', PORT, new View(LINK).set('ifindex', LOOPBACK).bytes)
    maps.set('devices', LOOPBACK, wordBytes(PORT))
    const dropped = (reason: Parameters<typeof dropReasonIndex>[0]): number =>
      maps.sums(maps.get('drops', dropReasonIndex(reason)) ?? new Uint8Array(0), 1)[0]

    const frame = Buffer.from([...new Uint8Array(12), 0x08, 0x00, ...packet]).toString('hex')
    senders = twoCpus().map((cpu) => new Sender(cpu, [pins, JSON.stringify(CAPACITY), `${SENT}`, frame]))
    await Promise.all(senders.map((sender) => sender.ready()))
    const key = new View(RATE_KEY).set('port', PORT).set('direction', EGRESS).bytes
    const unused = maps.get('rates', key) ?? new Uint8Array(0)
    // One that sends when the other is over is in nobody's way: both again, until they sent at once.
    for (let overlap = 0; overlap < 0.5;) {
      maps.set('rates', key, unused)
      const before = [dropped('no-route'), dropped('egress-rate')]
      overlap = shared(await Promise.all(senders.map((sender) => sender.send())))
      // Nobody has a route for them: what the limit lets pass goes no further, and comes again.
      const after = [dropped('no-route'), dropped('egress-rate')]
      expect(after.map((count, index) => count - before[index])).toEqual([ALLOWED, 2 * SENT - ALLOWED])
    }
  })
})
