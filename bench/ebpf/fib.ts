import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../harness/machine.ts'
import type { Goal, Measure } from '../harness/result.ts'
import type { Context, Part } from '../harness/run.ts'
import { median } from '../harness/statistics.ts'
import { mapsOf, NAMES, softwareOf } from './contender.ts'
import { addresses, node, routesTo, withRoutes } from './kernel.ts'
import { loadObject, words } from './objects.ts'

const run = promisify(execFile)
const PROBE = join(root, 'bench', 'ebpf', 'routes-probe.ts')
/** Of loads: a process has one figure of each. */
const ROUNDS = 9
/** Of `bpf/lookups.bpf.c`. */
const LOOKUPS = 1024

const LOADS: readonly { readonly id: string; readonly title: string; readonly goals?: readonly Goal[] }[] = [
  { id: 'load', title: 'A host route of one transaction', goals: [{ kind: 'at-most', limit: 50 }] },
  { id: 'reload', title: 'A host route that is there already' },
  { id: 'move', title: 'A host route that gets another group' },
  { id: 'withdraw', title: 'A host route that is withdrawn' },
  { id: 'load-scattered', title: 'A scattered route of one transaction' },
]

/** Nanoseconds a route by `LOADS`, of each round. */
async function loadsOf(count: number, rounds: number, { progress, signal }: Context): Promise<Record<string, number>[]> {
  const found: Record<string, number>[] = []
  for (let round = 0; round < rounds; round++) {
    const figures: Record<string, number> = {}
    for (const kind of ['hosts', 'scattered']) {
      signal.throwIfAborted()
      const { stdout } = await run(process.execPath, ['--expose-gc', PROBE, kind, String(count)])
      Object.assign(figures, JSON.parse(stdout))
    }
    found.push(figures)
    progress(LOADS.map(({ id }) => `${id} ${figures[id].toFixed(0)} ns`).join(', '))
  }
  return found
}

const LPM = 'kernel LPM trie'

export const fib: Part = {
  id: 'fib',
  title: 'A million routes',
  about: `In one VRF, loaded by the contract's \`apply\` with everything that it checks: hosts one beside the other, and different /24 far apart. Each round loads
them in processes of its own. The first transaction of hosts, and that of the /24, follow one with the two routes of the site; the other transactions of hosts
follow the first. What the making of routes has left behind is collected before each, which is not timed. The /24 are looked up at random by a program, so many in one run that the run costs nothing; the time of
drawing the addresses is taken off. Memory: what the kernel holds, all of it from the start.`,
  async run(context: Context) {
    const { quick, progress } = context
    const count = quick ? 100_000 : 1_000_000
    const loads = await loadsOf(count, quick ? 1 : ROUNDS, context)
    await using one = await node(1_100_000, 1_048_576)
    const { dataplane } = one
    const targets = addresses(count)
    const report = await dataplane.apply(withRoutes(1, routesTo(targets)))
    if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report.failures.slice(0, 3)))

    const looker = loadObject('lookups', mapsOf(dataplane, one.pins))
    const { maps } = dataplane.inspect()
    const octets = (...names: readonly string[]): number =>
      maps.reduce((sum, map) => (names.includes(map.name) ? sum + map.octets : sum), 0) / (1 << 20)
    try {
      for (const [index, target] of targets.entries()) {
        looker.update('addresses', words(index), words(target + 1))
        const big = new DataView(new ArrayBuffer(4))
        big.setUint32(0, target)
        looker.update('lpm', Uint8Array.of(...words(24), ...new Uint8Array(big.buffer)), words(2))
      }
      const rounds = quick ? 1 : 5
      const figures: Record<'fib' | 'lpm', number[]> = { fib: [], lpm: [] }
      const per = (program: string): number => looker.testRun(program, new Uint8Array(64), 0, quick ? 100 : 400).duration / LOOKUPS
      for (let round = 0; round < rounds; round++) {
        looker.update('progresses', words(0), words(round + 1, count, 0, 0))
        const idle = per('random_nothing')
        figures.fib.push(per('random_fib') - idle)
        figures.lpm.push(per('random_lpm') - idle)
      }
      progress(`look-up: ${median(figures.fib).toFixed(1)} ns, LPM ${median(figures.lpm).toFixed(1)} ns`)
      return {
        software: [
          ...softwareOf(['heddle']),
          { ...softwareOf(['vxlan'])[0], name: LPM, note: 'BPF_MAP_TYPE_LPM_TRIE with the same routes' },
        ],
        measures: [
          {
            id: 'lookup',
            title: 'Look-up of a random address',
            unit: 'ns',
            better: 'lower',
            series: [
              { name: NAMES.heddle, rounds: figures.fib },
              { name: LPM, rounds: figures.lpm },
            ],
            goals: [{ kind: 'times-better', factor: 16.7, than: LPM }],
          },
          ...LOADS.map(({ id, title, goals }): Measure => ({
            id,
            title,
            unit: 'ns',
            better: 'lower',
            series: [{ name: NAMES.heddle, rounds: loads.map((round) => round[id]) }],
            ...(goals !== undefined && { goals }),
          })),
          {
            id: 'memory',
            title: 'Memory of the FIB and its routes',
            unit: 'MiB',
            better: 'lower',
            series: [{ name: NAMES.heddle, rounds: [octets('fib', 'routes')] }],
          },
          {
            id: 'memory-flows',
            title: 'Memory for a million flows of policies',
            unit: 'MiB',
            better: 'lower',
            series: [{ name: NAMES.heddle, rounds: [octets('flows')] }],
          },
        ],
      }
    } finally {
      looker.close()
    }
  },
}
