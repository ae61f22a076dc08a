import type { Measure } from '../../harness/result.ts'
import { median } from '../../harness/statistics.ts'
import type { Context, PartFigures } from '../../harness/run.ts'
import { heddle } from '../daemon/heddle.ts'
import { softwareOf } from '../daemon/reflector.ts'
import { Budget } from '../reflect/budget.ts'
import { runRound } from '../reflect/round.ts'
import { onStage, type Stage } from '../reflect/stage.ts'

const SIZES = [100_000, 200_000, 500_000, 1_000_000, 2_000_000]
const QUICK_SIZES = [20_000, 100_000]
const ROUNDS = 2
/** Seconds that a round may take. */
const LONGEST = 60
/** How much dearer a route of the largest table may be than one of the table where it is cheapest, to call the cost flat. */
const FLAT = 1.25

interface Cost {
  /** For each route. */
  readonly microseconds: number
  /** MiB. */
  readonly peak: number
}

/** What a route costs in tables of different sizes, from the first byte in to the last route out. */
export async function scale(context: Context): Promise<PartFigures> {
  const sizes = context.quick ? QUICK_SIZES : SIZES
  const costs = new Map<number, { readonly wall: number[]; readonly memory: number[] }>()
  for (const routes of sizes) {
    const rounds = await onStage('vpnv4', routes, async (stage) => {
      const out: Cost[] = []
      for (let round = 0; round < (context.quick ? 1 : ROUNDS); round++) out.push(await costOf(routes, stage, context.signal))
      return out
    })
    const wall = rounds.map(({ microseconds }) => microseconds)
    costs.set(routes, { wall, memory: rounds.map(({ peak }) => peak) })
    context.progress(`${routes} routes: ${wall.map((cost) => `${cost.toFixed(2)} µs a route`).join(', ')}`)
  }
  const of = (routes: number): number => median(costs.get(routes)!.wall)
  const largest = sizes.at(-1)!
  const measure = (id: string, title: string, unit: string, rounds: readonly number[]): Measure => {
    return { id, title, unit, better: 'lower', series: [{ name: heddle.name, rounds }] }
  }
  const measures: Measure[] = [
    ...sizes.map((routes) => ({
      ...measure(`cost-${routes}`, `Time a route of ${short(routes)}`, 'µs', costs.get(routes)!.wall),
      axis: 'time',
    })),
    {
      ...measure('flat', `Time a route of ${short(largest)}, against the size where it is least`, '×', [
        of(largest) / Math.min(...sizes.map(of)),
      ]),
      goals: [{ kind: 'at-most', limit: FLAT }],
    },
    ...sizes.map((routes) => ({
      ...measure(`memory-${routes}`, `Peak memory with ${short(routes)}`, 'MiB', costs.get(routes)!.memory),
      axis: 'memory',
    })),
  ]
  return { software: softwareOf([heddle]), measures }
}

async function costOf(routes: number, stage: Stage, signal: AbortSignal): Promise<Cost> {
  const budget = new Budget(LONGEST, signal)
  const { steps, peak } = await runRound(heddle, '127.0.60.11', stage, budget, 'reflect')
  if (steps.reflect === undefined) throw new TypeError(`${routes} routes: ${budget.reason}`)
  return { microseconds: (steps.reflect * 1e6) / routes, peak }
}

function short(routes: number): string {
  return routes % 1e6 === 0 ? `${routes / 1e6}M` : `${routes / 1e3}k`
}
