import { Coverage, CoverageMap } from './coverage.js'
import { diceOf, mutate } from './mutate.js'

/** A decoder with what must hold of it for any octets. */
export interface Target {
  readonly name: string
  readonly seeds: readonly Uint8Array[]
  /** Decodes, and throws where anything but a value or a typed error comes out, or the value does not encode to what decodes to it. */
  readonly check: (bytes: Uint8Array) => void
  /** Makes the outer length fit again, so that the damage reaches what is behind it. */
  readonly refit?: (bytes: Uint8Array) => Uint8Array
}

/** What a run found. */
export interface Findings {
  readonly runs: number
  /** Characters of source that ran. */
  readonly covered: number
  /** Inputs that reached something new, in order. */
  readonly corpus: readonly Uint8Array[]
  readonly failure?: { readonly input: Uint8Array; readonly error: unknown }
}

/** How long, from which seed, and which scripts are looked at (those of the codecs, unless said). */
export interface FuzzOptions {
  readonly seconds: number
  readonly seed: number
  readonly counts?: (url: string) => boolean
}

const isSource = (url: string): boolean => url.includes('/bgp/src/') || url.includes('/wire/src/')

const BATCH = 128
const MAX_CORPUS = 400

/** Runs a target until the time is over or a check fails; inputs that run code which none ran before are mutated further. */
export function fuzz(target: Target, { seconds, seed, counts = isSource }: FuzzOptions): Findings {
  const dice = diceOf(seed)
  const coverage = new Coverage(counts)
  const seen = new CoverageMap()
  const corpus: Uint8Array[] = []
  let runs = 0
  const attempt = (input: Uint8Array): Findings['failure'] => {
    runs++
    try {
      target.check(input)
      return undefined
    } catch (error) {
      return { input: smallest(target, input), error }
    }
  }
  const result = (failure?: Findings['failure']): Findings => ({
    runs,
    covered: seen.size,
    corpus,
    ...(failure === undefined ? {} : { failure }),
  })
  /** Halves what ran something new until single inputs are left: a look costs more than many inputs. */
  const findNew = (inputs: readonly Uint8Array[]): void => {
    for (const input of inputs) target.check(input)
    const look = coverage.take()
    if (!seen.isNew(look)) return
    if (inputs.length > 1) {
      findNew(inputs.slice(0, inputs.length >>> 1))
      findNew(inputs.slice(inputs.length >>> 1))
    } else {
      seen.add(look)
      if (corpus.length < MAX_CORPUS) corpus.push(inputs[0])
    }
  }
  try {
    for (const input of target.seeds.length > 0 ? target.seeds : [new Uint8Array()]) {
      const failure = attempt(input)
      if (failure !== undefined) return result(failure)
      if (seen.add(coverage.take()) || corpus.length === 0) corpus.push(input)
    }
    const deadline = performance.now() + seconds * 1000
    while (performance.now() < deadline) {
      const batch = Array.from({ length: BATCH }, () => {
        const changed = mutate(corpus[dice(corpus.length)], corpus[dice(corpus.length)], dice)
        return target.refit !== undefined && dice(8) > 0 ? target.refit(changed) : changed
      })
      for (const input of batch) {
        const failure = attempt(input)
        if (failure !== undefined) return result(failure)
      }
      if (seen.isNew(coverage.take())) findNew(batch)
    }
    return result()
  } finally {
    coverage.stop()
  }
}

/** The fewest and shortest inputs that reach what all of `found` reach beyond the seeds: what is worth keeping. */
export function distill(target: Target, found: readonly Uint8Array[], counts: (url: string) => boolean = isSource): Uint8Array[] {
  const coverage = new Coverage(counts)
  const seen = new CoverageMap()
  const adds = (input: Uint8Array): boolean => {
    target.check(input)
    return seen.add(coverage.take())
  }
  try {
    for (const seed of target.seeds) adds(seed)
    return found.toSorted((a, b) => a.length - b.length).filter(adds)
  } finally {
    coverage.stop()
  }
}

/** The input with all left out that it fails without. */
function smallest(target: Target, input: Uint8Array): Uint8Array {
  const fails = (bytes: Uint8Array): boolean => {
    try {
      target.check(bytes)
      return false
    } catch {
      return true
    }
  }
  let best = input
  for (let size = best.length >>> 1; size > 0; size >>>= 1) {
    for (let at = 0; at + size <= best.length;) {
      const shorter = Uint8Array.of(...best.subarray(0, at), ...best.subarray(at + size))
      const fitted = target.refit === undefined ? shorter : target.refit(shorter)
      if (fails(fitted)) best = fitted
      else at += size
    }
  }
  return best
}
