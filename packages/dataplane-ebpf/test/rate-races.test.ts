import { dropReasonIndex } from '@heddle/core'
import { testPacket } from '@heddle/dataplane-conformance'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { preparePins, removePins } from '../src/pins.js'
import { KernelMaps, wordBytes } from '../src/tables/kernel-maps.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { mapSizes } from '../src/tables/map-sizes.js'
import { missing, titled } from './support/requirements.js'

const SENDER = fileURLToPath(new URL('support/limited-sender.ts', import.meta.url))
const CAPACITY = { fibBlocks: 1024, routes: 16, flows: 1024, ports: 4 }
const PORT = 1
const LOOPBACK = 1
/** Packets that the limit lets pass, and that this process and another one send each. */
const [ALLOWED, SENT] = [1_500_000, 1_000_000]

describe.skipIf(missing() !== '')(titled('a rate limit that several CPUs write'), () => {
  let folder: string
  let pins: string
  let object: NativeObject
  let other: ChildProcessWithoutNullStreams | undefined
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hd-races-'))
    pins = preparePins(folder).pins
    object = call((native) => native.objectLoad(readBpfObject(), mapSizes(CAPACITY), pins))
  })
  afterAll(() => {
    other?.kill('SIGKILL')
    object?.close()
    removePins(folder)
    rmSync(folder, { recursive: true, force: true })
  })

  it('loses none of what they count: together they send what the limit allows, and no packet more', async () => {
    const maps = new KernelMaps(object)
    const packet = testPacket({ source: '10.1.0.1', destination: '10.2.0.1', size: 100 })
    // An octet comes back in eight seconds, and no burst ends with a packet.
    const limit = { bitsPerSecond: 1, burstOctets: ALLOWED * packet.length - 1 }
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

    other = spawn(process.execPath, [...RUN_SOURCES, SENDER, pins, JSON.stringify(CAPACITY), `${SENT}`])
    other.stderr.pipe(process.stderr)
    const isOver = once(other, 'exit')
    await once(other.stdout, 'data')
    const frame = Uint8Array.of(...new Uint8Array(12), 0x08, 0x00, ...packet)
    await new Promise((resolve) => other?.stdin.end(frame, () => resolve(undefined)))
    object.testRun('egress', frame, 0, SENT)
    expect(await isOver).toEqual([0, null])
    // Nobody has a route for them: what the limit lets pass goes no further, and comes again.
    expect([dropped('no-route'), dropped('egress-rate')]).toEqual([ALLOWED, 2 * SENT - ALLOWED])
  })
})
