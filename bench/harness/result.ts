// What a bench leaves behind: plain data, of which the file in bench/results, the terminal and docs/BENCHMARKS.md are three views.

/** `bench/results/NAME.json`. */
export interface BenchResult {
  readonly bench: string
  readonly title: string
  /** What is measured and how, in Markdown. */
  readonly about: string
  readonly parts: readonly PartResult[]
}

/** What is measured in one go: subject and rivals in turn, on one machine, at one commit. A later run of a part replaces it. */
export interface PartResult {
  readonly id: string
  readonly title: string
  readonly about: string
  readonly command: string
  readonly commit: string
  /** ISO 8601, UTC. */
  readonly date: string
  readonly seconds: number
  readonly machine: Machine
  /** The subject first. */
  readonly software: readonly Software[]
  readonly measures: readonly JudgedMeasure[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly kernel: string
  readonly node: string
}

/** One participant of a part. */
export interface Software {
  readonly name: string
  readonly version: string
  /** A `study` shows what another way would come to, and is nothing that one would run. */
  readonly role: 'subject' | 'study' | 'rival' | 'instrument'
  /** How it was set up, where that matters. */
  readonly note?: string
}

/** One figure, of the subject and of each rival. */
export interface Measure {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly better: 'lower' | 'higher'
  /** What stands for all rounds: the median, or for what must never be exceeded the worst. */
  readonly of?: 'median' | 'worst'
  /** Drawn on one axis with the measures of the part that name the same, so that their bars can be compared. */
  readonly axis?: string
  /** The subject first. */
  readonly series: readonly Series[]
  readonly goals?: readonly Goal[]
  readonly histograms?: readonly HistogramData[]
}

export interface Series {
  readonly name: string
  /** One figure a round; those of the participants of a measure are made in turn. */
  readonly rounds: readonly number[]
  /** Its rounds were made by themselves, before or behind those of the others: they are not compared one by one. */
  readonly apart?: boolean
  /** Why there is no figure, or fewer rounds than others have. */
  readonly note?: string
}

/** What the subject's figure is held against. Those that are `beyond` what is asked for do not count as missed. */
export type Goal = { readonly beyond?: boolean } & (
  | { readonly kind: 'at-most' | 'at-least'; readonly limit: number }
  /** At least `factor` times as good as the best rival, or as the one named. */
  | { readonly kind: 'times-better'; readonly factor: number; readonly than?: string }
  /** At most the lowest rival's figure, plus so much. */
  | { readonly kind: 'at-most-lowest-plus'; readonly plus: number }
)

export interface JudgedMeasure extends Measure {
  readonly verdicts: readonly Verdict[]
  /** By name of the others: how many times better the first series is, by the median of rounds in turn where there are as many of both. */
  readonly ratios: Readonly<Record<string, number>>
}

export interface Verdict {
  readonly goal: string
  readonly beyond: boolean
  /** What was reached, in words. */
  readonly reached: string
  /** `null`: a figure that it needs is not there. */
  readonly met: boolean | null
}

/** Counts by size; the bucket `{ upTo, count }` has what is above the one before it. */
export interface HistogramData {
  readonly name: string
  readonly unit: string
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[]
  readonly p50: number
  readonly p99: number
  readonly max: number
}
