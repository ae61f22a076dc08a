import type { PolicyObject, PolicyRule } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'

const PREFIXES = ['10.0.0.1/32', '10.0.0.2/32', '10.0.0.0/30', '10.1.0.0/16', 'fd00::1/128', 'fd00::/64', '::/0'].map((text) =>
  IpPrefix.parse(text),
)
const RANGES = [
  { first: 9, last: 9 },
  { first: 0, last: 1023 },
  { first: 40_000, last: 65_535 },
]
const TYPES = [{ type: 8 }, { type: 0, code: 0 }, { type: 128 }, { type: 3 }, { type: 11, code: 0 }, { type: 2 }]

/** Draws policies for some of `ports`, with rules about what packets of `arbitraryPacket` have. */
export function arbitraryPolicies(ports: readonly number[]): fc.Arbitrary<readonly PolicyObject[]> {
  const places = ports.flatMap((port) => (['ingress', 'egress'] as const).map((direction) => ({ port, direction })))
  return fc
    .subarray(places, { maxLength: 4 })
    .chain((chosen) => fc.tuple(...chosen.map((place) => fc.tuple(fc.constant(place), arbitraryRules(), arbitraryVerdict()))))
    .map((drawn) => drawn.map(([place, rules, defaultVerdict], id) => ({ id, ...place, rules, defaultVerdict })))
}

function arbitraryVerdict(): fc.Arbitrary<'allow' | 'deny'> {
  return fc.constantFrom('allow', 'deny')
}

function arbitraryRules(): fc.Arbitrary<PolicyRule[]> {
  const some = <T>(values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values], { minLength: 1, maxLength: 2 })
  const rule = fc.record(
    {
      verdict: arbitraryVerdict(),
      peers: some(PREFIXES),
      locals: some(PREFIXES),
      protocol: fc.constantFrom(1, 6, 17, 58),
      ports: some(RANGES),
      sourcePorts: some(RANGES),
      icmpTypes: some(TYPES),
    },
    { requiredKeys: ['verdict'] },
  )
  return fc.array(rule, { maxLength: 3 })
}
