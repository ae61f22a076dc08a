import { decodeMessage, strongestHandling } from '@heddle/bgp'
import { describe, expect, test } from 'vitest'
import { targetsOf } from '../../fuzz/targets.js'
import { has, unhex, valuesOf } from './directory.js'

interface FrrRow {
  readonly source: string
  readonly desc: string
  readonly expect: 'ok' | 'error' | 'treat-as-withdraw'
  readonly message_hex?: string | null
  readonly notes: string
}

/** Vectors of FRR's unit tests that we judge otherwise. */
const FRR_DIFFERS: readonly { readonly why: string; readonly names: readonly string[] }[] = [
  { why: 'no message of that type is spoken here (draft-ietf-idr-dynamic-cap)', names: ['DynCap', 'DynCapMPCpadded'] },
  { why: 'AS 0 in a path is malformed (RFC 7607 §2)', names: ['BGP_AS_ZERO', 'BGP_AS_ZERO asdot+'] },
]

const FRR = 'frr/frr-unit-vectors.jsonl.gz'
const nameOf = ({ source }: { readonly source: string }): string => source.split('#')[1] ?? source

describe.skipIf(!has(FRR))("vectors of FRR's unit tests are judged as there (skipped without HEDDLE_VECTORS)", () => {
  const rows = (has(FRR) ? valuesOf<FrrRow>(FRR) : []).filter(({ message_hex: hex }) => typeof hex === 'string' && hex !== '')

  test.each(rows.map((row) => [nameOf(row), row.desc, row] as const))('%s: %s', (name, _what, row) => {
    const asn4 = !/2-octet ASNs|capability bits 0/.test(row.notes)
    // Where it does not say, confederation segments are in place.
    const peerType = name.endsWith('-ebgp') ? 'ebgp' : 'ibgp'
    const result = decodeMessage(unhex(row.message_hex ?? ''), { asn4, peerType })
    const verdict = result.ok ? strongestHandling(result.errors) : 'session-reset'
    const harmless = verdict === undefined || verdict === 'ignore' || verdict === 'attribute-discard'
    const differs = FRR_DIFFERS.some(({ names }) => names.includes(name))
    if (row.expect === 'ok') expect(harmless, verdict).toBe(!differs)
    else expect(verdict).toBeDefined()
  })
})

const ODL = 'bgpcep/odl-functional.jsonl.gz'

test.skipIf(!has(ODL))('what OpenDaylight sends and expects in its functional tests is read (skipped without HEDDLE_VECTORS)', () => {
  const rows = valuesOf<{ readonly source: string; readonly hex: string }>(ODL)
  const refused = rows.filter(({ hex }) => {
    const result = decodeMessage(unhex(hex), { peerType: 'ibgp' })
    return !result.ok || strongestHandling(result.errors) === 'treat-as-withdraw'
  })
  // Its next hops of VPN multicast have no route distinguisher.
  expect(refused.filter(({ source }) => !source.includes('/l3vpn_mcast_ipv6/'))).toEqual([])
  expect(rows.length).toBeGreaterThan(60)
})

const FRAGMENTS = 'fragments.jsonl.gz'

test.skipIf(!has(FRAGMENTS))(
  'literals of the tests of other projects mean something or nothing to every decoder, and break none (skipped without HEDDLE_VECTORS)',
  () => {
    const targets = targetsOf(() => [])
    const rows = valuesOf<{ readonly source: string; readonly hex: string }>(FRAGMENTS)
    for (const { source, hex } of rows) {
      const bytes = unhex(hex)
      if (bytes.length > 512) continue
      for (const { name, check, refit } of targets) {
        try {
          check(bytes)
          if (refit !== undefined) check(refit(bytes))
        } catch (error) {
          expect.unreachable(`${name} ${source} ${hex}: ${String(error)}`)
        }
      }
    }
    expect(rows.length).toBeGreaterThan(2500)
  },
)
