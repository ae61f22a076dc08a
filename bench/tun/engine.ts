import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Goal, Measure } from '../harness/result.ts'
import { root } from '../harness/machine.ts'
import type { Part } from '../harness/run.ts'
import { NAMES } from './contender.ts'
import { softwareOf } from './software.ts'

const run = promisify(execFile)
const PROBE = join(root, 'bench', 'tun', 'tables-probe.ts')

/** A figure of a probe, and what is asked of it. */
interface Figure {
  readonly probe: string
  readonly key: string
  readonly title: string
  readonly unit: string
  readonly goals: readonly Goal[]
}

const atMost = (limit: number, beyond = false): Goal => ({ kind: 'at-most', limit, beyond })

const FIGURES: readonly Figure[] = [
  {
    probe: 'encap-10k',
    key: 'nanoseconds',
    title: 'Encapsulation in TypeScript, 10,000 routes (host routes that follow each other)',
    unit: 'ns a packet',
    goals: [atMost(50)],
  },
  {
    probe: 'encap-1m',
    key: 'nanoseconds',
    title: 'Encapsulation in TypeScript, 1 million random routes',
    unit: 'ns a packet',
    goals: [atMost(250), atMost(150, true)],
  },
  { probe: 'routes-dense', key: 'milliseconds', title: 'Programming 1 million host routes', unit: 'ms', goals: [atMost(200)] },
  { probe: 'routes-random', key: 'milliseconds', title: 'Programming 1 million random routes', unit: 'ms', goals: [atMost(200)] },
  {
    probe: 'routes-dense',
    key: 'octets',
    title: 'Memory, 1 million host routes that follow each other',
    unit: 'octets a route',
    goals: [],
  },
  { probe: 'routes-random', key: 'octets', title: 'Memory, 1 million random routes', unit: 'octets a route', goals: [] },
  { probe: 'vrfs', key: 'mebibytes', title: 'Memory, 10,000 VRFs of 100 routes', unit: 'MiB', goals: [atMost(256)] },
  { probe: 'flows', key: 'octets', title: 'Memory, one flow each of 100,000 endpoints', unit: 'octets a flow', goals: [] },
]

/** What the engine alone takes, without a system call. */
export const engine: Part = {
  id: 'engine',
  title: 'The engine alone',
  about: `\`@heddle/forwarding\` in a process of its own for each figure. Times are processor time of one thread. A packet has 64 octets and goes to another random
destination than the one before; batches of 64, as the forwarder has them.`,
  async run({ quick, progress, signal }) {
    const rounds = quick ? 1 : 3
    const found = new Map<string, Record<string, number>[]>()
    const probes = [...new Set(FIGURES.map(({ probe }) => probe))]
    for (let round = 0; round < rounds; round++) {
      for (const probe of probes) {
        signal.throwIfAborted()
        const { stdout } = await run(process.execPath, ['--expose-gc', PROBE, probe])
        found.set(probe, [...(found.get(probe) ?? []), JSON.parse(stdout) as Record<string, number>])
        progress(`${probe}: ${stdout.trim()}`)
      }
    }
    const measures = FIGURES.map(({ probe, key, title, unit, goals }): Measure => ({
      id: `${probe}-${key}`,
      title,
      unit,
      better: 'lower',
      series: [{ name: NAMES.heddle, rounds: (found.get(probe) ?? []).map((one) => one[key]) }],
      goals,
    }))
    return { software: softwareOf([{ name: NAMES.heddle }]), measures }
  },
}
