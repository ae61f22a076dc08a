import { appendFileSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import { encodeBmp, encodeMessage, encodeMrt } from '@heddle/bgp'
import { bgpMessage, bmpMessages, mrtRecords } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { distill, fuzz } from '../../fuzz/engine.js'
import { partsOf, targetsOf } from '../../fuzz/targets.js'

/** `npm run fuzz -- TARGET --seconds N --seed N --save` sets these; without them every target runs for a moment. */
const ONLY = process.env['HEDDLE_FUZZ_TARGET']
const SECONDS = Number(process.env['HEDDLE_FUZZ_SECONDS'] ?? 0.1)
const SEED = Number(process.env['HEDDLE_FUZZ_SEED'] ?? 1)

/** What reached something new is added to the corpus. */
const SAVE = process.env['HEDDLE_FUZZ_SAVE'] === '1'

const CORPUS = new URL('../../fuzz/corpus/', import.meta.url)
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

/** Inputs that once reached something, or broke something; a line each. */
function kept(name: string): Uint8Array[] {
  const file = new URL(`${name}.hex`, CORPUS)
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(hex) : []
}

function recorded(name: string): Uint8Array[] {
  const text = readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8').trim()
  return text.split('\n').map((line) => hex((JSON.parse(line) as { readonly hex: string }).hex))
}

const sampled = <T>(arbitrary: fc.Arbitrary<T>, encode: (value: T) => Uint8Array): Uint8Array[] =>
  fc.sample(arbitrary, { numRuns: 60, seed: 7 }).map(encode)

const messages = [...recorded('messages.jsonl'), ...sampled(bgpMessage(), (message) => encodeMessage(message, { extended: true }))]
const parts = partsOf(messages)
const wholes: Readonly<Record<string, readonly Uint8Array[]>> = {
  message: messages,
  bmp: sampled(bmpMessages, encodeBmp),
  rtr: [
    '0102000000000008',
    '010400000000001401181800c00002000000fde8',
    '0107cf48000000180000000100000e100000025800001c20',
    '020b0100000000140000fde80000fde90000fdea',
    '010a0002000000130000000000000003626164',
  ].map(hex),
  capture: recorded('captures.jsonl').filter(({ length }) => length < 2_000),
  mrt: [...recorded('mrt.jsonl'), ...sampled(mrtRecords, encodeMrt)],
}

const targets = targetsOf((name) => [...(wholes[name] ?? parts.get(name) ?? []), ...kept(name)])

test('what is asked for is a target', () => {
  const names = targets.map(({ name }) => name)
  if (ONLY !== undefined) expect(names, `there is no target ${ONLY}; there are: ${names.join(', ')}`).toContain(ONLY)
  const files = (existsSync(CORPUS) ? readdirSync(CORPUS) : []).map((file) => file.replace('.hex', ''))
  for (const file of files) expect(names).toContain(file)
})

describe('nothing but a value or a typed error', () => {
  test.each(targets.filter(({ name }) => ONLY === undefined || name === ONLY))(
    '$name',
    (target) => {
      const { runs, covered, corpus, failure } = fuzz(target, { seconds: SECONDS, seed: SEED })
      if (ONLY !== undefined)
        console.log(`${target.name}: ${runs} inputs, ${covered} characters of source, ${corpus.length} inputs that reached something new`)
      if (failure !== undefined) expect.unreachable(`${Buffer.from(failure.input).toString('hex')}: ${String(failure.error)}`)
      expect(runs).toBeGreaterThan(0)
      const worth = SAVE ? distill(target, corpus).filter(({ length }) => length > 0 && length <= 512) : []
      if (worth.length > 0)
        appendFileSync(new URL(`${target.name}.hex`, CORPUS), worth.map((input) => `${Buffer.from(input).toString('hex')}\n`).join(''))
    },
    (SECONDS + 20) * 1000,
  )
})
