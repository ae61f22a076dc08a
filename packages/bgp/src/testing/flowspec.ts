import fc, { type Arbitrary } from 'fast-check'
import { AFI, SAFI } from '../iana.js'
import type { Family } from '../nlri/family.js'
import type { FlowspecBitmaskType, FlowspecComponent, FlowspecNumericType } from '../nlri/flowspec-component.js'
import type { BitmaskMatch, NumericMatch } from '../nlri/flowspec-operator.js'
import type { FlowspecNlri } from '../nlri/flowspec.js'
import { ipv4Prefix, ipv6Prefix, routeDistinguisher, word } from './values.js'

/** Values of every size; a size where they are wider than they need to be. */
const value = fc.oneof(
  fc.tuple(fc.nat(0xff), fc.constantFrom(undefined, 2, 4, 8)),
  fc.tuple(fc.integer({ min: 0x100, max: 0xffff }), fc.constantFrom(undefined, 4, 8)),
  fc.tuple(fc.integer({ min: 0x1_0000, max: 0xffff_ffff }), fc.constantFrom(undefined, 8)),
  fc.tuple(fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }), fc.constant(undefined)),
)

function matches<T extends NumericMatch | BitmaskMatch>(operator: Arbitrary<Omit<T, 'and' | 'value' | 'size'>>): Arbitrary<T[]> {
  const match = fc
    .tuple(fc.boolean(), operator, value)
    .map(([and, rest, [value, size]]) => ({ and, ...rest, value, ...(size === undefined ? {} : { size }) }) as unknown as T)
  return fc.array(match, { minLength: 1, maxLength: 6 }).map(([first, ...more]) => [{ ...first, and: false }, ...more])
}

const numeric = (type: FlowspecNumericType): Arbitrary<FlowspecComponent> =>
  matches<NumericMatch>(
    fc.record({ operator: fc.constantFrom<NumericMatch['operator']>('==', '!=', '<', '<=', '>', '>=', 'true', 'false') }),
  ).map((list) => ({ type, matches: list }))

const bitmask = (type: FlowspecBitmaskType): Arbitrary<FlowspecComponent> =>
  matches<BitmaskMatch>(fc.record({ not: fc.boolean(), all: fc.boolean() })).map((list) => ({ type, matches: list }))

const prefix = (type: 'destination-prefix' | 'source-prefix', { afi }: Family): Arbitrary<FlowspecComponent> =>
  (afi === AFI.ipv6 ? ipv6Prefix : ipv4Prefix).map((value) => ({ type, prefix: value }))

const NUMERIC: readonly FlowspecNumericType[] = [
  'protocol',
  'port',
  'destination-port',
  'source-port',
  'icmp-type',
  'icmp-code',
  'packet-length',
  'dscp',
]

/** In ascending order of their types. */
const ORDER: readonly FlowspecComponent['type'][] = [
  'destination-prefix',
  'source-prefix',
  'protocol',
  'port',
  'destination-port',
  'source-port',
  'icmp-type',
  'icmp-code',
  'tcp-flags',
  'packet-length',
  'dscp',
  'fragment',
  'flow-label',
]

/** FlowSpec rules of the family in normal form. */
export function flowspec(family: Family): Arbitrary<FlowspecNlri> {
  const one = fc.oneof(
    prefix('destination-prefix', family),
    prefix('source-prefix', family),
    ...NUMERIC.map(numeric),
    bitmask('tcp-flags'),
    bitmask('fragment'),
    ...(family.afi === AFI.ipv6 ? [numeric('flow-label')] : []),
  )
  const components = fc
    .uniqueArray(one, { selector: ({ type }) => type, minLength: 1, maxLength: 5 })
    .map((list) => list.toSorted((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type)))
  const kind = fc.constant('flowspec' as const)
  return family.safi === SAFI.flowspecVpn ? fc.record({ kind, rd: routeDistinguisher, components }) : fc.record({ kind, components })
}

/** Any 32 bits, as a link-state identifier's halves. */
export const identifier: Arbitrary<bigint> = fc.tuple(word, word).map(([high, low]) => (BigInt(high) << 32n) | BigInt(low))
