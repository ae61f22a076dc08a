import { RouteBatch, type FibTransaction } from '@heddle/core'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../harness/machine.ts'
import type { Goal, Measure } from '../harness/result.ts'
import type { Context, Part } from '../harness/run.ts'
import { median } from '../harness/statistics.ts'
import { mapsOf, NAMES, softwareOf } from './contender.ts'
import { addresses, node, SITE_ROUTES, withRoutes } from './kernel.ts'
import { loadObject, words, type LoadedObject } from './objects.ts'

const run = promisify(execFile)
const PROBE = join(root, 'bench', 'ebpf', 'routes-probe.ts')
/** Of loads: a process has one figure of each. */
const ROUNDS = 9
/** Of `bpf/lookups.bpf.c`. */
const LOOKUPS = 1024
/** Next-hop groups that the routes lead to in turn, behind those of the site: an answer tells which route gave it, or one of a few. */
const GROUPS = { first: 3, count: 251 } as const

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

const groupOf = (index: number): number => GROUPS.first + (index % GROUPS.count)

/** Tables with a route to each /24, all by the tunnel of the site. */
function tablesTo(targets: Uint32Array): FibTransaction {
  const routes = new RouteBatch(targets.length + SITE_ROUTES)
  for (const [index, target] of targets.entries()) routes.pushWords(1, 4, target, 0, 0, 0, 24, groupOf(index))
  const tables = withRoutes(1, routes)
  const groups = Array.from({ length: GROUPS.count }, (_, index) => ({
    id: groupOf(index),
    members: [{ nextHop: 2, weight: 1 }],
    seed: 1,
  }))
  return { ...tables, groups: { set: [...tables.groups.set, ...groups], remove: [] } }
}

/** Asks both tries for every address. @throws where they answer differently: a wrong look-up has no time worth knowing */
function compare(looker: LoadedObject, count: number): void {
  looker.update('progresses', words(0), words(0, count, 0, 0))
  looker.testRun('compare', new Uint8Array(64), 0, Math.ceil(count / LOOKUPS))
  const progress = looker.lookup('progresses', words(0))
  if (progress === null) throw new Error('there is no progress')
  const [asked, , , differing] = new Uint32Array(progress.buffer, progress.byteOffset, 4)
  if (asked !== count || differing > 0)
    throw new Error(`of ${count} addresses ${asked} were asked for, and ${differing} answered differently`)
}

const LPM = 'kernel LPM trie'

export const fib: Part = {
  id: 'fib',
  title: 'A million routes',
  about: `In one VRF, loaded by the contract's \`apply\` with everything that it checks: hosts one beside the other, and different /24 far apart. Each round loads
them in processes of its own. The first transaction of hosts, and that of the /24, follow one with the two routes of the site; the other transactions of hosts
follow the first. What the making of routes has left behind is collected before each, which is not timed. The /24 are looked up at random by a program, so many in one run that the run costs nothing; the time of
drawing the addresses is taken off. Before that, both tries have been asked for all of them, and answered alike. Memory: what the kernel holds, all of it from the start.`,
  async run(context: Context) {
    const { quick, progress } = context
    const count = quick ? 100_000 : 1_000_000
    const loads = await loadsOf(count, quick ? 1 : ROUNDS, context)
    await using one = await node({ routes: 1_100_000 })
    const { dataplane } = one
    const targets = addresses(count)
    const report = await dataplane.apply(tablesTo(targets))
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
        looker.update('lpm', Uint8Array.of(...words(24), ...new Uint8Array(big.buffer)), words(groupOf(index)))
      }
      compare(looker, count)
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
        ],
      }
    } finally {
      looker.close()
    }
  },
}
