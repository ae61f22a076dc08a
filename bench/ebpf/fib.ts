import type { FibTransaction } from '@heddle/core'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../harness/machine.ts'
import type { Goal, Measure } from '../harness/result.ts'
import type { Context, Part } from '../harness/run.ts'
import { mapsOf, NAMES, softwareOf } from './contender.ts'
import { addresses, addresses6, NETWORK6, node, routesTo, withRoutes } from './kernel.ts'
import { loadObject, words, type LoadedObject } from './objects.ts'

const run = promisify(execFile)
const PROBE = join(root, 'bench', 'ebpf', 'routes-probe.ts')
/** Of loads: a process has one figure of each. */
const ROUNDS = 9
/** Of `bpf/lookups.bpf.c`. */
const LOOKUPS = 1024
/** Next-hop groups that the routes lead to in turn, behind those of the site: an answer tells which route gave it, or one of a few. */
const GROUPS = { first: 3, count: 251 } as const

/** Nanoseconds a route of a million: what is asked for where the table is in the order in which endpoints get their addresses. */
const LIMIT = 50
const BEYOND: readonly Goal[] = [{ kind: 'at-most', limit: LIMIT, beyond: true }]

const LOADS: readonly { readonly id: string; readonly title: string; readonly goals?: readonly Goal[] }[] = [
  { id: 'load', title: 'A route of one transaction, IPv4 hosts side by side', goals: [{ kind: 'at-most', limit: LIMIT }] },
  { id: 'reload', title: 'IPv4 hosts, a route that is there already' },
  { id: 'move', title: 'IPv4 hosts, a route that gets another group' },
  { id: 'withdraw', title: 'IPv4 hosts, a route that is withdrawn' },
  { id: 'load-scattered', title: 'A route of one transaction, IPv4 /24 far apart', goals: BEYOND },
  { id: 'load-hosts6', title: 'A route of one transaction, IPv6 hosts side by side', goals: BEYOND },
  { id: 'load-scattered6', title: 'A route of one transaction, IPv6 /64 of a /40 in no order', goals: BEYOND },
]

/** Nanoseconds a route by `LOADS`, of each round. */
async function loadsOf(count: number, rounds: number, { progress, signal }: Context): Promise<Record<string, number>[]> {
  const found: Record<string, number>[] = []
  for (let round = 0; round < rounds; round++) {
    const figures: Record<string, number> = {}
    for (const kind of ['hosts', 'scattered', 'hosts6', 'scattered6']) {
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

/** Tables with a route to each /24, or /64, all by the tunnel of the site. */
function tablesTo(targets: Uint32Array, family: 4 | 6): FibTransaction {
  const tables = withRoutes(1, routesTo(targets, family, groupOf))
  const groups = Array.from({ length: GROUPS.count }, (_, index) => ({
    id: groupOf(index),
    members: [{ nextHop: 2, weight: 1 }],
    seed: 1,
  }))
  return { ...tables, groups: { set: [...tables.groups.set, ...groups], remove: [] } }
}

/** What programs of `bpf/lookups.bpf.c` are called by family. */
const ofFamily = (name: string, family: 4 | 6): string => (family === 4 ? name : `${name}6`)

/** Puts the routes into the kernel's own trie, and addresses that they cover where programs draw from. */
function fill(looker: LoadedObject, targets: Uint32Array, family: 4 | 6): void {
  const key = new DataView(new ArrayBuffer(family === 4 ? 8 : 20))
  key.setUint32(0, family === 4 ? 24 : 64, true)
  if (family === 6) key.setUint32(4, NETWORK6)
  for (const [index, target] of targets.entries()) {
    looker.update('addresses', words(index), words(family === 4 ? target + 1 : target))
    key.setUint32(family === 4 ? 4 : 8, target)
    looker.update(ofFamily('lpm', family), new Uint8Array(key.buffer), words(groupOf(index)))
  }
}

/** Asks both tries for every address. @throws where they answer differently: a wrong look-up has no time worth knowing */
function compare(looker: LoadedObject, count: number, family: 4 | 6): void {
  looker.update('progresses', words(0), words(0, count, 0, 0))
  looker.testRun(ofFamily('compare', family), new Uint8Array(64), 0, Math.ceil(count / LOOKUPS))
  const progress = looker.lookup('progresses', words(0))
  if (progress === null) throw new Error('there is no progress')
  const [asked, , , differing] = new Uint32Array(progress.buffer, progress.byteOffset, 4)
  if (asked !== count || differing > 0)
    throw new Error(`of ${count} addresses ${asked} were asked for, and ${differing} answered differently`)
}

/** Nanoseconds, a figure a round. */
interface LookUps {
  readonly fib: readonly number[]
  readonly lpm: readonly number[]
}

/** Of look-ups one behind the other: each may begin while those before it are under way, or waits for the answer about the one before. */
const WAYS = ['random', 'waited'] as const

/** Looks routes of a family up in the tables of a node that has these and no others, and in the kernel's own trie. */
async function lookUps(
  targets: Uint32Array,
  family: 4 | 6,
  { quick, progress, signal }: Context,
): Promise<Readonly<Record<(typeof WAYS)[number], LookUps>> & { readonly memory: number }> {
  signal.throwIfAborted()
  await using one = await node({ routes: 1_100_000 })
  const { dataplane } = one
  const report = await dataplane.apply(tablesTo(targets, family))
  if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report.failures.slice(0, 3)))
  const { maps } = dataplane.inspect()
  const memory = maps.reduce((sum, { name, octets }) => (name === 'fib' || name === 'routes' ? sum + octets : sum), 0) / (1 << 20)
  const looker = loadObject('lookups', mapsOf(dataplane, one.pins))
  try {
    fill(looker, targets, family)
    compare(looker, targets.length, family)
    const found = { random: { fib: [], lpm: [] }, waited: { fib: [], lpm: [] } } as Record<
      (typeof WAYS)[number],
      Record<'fib' | 'lpm', number[]>
    >
    const per = (program: string): number => looker.testRun(program, new Uint8Array(64), 0, quick ? 100 : 400).duration / LOOKUPS
    for (let round = 0; round < (quick ? 1 : 5); round++) {
      for (const way of WAYS) {
        looker.update('progresses', words(0), words(round + 1, targets.length, 0, 0))
        const idle = per(`${way}_nothing`)
        const { fib, lpm } = found[way]
        fib.push(per(ofFamily(`${way}_fib`, family)) - idle)
        lpm.push(per(ofFamily(`${way}_lpm`, family)) - idle)
        progress(
          `${way} look-up of IPv${family}: ${fib[round].toFixed(1)} ns, LPM ${lpm[round].toFixed(1)} ns, the drawing ${idle.toFixed(1)} ns`,
        )
      }
    }
    return { ...found, memory }
  } finally {
    looker.close()
  }
}

const LPM = 'kernel LPM trie'

/** A row of Heddle against the kernel's own trie. */
const lookUpMeasure = (id: string, title: string, { fib, lpm }: LookUps, goal: Pick<Goal, 'beyond'> = { beyond: true }): Measure => ({
  id,
  title,
  unit: 'ns',
  better: 'lower',
  series: [
    { name: NAMES.heddle, rounds: fib },
    { name: LPM, rounds: lpm },
  ],
  goals: [{ kind: 'times-better', factor: 16.7, than: LPM, ...goal }],
})

export const fib: Part = {
  id: 'fib',
  title: 'A million routes',
  about: `In one VRF, loaded by the contract's \`apply\` with everything that it checks. "Side by side": hosts of which each has the address behind that of the one before, as
endpoints get them. "Far apart", "in no order": different /24 all over IPv4, and different /64 of one /40, of which hardly any two that follow each other have a part of the table in
common. Each round loads them in processes of its own. The first transaction of each kind follows one with the two routes of the site; the other transactions of hosts
follow the first. What the making of routes has left behind is collected before each, which is not timed. The /24 and the /64 are looked up at random by a program, so many in one run that the run costs nothing; the time of drawing the
addresses is taken off. "Random": the next one need not wait for the answer about the one before, so that a processor has several under way, as it may have of several packets. "Each behind the answer before": it has to wait, as a
packet does for its own. Before that, both tries have been asked for all of them, and answered alike. Memory: what the kernel holds, all of it from the start.`,
  async run(context: Context) {
    const count = context.quick ? 100_000 : 1_000_000
    const loads = await loadsOf(count, context.quick ? 1 : ROUNDS, context)
    const [found4, found6] = [await lookUps(addresses(count), 4, context), await lookUps(addresses6(count), 6, context)]
    return {
      software: [
        ...softwareOf(['heddle'], {}),
        { ...softwareOf(['vxlan'])[0], name: LPM, note: 'BPF_MAP_TYPE_LPM_TRIE with the same routes' },
      ],
      measures: [
        lookUpMeasure('lookup', 'Look-up of a random address, IPv4 /24', found4.random, {}),
        lookUpMeasure('lookup-waited', 'Look-up, each behind the answer before, IPv4 /24', found4.waited),
        lookUpMeasure('lookup6', 'Look-up of a random address, IPv6 /64', found6.random),
        lookUpMeasure('lookup6-waited', 'Look-up, each behind the answer before, IPv6 /64', found6.waited),
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
          series: [{ name: NAMES.heddle, rounds: [found4.memory] }],
        },
      ],
    }
  },
}
