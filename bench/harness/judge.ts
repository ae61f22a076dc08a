import { figure } from './figure.ts'
import type { Goal, JudgedMeasure, Measure, Series, Verdict } from './result.ts'
import { median } from './statistics.ts'

/** Ratios and verdicts. */
export function judge(measure: Measure): JudgedMeasure {
  const [subject, ...rivals] = measure.series
  const own = valueOf(measure, subject)
  const ratios: Record<string, number> = {}
  for (const rival of rivals) {
    const ratio = timesBetter(measure, subject, rival)
    // Of nothing there is none.
    if (ratio !== undefined && Number.isFinite(ratio)) ratios[rival.name] = ratio
  }
  return { ...measure, ratios, verdicts: (measure.goals ?? []).map((goal) => verdict(measure, goal, own, rivals)) }
}

/**
 * How many times better one is than the other. Of rounds that were made in turn it is the median of the ratios of each: what disturbed a round has disturbed both, and the
 * middle rounds of two that go up and down need not be of the same time. Else that of what stands for all rounds of each; `undefined` where one has none.
 */
function timesBetter(measure: Measure, own: Series | undefined, other: Series): number | undefined {
  const [mine, theirs] = [valueOf(measure, own), valueOf(measure, other)]
  if (own === undefined || mine === undefined || theirs === undefined) return undefined
  const ratio = (a: number, b: number): number => (measure.better === 'lower' ? b / a : a / b)
  const each = own.rounds.map((round, at) => ratio(round, other.rounds[at]))
  const inTurn = own.rounds.length === other.rounds.length && own.apart !== true && other.apart !== true
  // A limit is for the worst of each, and a round of nothing has no ratio.
  return measure.of !== 'worst' && inTurn && each.every(Number.isFinite) ? median(each) : ratio(mine, theirs)
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
      const text =
        goal.factor === 1 ? `no worse than ${than(goal)}` : `at least ${Number(goal.factor.toFixed(2))}× as good as ${than(goal)}`
      const against = rivals.filter(({ name }) => goal.than === undefined || name === goal.than)
      const [least] = against
        .flatMap((rival) => {
          const times = timesBetter(measure, measure.series[0], rival)
          return times === undefined ? [] : [{ times, name: rival.name }]
        })
        .toSorted((a, b) => a.times - b.times)
      if (least === undefined) return missing(text)
      return { goal: text, beyond, reached: `${least.times.toFixed(2)}× ${least.name}`, met: least.times >= goal.factor }
    }
    case 'at-most-lowest-plus': {
      const text = `at most the lowest rival plus ${show(goal.plus)}`
      const rival = lowest(measure, rivals)
      const value = valueOf(measure, rival)
      if (own === undefined || rival === undefined || value === undefined) return missing(text)
      return { goal: text, beyond, reached: `${show(own)} against ${show(value)} of ${rival.name}`, met: own <= value + goal.plus }
    }
  }
}

function than(goal: { readonly than?: string }): string {
  return goal.than ?? 'the best rival'
}

function lowest(measure: Measure, rivals: readonly Series[]): Series | undefined {
  const measured = rivals.filter((rival) => valueOf(measure, rival) !== undefined)
  return measured.toSorted((a, b) => valueOf(measure, a)! - valueOf(measure, b)!)[0]
}

/** What stands for all rounds. */
export function valueOf({ of, better }: Pick<Measure, 'of' | 'better'>, series: Series | undefined): number | undefined {
  if (series === undefined || series.rounds.length === 0) return undefined
  if (of !== 'worst') return median(series.rounds)
  return better === 'lower' ? Math.max(...series.rounds) : Math.min(...series.rounds)
}
