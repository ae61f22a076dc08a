import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { judge } from './judge.ts'
import { root } from './machine.ts'
import type { BenchResult, PartResult } from './result.ts'

/** What stands in the documentation. */
export const RESULTS = join(root, 'bench', 'results')
/** Quick runs and others that leave something out. */
export const PARTIAL_RESULTS = join(root, 'out', 'bench')

/** Every result that is kept, by name. */
export function keptResults(directory = RESULTS): BenchResult[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => keptResult(join(directory, name)))
}

/** One that is kept. Its rounds are judged anew: a part that is not run again is held to the same rules as one that is. */
function keptResult(path: string): BenchResult {
  const result = JSON.parse(readFileSync(path, 'utf8')) as BenchResult
  return { ...result, parts: result.parts.map((part) => ({ ...part, measures: part.measures.map(judge) })) }
}

/** Writes the parts that were measured in place of those of the same name; others stay. Returns the path. */
export function storeResult(result: BenchResult, order: readonly string[], directory: string): string {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${result.bench}.json`)
  const before = existsSync(path) ? keptResult(path) : undefined
  writeFileSync(path, `${JSON.stringify({ ...result, parts: mergeParts(before?.parts ?? [], result.parts, order) }, round, 2)}\n`)
  return path
}

/** Parts of both, the later ones before the earlier ones of the same name, in the bench's order; those that the bench no longer has are gone. */
export function mergeParts(before: readonly PartResult[], now: readonly PartResult[], order: readonly string[]): PartResult[] {
  return order.flatMap((id) => [...now, ...before].find((part) => part.id === id) ?? [])
}

/** Digits beyond what was measured only make noise in a file that is read. */
function round(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
