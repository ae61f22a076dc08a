import { countersOf, RouteBatch, type FibTransaction } from '@heddle/core'
import { testPacket } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { pinsOf } from '../src/pins.js'
import { wordBytes } from '../src/layout/word.js'
import type { Changing } from './support/changing-thread.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'

const CAPACITY = { fibBlocks: 1024, routes: 64, flows: 65_536, ports: 16 }
const [RED, BLUE] = [1, 2]
/** Rules that a policy goes through for each flow. */
const RULES = 1000
/** Packets, each of a flow of its own, and rounds of changes beside them, at least. */
const [PACKETS, CHANGES] = [20_000, 20_000]
/** Index of the loopback link, by which frames of test runs come. */
const LOOPBACK = 1

/** Two VRFs with a port, a label and a tunnel each; all of red's lead to red's. */
function tables(): FibTransaction {
  const routes = new RouteBatch()
  for (const vrf of [RED, BLUE]) routes.push(vrf, IpPrefix.parse('10.2.0.0/16'), vrf)
  const both = <T>(one: (id: number) => T): { set: T[]; remove: never[] } => ({ set: [RED, BLUE].map(one), remove: [] })
  return {
    ...emptyTransaction(1),
    vrfs: both((id) => ({ id, name: `vrf-${id}` })),
    ports: both((id) => ({ id, kind: 'endpoint' as const, vrf: id, allowedSources: [], gateways: [], mtu: 1400 })),
    nextHops: both((id) => ({
      id,
      action: {
        type: 'tunnel' as const,
        encapsulation: 'mpls-udp' as const,
        local: LOCAL[4],
        remote: PEERS[4][0],
        labels: [16 + id],
        ttlModel: 'pipe' as const,
        trafficClassModel: 'pipe' as const,
      },
    })),
    groups: both((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })),
    policies: both((id) => ({
      id,
      port: id,
      direction: 'egress' as const,
      rules: Array.from({ length: RULES }, (_, index) => ({
        protocol: 17,
        ports: [{ first: 10_000 + index, last: 10_000 + index }],
        verdict: 'deny' as const,
      })),
      defaultVerdict: 'allow' as const,
    })),
    routes,
  }
}

describe.skipIf(missing() !== '')(titled('packets beside changes of what they are forwarded by'), () => {
  let namespace: RouterNamespace
  let folder: string
  let router: EbpfRouter
  beforeAll(async () => {
    namespace = new RouterNamespace('beside')
    folder = makeFolder('beside')
    router = await namespace.open({ ...CAPACITY, pinDirectory: folder })
    expect(await router.apply(tables())).toMatchObject({ status: 'applied', failures: [] })
    router.parts.maps.set('devices', LOOPBACK, wordBytes(RED))
  })
  afterAll(async () => {
    await router?.close()
    rmSync(folder, { recursive: true, force: true })
    namespace?.close()
  })

  // The kernel gives an element of a hash that was replaced to the next one at once, while a program may be reading it.
  it('go by the tables of their own port, whatever stands in the place of what these were', { timeout: 120_000 * PACE }, async () => {
    const control = new Int32Array(new SharedArrayBuffer(8))
    const changed = ['ports', 'vrfs', 'next_hops', 'groups'].map((map) => [map, [RED, BLUE]] as const)
    const workerData: Changing = { pins: pinsOf(folder), capacity: CAPACITY, changed, control }
    const worker = new Worker(fileURLToPath(new URL('support/changing-thread.ts', import.meta.url)), { workerData, execArgv: RUN_SOURCES })
    try {
      const died = new Promise<never>((_resolve, reject) => worker.once('error', reject))
      const turn = (): Promise<void> => Promise.race([new Promise<void>((resolve) => void setImmediate(resolve)), died])
      while (Atomics.load(control, 0) === 0) await turn()
      for (let packet = 0; packet < PACKETS || Atomics.load(control, 0) < CHANGES; packet++) {
        const frame = new Uint8Array([
          ...new Uint8Array(12),
          8,
          0,
          ...testPacket({ source: '10.1.0.1', destination: '10.2.0.1', sourcePort: 1024 + (packet % 60_000), destinationPort: 9 }),
        ])
        router.run('egress', frame)
        if (packet % 256 === 0) await turn()
      }
    } finally {
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      Atomics.store(control, 1, 1)
      await ended
    }
    const { vrfs, nextHops } = await router.counters()
    const packets = [vrfs, nextHops].map((rows) => [RED, BLUE].map((id) => countersOf(rows, id)?.[0]))
    process.stdout.write(`${packets[0][0]} packets, beside ${control[0]} changes of each object\n`)
    expect(packets.map(([, blue]) => blue)).toEqual([0, 0])
    expect(packets[0][0]).toBeGreaterThanOrEqual(PACKETS)
  })
})
