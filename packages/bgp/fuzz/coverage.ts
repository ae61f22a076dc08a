import { Session, type Profiler } from 'node:inspector'

/** What ran of one function: stretches of its source, by offsets from its start. */
export interface FunctionCoverage {
  readonly key: string
  readonly length: number
  readonly covered: readonly (readonly [start: number, end: number])[]
}

/**
 * Which parts of the sources ran since the last look, by V8's own precise counters: no instrumentation, so that what is fuzzed is what runs.
 * A look costs some tenths of a millisecond, so the engine takes one a batch of inputs.
 */
export class Coverage {
  readonly #session = new Session()

  /** @param counts whether the script at a URL counts: the sources under test, not the engine and not the tools */
  constructor(private readonly counts: (url: string) => boolean) {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    this.take()
  }

  /** What ran since the last call. */
  take(): FunctionCoverage[] {
    let scripts: readonly Profiler.ScriptCoverage[] = []
    this.#session.post('Profiler.takePreciseCoverage', (_error, reply) => {
      scripts = reply.result
    })
    return scripts
      .filter(({ url }) => this.counts(url))
      .flatMap(({ scriptId, functions }) => functions.flatMap((one) => coveredOf(scriptId, one)))
  }

  stop(): void {
    this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }
}

/** Ranges are nested, outer ones first, and leave out what counts as much as the range around them: so the innermost range at a place counts. */
function coveredOf(scriptId: string, { ranges }: Profiler.FunctionCoverage): FunctionCoverage[] {
  const [whole, ...inner] = ranges
  if (whole.count === 0) return []
  const covered: [number, number][] = []
  const open: Profiler.CoverageRange[] = [whole]
  let at = whole.startOffset
  const advance = (to: number): void => {
    const top = open.at(-1)
    if (top !== undefined && top.count > 0 && to > at) covered.push([at - whole.startOffset, to - whole.startOffset])
    at = Math.max(at, to)
  }
  for (const range of inner) {
    while (open.length > 1 && open[open.length - 1].endOffset <= range.startOffset) {
      advance(open[open.length - 1].endOffset)
      open.pop()
    }
    advance(range.startOffset)
    open.push(range)
  }
  while (open.length > 0) {
    advance(open[open.length - 1].endOffset)
    open.pop()
  }
  return [{ key: `${scriptId}:${whole.startOffset}`, length: whole.endOffset - whole.startOffset, covered }]
}

/** All that ran so far. */
export class CoverageMap {
  readonly #functions = new Map<string, Uint8Array>()
  #size = 0

  /** Characters of source that ran. */
  get size(): number {
    return this.#size
  }

  /** Whether something ran that never did before. */
  isNew(coverage: readonly FunctionCoverage[]): boolean {
    return coverage.some(({ key, covered }) => {
      const known = this.#functions.get(key)
      return known === undefined || covered.some(([start, end]) => known.subarray(start, end).includes(0))
    })
  }

  /** Takes it in; says whether something of it is new. */
  add(coverage: readonly FunctionCoverage[]): boolean {
    if (!this.isNew(coverage)) return false
    for (const { key, length, covered } of coverage) {
      const known = this.#functions.get(key) ?? new Uint8Array(length)
      this.#functions.set(key, known)
      for (const [start, end] of covered) {
        for (let at = start; at < end; at++) {
          this.#size += known[at] === 0 ? 1 : 0
          known[at] = 1
        }
      }
    }
    return true
  }
}
