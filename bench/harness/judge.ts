import { figure } from './figure.ts'
import type { Goal, JudgedMeasure, Measure, Series, Verdict } from './result.ts'
import { median } from './statistics.ts'

/** Ratios and verdicts: what stands for the rounds of each, against each other. */
export function judge(measure: Measure): JudgedMeasure {
  const [subject, ...rivals] = measure.series
  const own = valueOf(measure, subject)
  const ratios: Record<string, number> = {}
  for (const rival of rivals) {
    const value = valueOf(measure, rival)
    const ratio = value === undefined || own === undefined ? NaN : timesBetter(measure, own, value)
    // Of nothing there is none.
    if (Number.isFinite(ratio)) ratios[rival.name] = ratio
  }
  return { ...measure, ratios, verdicts: (measure.goals ?? []).map((goal) => verdict(measure, goal, own, rivals)) }
}

/** How many times better `own` is than `other`. */
function timesBetter({ better }: Measure, own: number, other: number): number {
  return better === 'lower' ? other / own : own / other
}

function verdict(measure: Measure, goal: Goal, own: number | undefined, rivals: readonly Series[]): Verdict {
  const beyond = goal.beyond ?? false
  const show = (value: number): string => figure(value, measure.unit)
  const missing = (text: string): Verdict => ({ goal: text, beyond, reached: 'not measured', met: null })
  switch (goal.kind) {
    case 'at-most':
    case 'at-least': {
      const text = `${goal.kind === 'at-most' ? 'at most' : 'at least'} ${show(goal.limit)}`
      if (own === undefined) return missing(text)
      return { goal: text, beyond, reached: show(own), met: goal.kind === 'at-most' ? own <= goal.limit : own >= goal.limit }
    }
    case 'times-better': {
      const text = goal.factor === 1 ? `no worse than ${than(goal)}` : `at least ${goal.factor}× as good as ${than(goal)}`
      const rival = goal.than === undefined ? best(measure, rivals) : rivals.find(({ name }) => name === goal.than)
      const value = valueOf(measure, rival)
      if (own === undefined || rival === undefined || value === undefined) return missing(text)
      const times = timesBetter(measure, own, value)
      return { goal: text, beyond, reached: `${times.toFixed(2)}× ${rival.name}`, met: times >= goal.factor }
    }
    case 'at-most-lowest-plus': {
      const text = `at most the lowest rival plus ${show(goal.plus)}`
      const rival = best({ ...measure, better: 'lower' }, rivals)
      const value = valueOf(measure, rival)
      if (own === undefined || rival === undefined || value === undefined) return missing(text)
      return { goal: text, beyond, reached: `${show(own)} against ${show(value)} of ${rival.name}`, met: own <= value + goal.plus }
    }
  }
}

function than(goal: { readonly than?: string }): string {
  return goal.than ?? 'the best rival'
}

function best(measure: Measure, rivals: readonly Series[]): Series | undefined {
  const measured = rivals.filter((rival) => valueOf(measure, rival) !== undefined)
  const sorted = measured.toSorted((a, b) => valueOf(measure, a)! - valueOf(measure, b)!)
  return measure.better === 'lower' ? sorted[0] : sorted.at(-1)
}

/** What stands for all rounds. */
export function valueOf({ of, better }: Pick<Measure, 'of' | 'better'>, series: Series | undefined): number | undefined {
  if (series === undefined || series.rounds.length === 0) return undefined
  if (of !== 'worst') return median(series.rounds)
  return better === 'lower' ? Math.max(...series.rounds) : Math.min(...series.rounds)
}
