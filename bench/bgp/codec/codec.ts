import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Goal, Measure } from '../../harness/result.ts'
import type { Context, PartFigures } from '../../harness/run.ts'
import { heddle } from '../daemon/heddle.ts'
import type { CodecMessages, CodecRates } from './worker.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

const TITLES: Readonly<Record<keyof CodecRates, string>> = {
  visit: 'Routes visited',
  decode: 'Routes decoded to values',
  encode: 'Routes encoded from values',
}
const GOALS: Readonly<Record<keyof CodecRates, number>> = { visit: 50e6, decode: 15e6, encode: 4e6 }

/** What the codec does alone, in a process of its own. */
export async function codec({ quick, signal }: Context): Promise<PartFigures> {
  const measures: Measure[] = []
  for (const messages of ['full', 'by-set'] as const) {
    const rates = await ratesOf([messages, quick ? '1' : '7', quick ? '200' : '500'], signal)
    measures.push(...(['visit', 'decode', 'encode'] as const).map((what) => measure(what, messages, rates)))
  }
  return { software: [{ name: '@heddle/bgp', version: heddle.version(), role: 'subject' }], measures }
}

function measure(what: keyof CodecRates, messages: CodecMessages, rates: CodecRates): Measure {
  const goals: Goal[] = messages === 'full' ? [{ kind: 'at-least', limit: GOALS[what] }] : []
  return {
    id: `${what}-${messages}`,
    title: `${TITLES[what]}, ${messages === 'full' ? 'full messages' : 'a message a set'}`,
    unit: '/s',
    better: 'higher',
    series: [{ name: '@heddle/bgp', rounds: rates[what] }],
    goals,
  }
}

function ratesOf(args: readonly string[], signal: AbortSignal): Promise<CodecRates> {
  const child = fork(WORKER, args, { execArgv: [], signal })
  return new Promise((resolve, reject) => {
    child.once('message', (rates: CodecRates) => resolve(rates))
    child.once('error', reject)
    child.once('exit', (code) => reject(new TypeError(`the codec's process ended with ${code}`)))
  })
}
