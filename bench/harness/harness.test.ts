import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { documentFiles } from './document.ts'
import { figure } from './figure.ts'
import { judge } from './judge.ts'
import type { Goal, Measure, PartResult } from './result.ts'
import { histogram, median, quantile } from './statistics.ts'
import { keptResults, mergeParts, storeResult } from './store.ts'
import { renderPart } from './terminal.ts'

const measure = (better: Measure['better'], figures: Record<string, number[]>, ...goals: Goal[]): Measure => ({
  id: 'm',
  title: 'Time',
  unit: 's',
  better,
  series: Object.entries(figures).map(([name, rounds]) => ({ name, rounds })),
  goals,
})
const met = (one: Measure): (boolean | null)[] => judge(one).verdicts.map((verdict) => verdict.met)

function part(id: string, measures: Measure[], more: Partial<PartResult> = {}): PartResult {
  return {
    id,
    title: `Part ${id}`,
    about: 'How.',
    command: 'npm run bench:x',
    commit: 'abc',
    date: '2026-01-02T03:04:05.678Z',
    seconds: 7,
    machine: { cpu: 'CPU', cores: 2, memoryGiB: 4, system: 'Debian', kernel: '6.1', node: 'v24.0.0' },
    software: [{ name: 'Heddle', version: '1', role: 'subject' }],
    measures: measures.map(judge),
    ...more,
  }
}

describe('statistics', () => {
  it('takes the middle, and the mean of two middles', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(median([])).toBeNaN()
  })

  it('takes the value that so many do not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
    expect([0, 0.5, 0.99, 1].map((q) => quantile(hundred, q))).toEqual([1, 50, 99, 100])
  })

  it('counts each value once, in the bucket whose bound it does not exceed', () => {
    const { buckets, p50, p99, max } = histogram('h', 'ms', [0, 0.1, 0.11, 1, 30, 30])
    expect(buckets.filter(({ count }) => count > 0)).toEqual([
      { upTo: 0.1, count: 2 },
      { upTo: 0.2, count: 1 },
      { upTo: 1, count: 1 },
      { upTo: 50, count: 2 },
    ])
    expect(buckets.at(-1)?.upTo).toBe(50)
    expect([p50, p99, max]).toEqual([0.11, 30, 30])
    expect(histogram('none', 'ms', []).buckets).toEqual([{ upTo: 0.1, count: 0 }])
  })
})

describe('goals', () => {
  it('compares medians, in the direction that is better', () => {
    expect(judge(measure('lower', { Heddle: [1, 2, 9], A: [4], B: [6, 6] })).ratios).toEqual({ A: 2, B: 3 })
    expect(judge(measure('higher', { Heddle: [8], A: [4], B: [16] })).ratios).toEqual({ A: 2, B: 0.5 })
    // Nothing is so many times as good as nothing, or anything as that.
    expect(judge(measure('lower', { Heddle: [0], A: [0], B: [3] })).ratios).toEqual({})
  })

  it('compares rounds that were made in turn one by one', () => {
    // The middle ones are of different rounds: 6.74 of the last against 8.06, and 6.8 of the third against 8.79.
    const figures = { Heddle: [7.08, 6.08, 6.8, 5.67, 6.74], kernel: [7.12, 7.96, 8.79, 9.65, 8.06] }
    const goal: Goal = { kind: 'times-better', factor: 0.8, than: 'kernel' }
    const wire = measure('higher', figures, goal)
    expect(judge(wire).ratios.kernel).toBeCloseTo(6.8 / 8.79, 9)
    expect(judge(wire).verdicts).toEqual([{ goal: 'at least 0.8× as good as kernel', beyond: false, reached: '0.77× kernel', met: false }])
    expect(judge({ ...wire, better: 'lower' }).ratios.kernel).toBeCloseTo(8.79 / 6.8, 9)
    // Those that were not, or of which one has more, by what stands for all of each; and so where the worst does.
    const ofAll = (one: Measure): number => judge(one).ratios.kernel
    const [own, kernel] = wire.series
    expect(ofAll({ ...wire, series: [own, { ...kernel, apart: true }] })).toBeCloseTo(6.74 / 8.06, 9)
    expect(ofAll({ ...wire, series: [{ ...own, apart: true }, kernel] })).toBeCloseTo(6.74 / 8.06, 9)
    expect(ofAll({ ...wire, series: [own, { ...kernel, rounds: [...kernel.rounds, 9] }] })).toBeCloseTo(6.74 / 8.425, 9)
    expect(ofAll({ ...wire, of: 'worst' })).toBeCloseTo(5.67 / 7.12, 9)
    // A round of nothing is nothing to divide by.
    expect(judge(measure('lower', { Heddle: [0, 2, 3], A: [0, 6, 3] })).ratios).toEqual({ A: 1.5 })
  })

  it('takes the worst round where a limit must never be exceeded', () => {
    const limit: Goal = { kind: 'at-most', limit: 50 }
    const worst = { ...measure('lower', { Heddle: [1, 2, 60] }, limit), of: 'worst' as const }
    expect([met(worst), met({ ...worst, of: 'median' })]).toEqual([[false], [true]])
    expect(met({ ...measure('higher', { Heddle: [1, 60] }, { ...limit, kind: 'at-least' }), of: 'worst' })).toEqual([false])
  })

  it('holds the subject against the best rival, or the one that is named', () => {
    const times: Goal = { kind: 'times-better', factor: 2 }
    expect(met(measure('lower', { Heddle: [2], A: [4], B: [6] }, times))).toEqual([true])
    expect(met(measure('lower', { Heddle: [2], A: [3.9], B: [6] }, times, { ...times, than: 'B' }))).toEqual([false, true])
    expect(met(measure('higher', { Heddle: [8], A: [3], B: [4] }, times))).toEqual([true])
    expect(met(measure('higher', { Heddle: [8], A: [3], B: [4.1] }, times))).toEqual([false])
    // The best one is that to which the ratio is least, round by round: B by its median, and A by each round but one.
    expect(judge(measure('higher', { Heddle: [8, 4, 8], A: [5, 3, 3.9], B: [3.95, 1, 4] }, times)).verdicts[0].reached).toBe('1.60× A')
  })

  it('holds it against limits, and the lowest rival with something on top', () => {
    expect(met(measure('lower', { Heddle: [2] }, { kind: 'at-most', limit: 2 }, { kind: 'at-most', limit: 1.9 }))).toEqual([true, false])
    expect(met(measure('higher', { Heddle: [2] }, { kind: 'at-least', limit: 2 }, { kind: 'at-least', limit: 2.1 }))).toEqual([true, false])
    const plus: Goal = { kind: 'at-most-lowest-plus', plus: 64 }
    expect(met(measure('lower', { Heddle: [164], A: [100], B: [900] }, plus))).toEqual([true])
    expect(met(measure('lower', { Heddle: [165], A: [100], B: [900] }, plus))).toEqual([false])
  })

  it('neither meets nor misses what was not measured', () => {
    const goals: Goal[] = [
      { kind: 'times-better', factor: 1 },
      { kind: 'at-most', limit: 1 },
      { kind: 'at-most-lowest-plus', plus: 1 },
      { kind: 'times-better', factor: 1, than: 'C' },
    ]
    expect(met(measure('lower', { Heddle: [], A: [1] }, ...goals))).toEqual([null, null, null, null])
    expect(met(measure('lower', { Heddle: [1], A: [] }, ...goals))).toEqual([null, true, null, null])
  })
})

describe('a result', () => {
  const missed = part('a', [measure('lower', { Heddle: [3], BIRD: [2] }, { kind: 'times-better', factor: 1 })])

  it('reads as figures', () => {
    expect([figure(2.449, 's'), figure(1_234.5, 'MiB'), figure(52_300_000, '/s'), figure(1.5, '×'), figure(0.05, 'ms')]).toEqual([
      '2.45 s',
      '1,235 MiB',
      '52.3 M/s',
      '1.50×',
      '0.05 ms',
    ])
  })

  it('says in the terminal and in the document that a goal was missed', () => {
    expect(renderPart(missed)).toContain('✗ no worse than the best rival: 0.67× BIRD')
    const text = documentFiles([{ bench: 'x', title: 'X', about: '', parts: [missed] }]).get('docs/BENCHMARKS.md')
    expect(text).toContain('| Time: no worse than the best rival | 0.67× BIRD | ✗ not met |')
    expect(text).toContain('0 of 1 goals met')
  })

  it('called the ratios of a program that nobody runs those of Heddle', () => {
    const goal: Goal = { kind: 'times-better', factor: 2, than: 'kernel' }
    const measures = [measure('lower', { Heddle: [3], kernel: [4] }), measure('lower', { bare: [1], Heddle: [3], kernel: [4] }, goal)]
    const software: PartResult['software'] = [
      { name: 'Heddle', version: '1', role: 'subject' },
      { name: 'bare', version: '1', role: 'study' },
      { name: 'kernel', version: '6', role: 'rival' },
    ]
    const lines = documentFiles([{ bench: 'x', title: 'X', about: '', parts: [part('a', measures, { software })] }])
      .get('docs/BENCHMARKS.md')!
      .split('\n')
    const headings = lines.filter((line) => line.startsWith('| measure |'))
    expect(headings).toEqual([
      '| measure | participant | figure | Heddle is | rounds |',
      '| measure | participant | figure | bare is | rounds |',
    ])
    // Each ratio stands under the name whose it is.
    const [own, bare] = headings.map((heading) => lines.slice(lines.indexOf(heading)))
    expect(own.find((line) => line.includes('kernel'))).toContain('1.33× as good')
    expect(bare.find((line) => line.includes('kernel'))).toContain('4.00× as good')
    expect(lines).toContain('* bare 1 (study)')
    expect(lines.find((line) => line.includes('goals met'))).toMatch(
      /1 of 1 goals met, of these 1 of 1 by studies that are no part of Heddle$/,
    )
  })

  it('draws what it measured', () => {
    const lateness = { ...measure('lower', { Heddle: [3] }, { kind: 'at-most', limit: 2 }), histograms: [histogram('late', 'ms', [1, 30])] }
    const svg = documentFiles([{ bench: 'x', title: 'X', about: '', parts: [part('a', [lateness])] }]).get('docs/images/bench-x-a.svg')
    expect(svg).toContain('>3 s<')
    expect(svg).toContain('stroke-dasharray')
    expect(svg).toContain('≤ 50')
  })

  it('replaces the parts that were measured again, and only those', () => {
    const directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
    try {
      const write = (...parts: PartResult[]): string => storeResult({ bench: 'x', title: 'X', about: '', parts }, ['b', 'a'], directory)
      write(part('a', [], { commit: 'old' }), part('b', [], { commit: 'old' }), part('gone', []))
      const kept = JSON.parse(readFileSync(write(part('a', [], { commit: 'new' })), 'utf8'))
      expect(kept.parts.map(({ id, commit }: PartResult) => `${id} ${commit}`)).toEqual(['b old', 'a new'])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('is judged anew where it is kept', () => {
    const directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
    try {
      const kept = { ...missed, measures: missed.measures.map((one) => ({ ...one, verdicts: [], ratios: { BIRD: 9 } })) }
      const path = storeResult({ bench: 'x', title: 'X', about: '', parts: [kept] }, ['a', 'b'], directory)
      expect(JSON.parse(readFileSync(path, 'utf8')).parts[0].measures[0].ratios).toEqual({ BIRD: 9 })
      expect(keptResults(directory)[0].parts).toEqual([missed].map((one) => JSON.parse(JSON.stringify(one)) as unknown))
      // And is written so, when another part comes.
      storeResult({ bench: 'x', title: 'X', about: '', parts: [part('b', [])] }, ['a', 'b'], directory)
      expect(JSON.parse(readFileSync(path, 'utf8')).parts[0].measures[0].verdicts).toHaveLength(1)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('keeps the order of the bench', () => {
    expect(mergeParts([part('a', [])], [part('c', []), part('b', [])], ['a', 'b', 'c']).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  })
})
