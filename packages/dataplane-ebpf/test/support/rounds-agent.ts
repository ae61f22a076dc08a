import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EbpfRouter } from '../../src/ebpf-router.js'
import { LOCAL } from './router.js'
import { PODS, podTransaction } from './router-lab.js'

/*
 * A dataplane that goes through rounds: `rounds-agent.ts PINS ROUNDS OPENINGS POD...`. In each round endpoints get devices by a transaction with a mirror and a
 * trace, and lose them again; after as many rounds it is closed and opened anew. Says on a line what it held each time.
 */

export interface Held {
  /** Kinds of the process's open files, and how many there are of each. */
  readonly descriptors: Readonly<Record<string, number>>
  /** Entries of maps. */
  readonly entries: Readonly<Record<string, number>>
  readonly pins: number
  readonly programs: number
  readonly maps: number
}

/** What a process says of itself after each opening. */
export interface Said {
  readonly held: Held
  /** Octets, behind a collection of garbage where it can be had. */
  readonly memory: NodeJS.MemoryUsage
}

const [, , pinDirectory, rounds, openings, ...pods] = process.argv

/** Without those by which they are counted. */
function descriptors(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const fd of readdirSync('/proc/self/fd')) {
    let kind = 'counting'
    try {
      // One that was made and one that was had by its pin are called a little otherwise.
      kind = readlinkSync(`/proc/self/fd/${fd}`)
        .replace(/\[\d+\]$/, '')
        .replace('bpf_link', 'bpf-link')
    } catch {
      // the directory's own
    }
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

function held(router: EbpfRouter): Held {
  const { programs, maps } = router.inspect()
  const entries = ['links', 'devices', 'requests', 'mirrors', 'observed', 'snap_lengths'].map((map) => {
    return [map, [...router.parts.maps.entries(map)].length] as const
  })
  return {
    descriptors: descriptors(),
    entries: Object.fromEntries(entries),
    pins: readdirSync(pinDirectory, { recursive: true }).length,
    programs: programs.length,
    maps: maps.length,
  }
}

const said: Said[] = []
let generation = 0
for (let opening = 0; opening < Number(openings); opening++) {
  const options = { addresses: [LOCAL[4]], uplink: 'up0', pinDirectory, fibBlocks: 1024, routes: 1024, flows: 1024 }
  const router = (await ebpfDataplane(options)) as EbpfRouter
  for (let round = 0; round < Number(rounds); round++) {
    const mirror = { id: 1, ports: [{ port: 0, direction: 'both' }], sink: { type: 'stream' } } as const
    await router.apply({
      ...podTransaction(++generation),
      mirrors: { set: [mirror], remove: [] },
      traces: { set: [{ id: 1, filter: { protocol: 6 } }], remove: [] },
    })
    for (const [port, pod] of pods.entries()) {
      await router.attachPort(port, { netns: pod, ifname: 'eth0', addresses: [PODS[port]], mtu: 1400 })
    }
    for (const port of pods.keys()) await router.detachPort(port)
    const { portIds } = await router.counters()
    if (portIds.length !== pods.length) throw new Error(`${portIds.length} ports`)
    await router.apply({ ...podTransaction(++generation), mirrors: { set: [], remove: [1] }, traces: { set: [], remove: [1] } })
  }
  // Links are taken away a little later, for which sockets are open a while.
  await sleep(2500)
  for (let tries = 0, before = ''; tries < 100 && before !== JSON.stringify(descriptors()); tries++) {
    before = JSON.stringify(descriptors())
    await sleep(250)
  }
  globalThis.gc?.()
  said.push({ held: held(router), memory: process.memoryUsage() })
  await router.close({ keep: opening < Number(openings) - 1 })
}
process.stdout.write(`${JSON.stringify(said)}\n`)
