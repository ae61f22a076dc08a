import { figure } from './figure.ts'
import { valueOf } from './judge.ts'
import type { HistogramData, JudgedMeasure, PartResult, Verdict } from './result.ts'

const BAR = 40

/** A part as lines for the terminal. */
export function renderPart(part: PartResult): string {
  return part.measures.flatMap((measure) => ['', ...renderMeasure(measure)]).join('\n')
}

function renderMeasure(measure: JudgedMeasure): string[] {
  const { title, unit, series, ratios } = measure
  const rows = series.map((one, at) => {
    const value = valueOf(measure, one)
    const ratio = ratios[one.name]
    return [
      one.name,
      value === undefined ? '–' : figure(value, unit),
      at === 0 || ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
      one.rounds.length > 1 ? one.rounds.map((round) => figure(round, unit)).join(', ') : '',
      one.note ?? '',
    ]
  })
  return [title, ...table(rows), ...measure.verdicts.map(verdictLine), ...(measure.histograms ?? []).flatMap(renderHistogram)]
}

/** `✓` met, `✗` missed, `–` not measured. */
export function mark({ met }: Verdict): string {
  return met === null ? '–' : met ? '✓' : '✗'
}

function verdictLine(verdict: Verdict): string {
  return `  ${mark(verdict)} ${verdict.beyond ? 'beyond: ' : ''}${verdict.goal}: ${verdict.reached}`
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length))) ?? []
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd())
}

function renderHistogram({ name, unit, buckets, p50, p99, max }: HistogramData): string[] {
  const most = Math.max(1, ...buckets.map(({ count }) => count))
  const label = (value: number): string => figure(value, unit)
  return [
    `  ${name}: p50 ${label(p50)}, p99 ${label(p99)}, worst ${label(max)}`,
    ...buckets.map(({ upTo, count }) => {
      const bar = '█'.repeat(Math.ceil((count / most) * BAR))
      return `  ${`≤ ${label(upTo)}`.padStart(12)} ${bar}${count > 0 ? ' ' : ''}${count}`
    }),
  ]
}
