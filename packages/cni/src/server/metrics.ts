import type { CniVerb } from '../protocol/environment.js'

/** Upper bounds of the histogram of durations, seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

interface Durations {
  readonly buckets: number[]
  count: number
  sum: number
}

/** Counts what a plugin was asked and how it ended. */
export class CniMetrics {
  readonly #durations = new Map<string, Durations>()
  readonly #errors = new Map<string, number>()

  /** @param code 0 when it succeeded */
  record(verb: CniVerb | 'unknown', code: number, seconds: number): void {
    let durations = this.#durations.get(verb)
    if (durations === undefined) this.#durations.set(verb, (durations = { buckets: BOUNDS.map(() => 0), count: 0, sum: 0 }))
    const bucket = BOUNDS.findIndex((bound) => seconds <= bound)
    if (bucket >= 0) durations.buckets[bucket]++
    durations.count++
    durations.sum += seconds
    if (code === 0) return
    const key = `verb="${verb}",code="${code}"`
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1)
  }

  /**
   * Text in the OpenMetrics format, without its end line, so that it can stand among others: `cni_request_seconds`, `cni_errors_total` and gauges.
   *
   * @param gauges name to samples, for what is counted elsewhere, such as `cni_attachments`; labels as `{KEY="VALUE"}`, or empty
   */
  text(gauges: Readonly<Record<string, readonly (readonly [labels: string, value: number])[]>> = {}): string {
    const lines = ['# TYPE cni_request_seconds histogram', '# UNIT cni_request_seconds seconds']
    for (const [verb, { buckets, count, sum }] of this.#durations) {
      let below = 0
      for (const [index, bound] of BOUNDS.entries()) {
        below += buckets[index]
        lines.push(`cni_request_seconds_bucket{verb="${verb}",le="${bound}"} ${below}`)
      }
      lines.push(`cni_request_seconds_bucket{verb="${verb}",le="+Inf"} ${count}`)
      lines.push(`cni_request_seconds_count{verb="${verb}"} ${count}`, `cni_request_seconds_sum{verb="${verb}"} ${sum}`)
    }
    lines.push('# TYPE cni_errors counter')
    for (const [labels, count] of this.#errors) lines.push(`cni_errors_total{${labels}} ${count}`)
    for (const [name, samples] of Object.entries(gauges)) {
      lines.push(`# TYPE ${name} gauge`, ...samples.map(([labels, value]) => `${name}${labels} ${value}`))
    }
    return `${lines.join('\n')}\n`
  }
}
