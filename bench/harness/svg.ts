import { figure } from './figure.ts'
import { valueOf } from './judge.ts'
import type { Goal, HistogramData, JudgedMeasure, PartResult } from './result.ts'

const WIDTH = 760
const NAMES = 150
const VALUES = 150
const ROW = 22
const COLORS = { subject: '#2471a3', study: '#8e6bbf', rival: '#b2babb', goal: '#c0392b', text: '#2d3436', faint: '#55606b' }

/** One drawing a part: a group of bars a measure, then its histograms. */
export function drawPart(part: PartResult): string {
  const blocks: string[] = []
  let y = 12
  for (const measure of part.measures) {
    blocks.push(`<g transform="translate(0 ${y})">${bars(measure, axisEnd(measure, part.measures), studiesOf(part))}</g>`)
    y += 26 + measure.series.length * ROW + 10
    for (const data of measure.histograms ?? []) {
      blocks.push(`<g transform="translate(0 ${y})">${columns(data)}</g>`)
      y += 150
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="13" role="img" aria-label="${escape(part.title)}">
<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>
${blocks.join('\n')}
</svg>
`
}

const studiesOf = ({ software }: PartResult): string[] => software.flatMap(({ name, role }) => (role === 'study' ? [name] : []))

/** Horizontal bars, the subject in its own colour, and likewise a study in its place; a dot for each round, a line where a fixed goal is. */
function bars(measure: JudgedMeasure, most: number, studies: readonly string[]): string {
  const { title, unit, better, series, goals } = measure
  const limits = limitsOf(goals)
  const room = WIDTH - NAMES - VALUES
  const x = (value: number): string => (NAMES + (value / most) * room).toFixed(1)
  const rows = series.map((one, at) => {
    const value = valueOf(measure, one)
    const y = 26 + at * ROW
    const name = text(NAMES - 8, y + 14, one.name, 'text-anchor="end"')
    if (value === undefined) return name + text(NAMES + 4, y + 14, 'not measured', `fill="${COLORS.faint}"`)
    const width = Math.max(1, (value / most) * room).toFixed(1)
    const dots =
      one.rounds.length < 2 ? [] : one.rounds.map((round) => `<circle cx="${x(round)}" cy="${y + 9}" r="2" fill="${COLORS.text}"/>`)
    const label = Math.max(...one.rounds, value)
    return [
      name,
      `<rect x="${NAMES}" y="${y}" width="${width}" height="18" fill="${at > 0 ? COLORS.rival : studies.includes(one.name) ? COLORS.study : COLORS.subject}"/>`,
      ...dots,
      text(Number(x(label)) + 8, y + 14, figure(value, unit)),
    ].join('')
  })
  const end = 26 + series.length * ROW
  const lines = limits.map(
    (limit) => `<line x1="${x(limit)}" y1="22" x2="${x(limit)}" y2="${end}" stroke="${COLORS.goal}" stroke-dasharray="4 3"/>`,
  )
  const heading = text(12, 14, title, 'font-weight="600"')
  const direction = text(WIDTH - 12, 14, `${better} is better`, `text-anchor="end" font-size="11" fill="${COLORS.faint}"`)
  return [heading, direction, ...rows, ...lines].join('')
}

/** The largest figure, or limit, of the measure and those on the same axis. */
function axisEnd(measure: JudgedMeasure, all: readonly JudgedMeasure[]): number {
  const { axis } = measure
  const together = axis === undefined ? [measure] : all.filter((one) => one.axis === axis)
  const figures = together.flatMap(({ series, goals }) => [...series.flatMap(({ rounds }) => rounds), ...limitsOf(goals)])
  return Math.max(...figures, Number.MIN_VALUE)
}

function limitsOf(goals: readonly Goal[] = []): number[] {
  return goals.flatMap((goal) => ('limit' in goal ? [goal.limit] : []))
}

/** Columns on a logarithmic height, so that the few that were late are seen beside the many that were not. */
function columns({ name, unit, buckets, p50, p99, max }: HistogramData): string {
  const height = 80
  const base = 112
  const most = Math.log10(1 + Math.max(1, ...buckets.map(({ count }) => count)))
  const step = Math.min(64, (WIDTH - NAMES - 24) / buckets.length)
  const drawn = buckets.map(({ upTo, count }, at) => {
    const h = (Math.log10(1 + count) / most) * height
    const left = NAMES + at * step
    return [
      `<rect x="${left + 2}" y="${(base - h).toFixed(1)}" width="${step - 4}" height="${h.toFixed(1)}" fill="${COLORS.subject}"/>`,
      count === 0 ? '' : text(left + step / 2, base - h - 3, count.toLocaleString('en-US'), 'font-size="10" text-anchor="middle"'),
      text(left + step / 2, base + 14, `≤ ${figure(upTo, '')}`, `font-size="10" text-anchor="middle" fill="${COLORS.faint}"`),
    ].join('')
  })
  const summary = `${name}, ${unit}: p50 ${figure(p50, '')}, p99 ${figure(p99, '')}, worst ${figure(max, '')} (logarithmic height)`
  return [text(NAMES, 10, summary, `font-size="11" fill="${COLORS.faint}"`), ...drawn].join('')
}

function text(x: number, y: number, content: string, more = ''): string {
  const fill = more.includes('fill=') ? '' : ` fill="${COLORS.text}"`
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${fill}${more === '' ? '' : ` ${more}`}>${escape(content)}</text>`
}

function escape(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
