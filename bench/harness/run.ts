import { parseArgs, type ParseArgsConfig } from 'node:util'
import { writeDocument } from './document.ts'
import { judge } from './judge.ts'
import { root, thisCommit, thisMachine } from './machine.ts'
import type { Measure, PartResult, Software } from './result.ts'
import { PARTIAL_RESULTS, RESULTS, storeResult } from './store.ts'
import { renderPart } from './terminal.ts'

/** A bench: what `npm run bench:NAME` runs. */
export interface Bench {
  readonly name: string
  readonly title: string
  /** What is measured and how, in Markdown. */
  readonly about: string
  readonly parts: readonly Part[]
}

/** What is measured in one go, and can be asked for alone by `--part`. */
export interface Part {
  readonly id: string
  readonly title: string
  readonly about: string
  /** @throws whatever makes the figures worthless, such as a table that did not arrive as it was sent */
  readonly run: (context: Context) => Promise<PartFigures>
}

export interface PartFigures {
  /** The subject first. */
  readonly software: readonly Software[]
  readonly measures: readonly Measure[]
}

export interface Context {
  /** Smaller, and one round: shows that everything works, in minutes. */
  readonly quick: boolean
  /** Whether this participant takes part (`--only`). */
  readonly wants: (participant: string) => boolean
  /** Says where the bench is, on standard error. */
  readonly progress: (text: string) => void
  /** Aborted on Ctrl-C: clean up and end. */
  readonly signal: AbortSignal
}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  part: { type: 'string', multiple: true, default: [] },
  only: { type: 'string', multiple: true, default: [] },
  help: { type: 'boolean', short: 'h', default: false },
} satisfies ParseArgsConfig['options']

/**
 * Runs the bench as the command line says: prints each part, keeps the result, and writes docs/BENCHMARKS.md anew. What is quick or leaves a
 * participant out is kept in out/bench instead. A goal that is missed is a result; a part that fails makes the exit status 1.
 */
export async function runBench(bench: Bench, args = process.argv.slice(2)): Promise<void> {
  const values = wishes(bench, args)
  if (values === undefined) return
  const list = (texts: readonly string[]): string[] => texts.flatMap((text) => text.split(',')).filter((text) => text !== '')
  const [parts, only] = [list(values.part), list(values.only).map((name) => name.toLowerCase())]
  const order = bench.parts.map(({ id }) => id)
  const unknown = parts.find((id) => !order.includes(id))
  if (unknown !== undefined) {
    console.error(`no part ${unknown}; there are: ${order.join(', ')}`)
    process.exitCode = 2
    return
  }
  const abort = new AbortController()
  const stop = (): void => abort.abort(new DOMException('interrupted', 'AbortError'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
  const context: Context = {
    quick: values.quick,
    wants: (name) => only.length === 0 || only.includes(name.toLowerCase()),
    progress: (text) => console.error(`  · ${text}`),
    signal: abort.signal,
  }
  const directory = values.quick || only.length > 0 ? PARTIAL_RESULTS : RESULTS
  const command = `npm run bench:${bench.name}${args.length === 0 ? '' : ` -- ${args.join(' ')}`}`
  for (const part of bench.parts) {
    if ((parts.length > 0 && !parts.includes(part.id)) || abort.signal.aborted) continue
    console.log(`\n▸ ${bench.title}: ${part.title}`)
    try {
      const result = await runPart(part, context, command)
      console.log(renderPart(result))
      // Kept at once, so that what fails or is interrupted later costs nothing that was measured before.
      const path = storeResult({ bench: bench.name, title: bench.title, about: bench.about, parts: [result] }, order, directory)
      if (directory === RESULTS) writeDocument()
      console.log(`\n  ${path.slice(root.length + 1)}`)
    } catch (error) {
      process.exitCode = 1
      console.error(`\n  FAILED: ${part.title}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
}

/** What the command line says; undefined when there is nothing to run, which has been said, and whose exit status is set. */
function wishes(bench: Bench, args: string[]) {
  const usage = `usage: npm run bench:${bench.name} -- [--quick] [--part PART]… [--only PARTICIPANT]…; parts: ${bench.parts.map(({ id }) => id).join(', ')}`
  try {
    const { values } = parseArgs({ args, options: OPTIONS })
    if (!values.help) return values
    console.log(usage)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
    process.exitCode = 2
  }
  return undefined
}

/** The same in the same order, from another one on: so that in a further round nobody is behind whom it was behind before. */
export function rotated<T>(all: readonly T[], by: number): T[] {
  const at = by % Math.max(1, all.length)
  return [...all.slice(at), ...all.slice(0, at)]
}

async function runPart(part: Part, context: Context, command: string): Promise<PartResult> {
  const [commit, date, start] = [thisCommit(), new Date().toISOString(), performance.now()]
  const { software, measures } = await part.run(context)
  const seconds = Math.round((performance.now() - start) / 1000)
  const { id, title, about } = part
  return { id, title, about, command, commit, date, seconds, machine: thisMachine(), software, measures: measures.map(judge) }
}
