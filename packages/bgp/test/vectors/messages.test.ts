import { readFileSync } from 'node:fs'
import { decodeMessage, encodeMessage, type BgpMessage } from '@heddle/bgp'
import { describe, expect, test } from 'vitest'
import { bytesOf, optionsOf, routeTargets, vpnRoutes, type Row } from './row.js'

/** Messages that GoBGP 3.10, FRR 8.4, BIRD 2.0 and ExaBGP 4.2 sent in recorded sessions; `routes` as ExaBGP, `routeTargets` as tshark read them. */
interface Message extends Pick<Row, 'source' | 'notes' | 'type' | 'families' | 'asn4' | 'addpath' | 'hex'> {
  readonly routes?: readonly string[]
  readonly routeTargets?: readonly string[]
}

const messages = readFileSync(new URL('messages.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Message)

describe.each(messages)('$type $families, $notes ($source)', (row) => {
  const options = optionsOf(row)
  const result = decodeMessage(bytesOf(row), options)
  const message: BgpMessage = result.ok ? result.message : expect.unreachable(JSON.stringify(result.error))

  test('is accepted without an error', () => {
    expect(result.ok && result.errors).toEqual([])
    expect(message.type).toBe(row.type)
  })

  test('says what other decoders read', () => {
    if (message.type !== 'update') return
    const families = [
      ...message.announced.map(({ family }) => `+${family.afi}/${family.safi}`),
      ...message.withdrawn.map(({ family }) => `-${family.afi}/${family.safi}`),
    ]
    expect(new Set(families)).toEqual(new Set(row.families))
    if (row.routes !== undefined) expect(vpnRoutes(message)).toEqual(row.routes)
    expect(routeTargets(message.attributes)).toEqual(row.routeTargets ?? [])
  })

  test('written again, reads the same', () => {
    expect(decodeMessage(encodeMessage(message, options), options)).toEqual({ ok: true, message, errors: [] })
  })

  test('cut at any octet, is an error, and never more than that when its length says so', () => {
    const whole = bytesOf(row)
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.slice(0, length)
      expect(decodeMessage(cut, options).ok).toBe(false)
      if (length < 19) continue
      cut[16] = length >>> 8
      cut[17] = length & 0xff
      expect(decodeMessage(cut, options)).toHaveProperty('ok')
    }
  })

  test('with any octet one more or less, is a value or an error', () => {
    const whole = bytesOf(row)
    for (let at = 0; at < whole.length; at++) {
      for (const step of [-1, 1]) expect(decodeMessage(whole.with(at, (whole[at] + step) & 0xff), options)).toHaveProperty('ok')
    }
  })
})
