// docs/BENCHMARKS.md and its drawings, made of bench/results and nothing else. `node bench/harness/document.ts [--check]`
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { figure } from './figure.ts'
import { valueOf } from './judge.ts'
import { root } from './machine.ts'
import type { BenchResult, JudgedMeasure, Machine, PartResult, Verdict } from './result.ts'
import { keptResults } from './store.ts'
import { drawPart } from './svg.ts'

const IMAGES = 'docs/images'

/** Path in the repository to content. */
export function documentFiles(results: readonly BenchResult[]): Map<string, string> {
  const files = new Map([['docs/BENCHMARKS.md', markdown(results)]])
  for (const { bench, parts } of results) for (const part of parts) files.set(imagePath(bench, part), drawPart(part))
  return files
}

/** Writes the document and its drawings; those that no result has any more are removed. */
export function writeDocument(): void {
  const files = documentFiles(keptResults())
  mkdirSync(join(root, IMAGES), { recursive: true })
  for (const [path, content] of files) writeFileSync(join(root, path), content)
  for (const path of drawings()) if (!files.has(path)) rmSync(join(root, path))
}

/** Files that are not what the results give. */
export function staleFiles(): string[] {
  const files = documentFiles(keptResults())
  const changed = [...files].filter(
    ([path, content]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== content,
  )
  return [...changed.map(([path]) => path), ...drawings().filter((path) => !files.has(path))]
}

function drawings(): string[] {
  return readdirSync(join(root, IMAGES))
    .filter((name) => name.startsWith('bench-'))
    .map((name) => `${IMAGES}/${name}`)
}

function imagePath(bench: string, { id }: PartResult): string {
  return `${IMAGES}/bench-${bench}-${id}.svg`
}

function markdown(results: readonly BenchResult[]): string {
  return [
    '# Benchmarks',
    '',
    'Made from `bench/results` by `npm run bench:NAME`; `bench/README.md` says how a bench is made. Subject and rivals run in turn on one machine; a figure is the',
    'median of its rounds, or the worst of them where a limit must never be exceeded. A ratio ("times as good") is the median of the ratios of each round, where both have',
    'as many, and so need not be that of the two figures. ✓ met, ✗ not met, – not measured. What is "beyond" is an aim, not a promise.',
    '',
    ...results.flatMap(summary),
    ...results.flatMap(chapter),
    '',
  ].join('\n')
}

function summary({ bench, title, parts }: BenchResult): string[] {
  const verdicts = parts.flatMap(({ measures }) => measures.flatMap((measure) => measure.verdicts))
  const asked = verdicts.filter(({ beyond }) => !beyond)
  const met = asked.filter((verdict) => verdict.met === true)
  return [`* [${title}](#${anchor(title)}) (\`npm run bench:${bench}\`): ${met.length} of ${asked.length} goals met${ofStudies(parts)}`]
}

/** What of that is by programs that nobody would run. */
function ofStudies(parts: readonly PartResult[]): string {
  const counted = parts.flatMap(({ software, measures }) => {
    const studies = software.filter(({ role }) => role === 'study').map(({ name }) => name)
    return measures.filter(({ series }) => studies.includes(series[0]?.name ?? '')).flatMap(({ verdicts }) => verdicts)
  })
  const asked = counted.filter(({ beyond }) => !beyond)
  return asked.length === 0
    ? ''
    : `, of these ${asked.filter(({ met }) => met === true).length} of ${asked.length} by studies that are no part of Heddle`
}

function chapter({ bench, title, about, parts }: BenchResult): string[] {
  return ['', `## ${title}`, '', about, ...parts.flatMap((part) => section(bench, part))]
}

function section(bench: string, part: PartResult): string[] {
  const { title, about, command, commit, date, seconds, machine, software, measures } = part
  const participants = software.map(({ name, version, role, note }) => {
    return `${name} ${version}${role === 'subject' ? '' : ` (${role})`}${note === undefined ? '' : `: ${note}`}`
  })
  return [
    '',
    `### ${title}`,
    '',
    about,
    '',
    `\`${command}\` at ${commit}, ${date.slice(0, 16).replace('T', ' ')} UTC, ${seconds} s; ${machineText(machine)}.`,
    '',
    ...participants.map((text) => `* ${text}`),
    '',
    `![${title}](images/${imagePath(bench, part).slice(IMAGES.length + 1)})`,
    '',
    ...tables(measures).flatMap(({ subject, measures: judged }, at) => [
      ...(at === 0 ? [] : ['']),
      `| measure | participant | figure | ${subject} is | rounds |`,
      '|---|---|---|---|---|',
      ...judged.flatMap(rows),
    ]),
    ...goals(measures),
  ]
}

/** Measures that follow each other, by whose they are: a ratio is that of the first of its measure, which need not be what one would run. */
function tables(measures: readonly JudgedMeasure[]): { readonly subject: string; readonly measures: JudgedMeasure[] }[] {
  const found: { readonly subject: string; readonly measures: JudgedMeasure[] }[] = []
  for (const measure of measures) {
    const subject = measure.series[0]?.name ?? ''
    const last = found.at(-1)
    if (last?.subject === subject) last.measures.push(measure)
    else found.push({ subject, measures: [measure] })
  }
  return found
}

function machineText({ cpu, cores, memoryGiB, system, kernel, node }: Machine): string {
  return `${cores} cores of ${cpu}, ${memoryGiB} GiB, ${system}, Linux ${kernel}, Node ${node.slice(1)}`
}

function rows(measure: JudgedMeasure): string[] {
  const { title, unit, series, ratios } = measure
  return series.map((one, at) => {
    const value = valueOf(measure, one)
    const ratio = ratios[one.name]
    const rounds = one.rounds.length > 1 ? one.rounds.map((round) => figure(round, unit)).join(', ') : ''
    return `| ${[
      at === 0 ? title : '',
      one.name,
      value === undefined ? '–' : figure(value, unit),
      ratio === undefined ? '' : `${ratio.toFixed(2)}× as good`,
      [rounds, one.note ?? ''].filter((text) => text !== '').join('; '),
    ].join(' | ')} |`
  })
}

function goals(measures: readonly JudgedMeasure[]): string[] {
  const lines = measures.flatMap(({ title, verdicts }) => verdicts.map((verdict) => ({ title, verdict })))
  if (lines.length === 0) return []
  return [
    '',
    '| goal | reached | |',
    '|---|---|---|',
    ...lines.map(
      ({ title, verdict }) => `| ${verdict.beyond ? 'beyond: ' : ''}${title}: ${verdict.goal} | ${verdict.reached} | ${word(verdict)} |`,
    ),
  ]
}

function word({ met }: Verdict): string {
  return met === null ? '– not measured' : met ? '✓ met' : '✗ not met'
}

function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-')
}

if (process.argv[1] === import.meta.filename) {
  if (process.argv.includes('--check')) {
    const stale = staleFiles()
    for (const path of stale) console.error(`${path} is not what bench/results give; run: node bench/harness/document.ts`)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else writeDocument()
}
