import { decodeLine, encodeMessage } from '@heddle/bgp'
import { bgpMessage, mutated } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const HANDLINGS = ['session-reset', 'treat-as-withdraw', 'attribute-discard', 'afi-safi-disable', 'ignore']

/** Fails unless the line is answered in exactly one of the two forms, in what JSON can hold. */
function judge(line: string): void {
  const result: unknown = decodeLine(line)
  expect(JSON.parse(JSON.stringify(result))).toEqual(result)
  const { ok, message, error, errors = [], ...more } = result as Record<string, unknown>
  expect(more).toEqual({})
  if (ok === true) {
    expect(message).toMatchObject({ type: expect.stringMatching(/^(?:open|update|notification|keepalive|route-refresh)$/) as unknown })
    expect(error).toBeUndefined()
  } else {
    expect([ok, message, errors]).toEqual([false, undefined, []])
  }
  for (const one of ok === true ? (errors as unknown[]) : [error]) {
    const { code, offset, path, rfc, handling, ...rest } = one as Record<string, unknown>
    expect(rest).toEqual({})
    expect([typeof code, typeof path, typeof rfc]).toEqual(['string', 'string', 'string'])
    expect(Number.isInteger(offset) && Number(offset) >= 0).toBe(true)
    expect(HANDLINGS).toContain(handling)
    if (ok === true) expect(['session-reset', 'afi-safi-disable']).not.toContain(handling)
  }
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join('')
const message = fc.boolean().chain((addPath) => bgpMessage({ addPath }))
const octets = fc.oneof(
  message.map((value) => encodeMessage(value, { extended: true })),
  message.chain((value) => mutated(encodeMessage(value, { extended: true }))),
  fc.uint8Array({ maxLength: 64 }),
)
const odd = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.string(),
  fc.double(),
  fc.array(fc.string({ maxLength: 4 }), { maxLength: 3 }),
  fc.object({ maxDepth: 1 }),
)
const family = fc.oneof(
  fc.tuple(fc.nat(70_000), fc.nat(300)).map(([afi, safi]) => `${afi}/${safi}`),
  fc.constantFrom('1/1', '2/128', '*'),
)
const options = fc.record(
  {
    asn4: fc.oneof(fc.option(fc.boolean()), odd),
    addpath: fc.oneof(fc.option(fc.array(family, { maxLength: 3 })), odd),
    addPath: fc.oneof(fc.option(fc.array(family, { maxLength: 3 })), odd),
    peer: fc.oneof(fc.constantFrom('ibgp', 'ebgp', null), odd),
    extended: fc.oneof(fc.option(fc.boolean()), odd),
    notes: odd,
  },
  { requiredKeys: [] },
)

test('every line is answered in one of the two forms', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.tuple(octets, options).map(([bytes, rest]) => JSON.stringify({ hex: hex(bytes), ...rest })),
        octets.map(hex),
        fc.json(),
        fc.string({ unit: 'binary' }),
        fc.tuple(odd, options).map(([value, rest]) => JSON.stringify({ ...rest, hex: value })),
      ),
      judge,
    ),
    { numRuns: 3000 },
  )
})

test.each([
  ['nothing', ''],
  ['a very deep object', `{"a":${'['.repeat(200_000)}`],
  ['a deep object that is whole', `{"hex":"","a":${'['.repeat(5000)}${']'.repeat(5000)}}`],
  ['a very long line', 'f'.repeat(1_000_001)],
  ['a prototype', '{"__proto__":{"hex":"ff"},"constructor":1}'],
  ['half a character', '{"hex":"\ud800"}'],
])('%s too', (_what, line) => judge(line))
