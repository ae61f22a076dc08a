import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Goal, Measure } from '../../harness/result.ts'
import type { Context, PartFigures } from '../../harness/run.ts'
import { heddle } from '../daemon/heddle.ts'
import type { CodecRates, CodecReport } from './worker.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

const TITLES: Readonly<Record<keyof CodecRates, string>> = {
  visit: 'Routes visited',
  decode: 'Routes decoded to values',
  encode: 'Routes encoded from values',
}
const GOALS: Readonly<Record<keyof CodecRates, number>> = { visit: 50e6, decode: 15e6, encode: 4e6 }

/** What the codec does alone, in a process of its own. */
export async function codec({ quick, signal }: Context): Promise<PartFigures> {
  const report = await reportOf([quick ? '1' : '7', quick ? '200' : '500'], signal)
  const measures = (['full', 'bySet'] as const).flatMap((which) =>
    (['visit', 'decode', 'encode'] as const).map((what): Measure => {
      const goals: Goal[] = which === 'full' ? [{ kind: 'at-least', limit: GOALS[what] }] : []
      return {
        id: `${what}-${which}`,
        title: `${TITLES[what]}, ${which === 'full' ? 'full messages' : 'a message a set'}`,
        unit: '/s',
        better: 'higher',
        series: [{ name: 'Heddle', rounds: report[which][what] }],
        goals,
      }
    }),
  )
  return { software: [{ name: '@heddle/bgp', version: heddle.version(), role: 'subject' }], measures }
}

function reportOf(args: readonly string[], signal: AbortSignal): Promise<CodecReport> {
  const child = fork(WORKER, args, { signal })
  return new Promise((resolve, reject) => {
    child.once('message', (report: CodecReport) => resolve(report))
    child.once('error', reject)
    child.once('exit', (code) => reject(new TypeError(`the codec's process ended with ${code}`)))
  })
}
