import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { decodeLine, decodeMessage, encodeMessage, strongestHandling, type DecodeResult } from '@heddle/bgp'
import { beforeAll, describe, expect, test } from 'vitest'
import { AMBIGUOUS_LABELS, EMPTIED, MALFORMED_BUT_ACCEPTED, TSHARK_DIFFERS, VALID_BUT_REFUSED } from './exceptions.js'
import { exabgpVpnRoutes, tsharkAttributes, tsharkMemberships, tsharkRouteTargets, tsharkVpnv4Routes } from './oracle.js'
import { attributes, bytesOf, memberships, optionsOf, routeTargets, vpnRoutes, type Row } from './row.js'

const DIRECTORY = process.env['HEDDLE_VECTORS'] ?? fileURLToPath(new URL('../../../../../shared/vectors/', import.meta.url))
const CORPUS = `${DIRECTORY}/bgp-messages.jsonl.gz`

describe.skipIf(!existsSync(CORPUS))('the corpus of 30,916 messages (skipped without HEDDLE_VECTORS)', () => {
  const rows: Row[] = []
  const results = new Map<string, DecodeResult>()

  beforeAll(() => {
    rows.push(...lines<Row>(CORPUS))
    for (const row of rows) results.set(row.id, decodeMessage(bytesOf(row), optionsOf(row)))
  })

  const resultOf = ({ id }: { readonly id: string }): DecodeResult => results.get(id) ?? expect.unreachable()

  test('every message is a value or an error', () => {
    expect(results.size).toBe(rows.length)
    expect(rows.length).toBeGreaterThan(30_000)
  })

  test('every row, given as a line, prints as one of the two forms', () => {
    for (const row of rows) {
      const printed = JSON.parse(JSON.stringify(decodeLine(JSON.stringify(row)))) as Record<string, unknown>
      expect(['ok message', 'ok message errors', 'ok error']).toContain(Object.keys(printed).join(' '))
    }
  })

  test('what is valid is accepted, and each exception has a reason', () => {
    const unexplained = rows
      .filter(({ expectation }) => expectation === 'valid')
      .filter((row) => {
        const codes = refusals(resultOf(row))
        return codes.length > 0 && !VALID_BUT_REFUSED.some(({ applies }) => applies(row, codes))
      })
    expect(unexplained.map(({ id, source }) => `${id} ${source}`)).toEqual([])
  })

  test('the exceptions stay few', () => {
    expect(rows.filter((row) => row.expectation === 'valid' && refusals(resultOf(row)).length > 0).length).toBeLessThan(280)
  })

  test('what is malformed is an error or has errors, and each exception has a reason', () => {
    const accepted = rows
      .filter(({ expectation }) => expectation === 'malformed')
      .filter((row) => {
        const result = resultOf(row)
        return result.ok && result.errors.length === 0 && !MALFORMED_BUT_ACCEPTED.some(({ applies }) => applies(row, []))
      })
    expect(accepted.map(({ id, source }) => `${id} ${source}`)).toEqual([])
  })

  test('cut at any octet, or with any octet one more or less, is a value or an error', () => {
    for (const row of rows.filter((_row, index) => index % 150 === 0)) {
      const [whole, options] = [bytesOf(row), optionsOf(row)]
      for (let at = 0; at < whole.length; at++) {
        const cut = whole.slice(0, at)
        if (at >= 19) {
          cut[16] = at >>> 8
          cut[17] = at & 0xff
        }
        const result = decodeMessage(cut, options)
        for (const { offset } of result.ok ? result.errors : [result.error]) if (offset > at) expect.unreachable(`${row.id} ${offset}`)
        for (const step of [1, 255]) decodeMessage(whole.with(at, (whole[at] + step) & 0xff), options)
      }
    }
  })

  test('what is valid, written again, reads the same', () => {
    let same = 0
    const changed = rows
      .filter(({ expectation, id }) => expectation === 'valid' && !EMPTIED.includes(id))
      .filter((row) => {
        const result = resultOf(row)
        if (!result.ok) return false
        const options = optionsOf(row)
        const again = encodeMessage(result.message, options)
        if (Buffer.compare(again, bytesOf(row)) === 0) {
          same++
          return false
        }
        const second = decodeMessage(again, options)
        return !second.ok || !isDeepStrictEqual(second.message, result.message)
      })
    expect(changed.map(({ id, source }) => `${id} ${source}`)).toEqual([])
    expect(same).toBeGreaterThan(7000)
  })

  test('VPN routes are those that ExaBGP saw', () => {
    const byId = new Map(rows.map((row) => [row.id, row]))
    let compared = 0
    const ambiguous: string[] = []
    for (const { id, message } of lines<{ id: string; message: unknown }>(`${DIRECTORY}/bgp-messages.exabgp.jsonl.gz`)) {
      const row = byId.get(id)
      const result = results.get(id)
      if (row?.expectation !== 'valid' || result?.ok !== true || result.message.type !== 'update') continue
      const seen = exabgpVpnRoutes(message)
      const ours = vpnRoutes(result.message)
      if (seen.length === 0 || ours.length === 0) continue
      if (!isDeepStrictEqual(ours, seen) && AMBIGUOUS_LABELS.some(({ applies }) => applies(row, []))) ambiguous.push(id)
      else expect(ours, `${id} ${row.source}`).toEqual(seen)
      compared += seen.length
    }
    expect(compared).toBeGreaterThan(8000)
    expect(ambiguous.length).toBeLessThan(6)
  })

  test('VPNv4 routes and route targets are those that tshark saw', () => {
    const byId = new Map(rows.map((row) => [row.id, row]))
    let compared = 0
    for (const { id, bgp } of lines<{ id: string; bgp: unknown }>(`${DIRECTORY}/bgp-messages.tshark.jsonl.gz`)) {
      const row = byId.get(id)
      const result = results.get(id)
      if (row?.expectation !== 'valid' || row.oracles.tshark !== 'ok' || result?.ok !== true || result.message.type !== 'update') continue
      const seen = tsharkVpnv4Routes(bgp)
      if (row.families.some((family) => family.endsWith('1/128'))) {
        expect(vpnRoutes(result.message), `${id} ${row.source}`).toEqual(seen)
        compared += seen.length
      }
      if (row.families.some((family) => /^\+[12]\/128$/.test(family)))
        expect(routeTargets(result.message.attributes), id).toEqual(tsharkRouteTargets(bgp))
    }
    expect(compared).toBeGreaterThan(4000)
  })

  test('attributes are those that tshark saw', () => {
    const byId = new Map(rows.map((row) => [row.id, row]))
    let compared = 0
    for (const { id, bgp } of lines<{ id: string; bgp: unknown }>(`${DIRECTORY}/bgp-messages.tshark.jsonl.gz`)) {
      const row = byId.get(id)
      const result = results.get(id)
      if (row?.expectation !== 'valid' || row.oracles.tshark !== 'ok' || result?.ok !== true || result.message.type !== 'update') continue
      if (result.errors.length > 0 || TSHARK_DIFFERS.some(({ applies }) => applies(row, []))) continue
      // tshark has another field for the reserved communities, those of AS 0 and 65535
      const common = (found: string[]): string[] => found.filter((line) => !/^community (?:0|65535):/.test(line))
      const ours = common(attributes(result.message))
      expect(ours, `${id} ${row.source}`).toEqual(common(tsharkAttributes(bgp)))
      compared += ours.length
    }
    expect(compared).toBeGreaterThan(50_000)
  })

  test('route target memberships are those that tshark saw', () => {
    let compared = 0
    for (const { id, bgp } of lines<{ id: string; bgp: unknown }>(`${DIRECTORY}/bgp-messages.tshark.jsonl.gz`)) {
      const result = results.get(id)
      if (result?.ok !== true || result.message.type !== 'update') continue
      const seen = tsharkMemberships(bgp)
      // tshark 4.0.17 prints every four-octet AS number here as 4294967295
      if (seen.length === 0 || seen.some((text) => text.includes(' 4294967295:'))) continue
      expect(memberships(result.message), id).toEqual(seen)
      compared += seen.length
    }
    expect(compared).toBeGreaterThan(50)
  })
})

/** Codes of the errors that keep the routes from being used. */
function refusals(result: DecodeResult): string[] {
  if (!result.ok) return [result.error.code]
  if (strongestHandling(result.errors) !== 'treat-as-withdraw') return []
  return result.errors.filter(({ handling }) => handling === 'treat-as-withdraw').map(({ code }) => code)
}

function lines<T>(file: string): T[] {
  return gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)
}
