import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import type { Output } from '../output/output.js'
import { decodeStream } from './decode-stream.js'

const KEEPALIVE = `${'ff'.repeat(16)}001304`

async function decoded(text: string, size = 1 << 16): Promise<unknown[]> {
  const bytes = new TextEncoder().encode(text)
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  let printed = ''
  const output: Output = {
    write(text) {
      printed += text
      return false
    },
    drained: async () => undefined,
    error: () => undefined,
    isTerminal: false,
  }
  await decodeStream(chunks(), output)
  return printed === ''
    ? []
    : printed
        .replace(/\n$/, '')
        .split('\n')
        .map((line): unknown => JSON.parse(line))
}

it('prints one JSON a line, in order, whatever the line is', async () => {
  const lines = [KEEPALIVE, 'garbage', '', JSON.stringify({ hex: KEEPALIVE, asn4: null, addpath: null, other: 1 }), '{', '[]', 'null', '00']
  expect(await decoded(lines.join('\n'))).toMatchObject([
    { ok: true, message: { type: 'keepalive' } },
    { ok: false, error: { handling: 'session-reset' } },
    { ok: false },
    { ok: true },
    { ok: false },
    { ok: false },
    { ok: false },
    { ok: false },
  ])
})

it('answers a line that is too long, and reads on', async () => {
  expect(await decoded(`${'0'.repeat(3 << 20)}\n${KEEPALIVE}\n`)).toMatchObject([{ error: { code: 'bgp.input.length' } }, { ok: true }])
})

test('as many lines come out as go in, with an error that says what to do', async () => {
  const line = fc.oneof(
    fc.string().map((text) => text.replaceAll(/[\r\n]/g, ' ')),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    fc.json(),
    fc
      .record({ hex: fc.anything(), asn4: fc.anything(), addpath: fc.anything(), peer: fc.anything() })
      .map((value) => JSON.stringify(value) ?? ''),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), async (lines, size) => {
      const results = (await decoded(lines.map((text) => `${text}\n`).join(''), size)) as { ok: boolean; error?: { handling: string } }[]
      expect(results).toHaveLength(lines.length)
      for (const { ok, error } of results)
        if (!ok) expect(error?.handling).toMatch(/^(session-reset|treat-as-withdraw|attribute-discard|afi-safi-disable|ignore)$/)
    }),
  )
})
