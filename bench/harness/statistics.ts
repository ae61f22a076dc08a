import type { HistogramData } from './result.ts'

/** The middle one, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The smallest value that at least the share `q` (0–1) of all values does not exceed; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN
}

/** Upper bounds 0.1, 0.2, 0.5, 1, 2, 5 … from where the smallest value is up to where the largest is. */
export function histogram(name: string, unit: string, values: readonly number[]): HistogramData {
  const max = values.reduce((most, value) => Math.max(most, value), 0)
  const bounds: number[] = []
  for (let power = -1; ; power++) {
    for (const step of [1, 2, 5]) bounds.push(Number((step * 10 ** power).toPrecision(1)))
    if (bounds.at(-1)! >= max) break
  }
  const last = bounds.findIndex((bound) => bound >= max)
  const buckets = bounds.slice(0, last + 1).map((upTo) => ({ upTo, count: 0 }))
  for (const value of values) buckets.find(({ upTo }) => value <= upTo)!.count++
  const first = Math.max(
    0,
    buckets.findIndex(({ count }) => count > 0),
  )
  return { name, unit, buckets: buckets.slice(first), p50: quantile(values, 0.5), p99: quantile(values, 0.99), max }
}
