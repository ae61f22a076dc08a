import { describe, expect, it, test } from 'vitest'
import { decodeLine, decodeToJson } from './index.js'

const KEEPALIVE = `${'ff'.repeat(16)}001304`

describe('a line', () => {
  it('of hex is a message', () => {
    expect(decodeLine(KEEPALIVE)).toEqual({ ok: true, message: { type: 'keepalive' } })
    expect(decodeLine(`  ${KEEPALIVE.toUpperCase()}\n`)).toEqual({ ok: true, message: { type: 'keepalive' } })
  })

  it('of JSON says what the session is', () => {
    const hex = update('400101004002040201fde8400304c0000201400504000000c8', '080a')
    expect(decodeLine(JSON.stringify({ hex, asn4: false, peer: 'ibgp', colour: 'green' }))).toEqual({
      ok: true,
      message: {
        type: 'update',
        withdrawn: [],
        attributes: { origin: 'igp', asPath: [{ type: 'sequence', asns: [65_000] }], nextHop: '192.0.2.1', localPref: 200 },
        announced: [
          {
            family: 'ipv4-unicast',
            nextHop: { address: '192.0.2.1' },
            nlri: [{ kind: 'unicast', prefix: '10.0.0.0/8' }],
            multiprotocol: false,
          },
        ],
      },
    })
    expect(decodeLine(JSON.stringify({ hex, asn4: null, peer: 'ibgp' }))).toMatchObject({
      ok: true,
      errors: [{ code: 'bgp.attribute.length' }],
    })
    expect(decodeLine(JSON.stringify({ hex, asn4: false }))).toMatchObject({ ok: true, errors: [{ code: 'bgp.attribute.internal-only' }] })
  })

  it.each([
    ['addpath', ['1/1']],
    ['addPath', ['1/1']],
    ['addpath', ['*']],
  ])('with %s %s has path identifiers', (key, list) => {
    const hex = update('40010100400200400304c0000201', '00000007080a')
    expect(decodeLine(JSON.stringify({ hex, [key]: list }))).toMatchObject({
      ok: true,
      message: { announced: [{ nlri: [{ kind: 'unicast', prefix: '10.0.0.0/8', pathId: 7 }] }] },
    })
  })

  it('with extended false refuses more than 4,096 octets', () => {
    const hex = update('', '00'.repeat(4090))
    expect(decodeLine(JSON.stringify({ hex, extended: false }))).toMatchObject({ ok: false, error: { code: 'bgp.header.length' } })
    expect(decodeLine(JSON.stringify({ hex }))).toMatchObject({ ok: true })
  })

  it.each([
    ['', 'bgp.header.truncated'],
    ['zz', 'bgp.input.hex'],
    [`${KEEPALIVE}0`, 'bgp.input.hex'],
    ['{', 'bgp.input.json'],
    ['{"hex":7}', 'bgp.input.hex'],
    [`{"hex":"${KEEPALIVE}","asn4":1}`, 'bgp.input.asn4'],
    [`{"hex":"${KEEPALIVE}","peer":"cousin"}`, 'bgp.input.peer'],
    [`{"hex":"${KEEPALIVE}","extended":"yes"}`, 'bgp.input.extended'],
    [`{"hex":"${KEEPALIVE}","addpath":["ipv4"]}`, 'bgp.input.addpath'],
  ])('%s is an error with exactly five fields', (line, code) => {
    const result = decodeLine(line)
    if (result.ok) expect.unreachable()
    expect(Object.keys(result)).toEqual(['ok', 'error'])
    expect(Object.keys(result.error)).toEqual(['code', 'offset', 'path', 'rfc', 'handling'])
    expect(result.error.code).toBe(code)
  })
})

test('octets do as well as hex', () => {
  expect(decodeToJson(Uint8Array.of(1, 2, 3))).toEqual({
    ok: false,
    error: { code: 'bgp.header.truncated', offset: 3, path: 'message/header', rfc: 'RFC 4271 §6.1', handling: 'session-reset' },
  })
})

function update(attributes: string, nlri: string): string {
  const u16 = (value: number): string => value.toString(16).padStart(4, '0')
  const body = `0000${u16(attributes.length / 2)}${attributes}${nlri}`
  return `${'ff'.repeat(16)}${u16(19 + body.length / 2)}02${body}`
}
