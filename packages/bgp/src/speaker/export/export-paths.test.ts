import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, test } from 'vitest'
import { IPV4_UNICAST } from '../../nlri/family.js'
import type { ExportSignature } from '../../policy/export-rules.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { RibTable } from '../../rib/rib-table.js'
import { ExportPaths } from './export-paths.js'

const US = IpAddress.parse('192.0.2.1')
const SIGNATURE: ExportSignature = {
  peerType: 'ebgp',
  client: false,
  localAs: 65000,
  routerId: US,
  clusterId: US,
  localAddress: US,
  nextHop: 'auto',
  extendedNextHop: new Set(),
}

test('what goes out for a set is not taken for what goes out for one that got its number meanwhile', () => {
  const sets = new AttributeSets()
  const table = new RibTable(IPV4_UNICAST, sets)
  const sourceOf = () => ({ kind: 'ebgp', client: false, routerId: US }) as const
  const rules = { signature: SIGNATURE, allPaths: false, sourceOf, ranked: () => [] }
  const scope = new ExportPaths(table, rules, { fitsAny: () => true, fits: () => true }).scope([], new Uint32Array(1))
  const key = table.newKey()
  const keyOf = (host: number): Uint32Array => {
    table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.of(IpAddress.v4(0x0a000000 + host)) }, key)
    return key
  }
  const decide = (): void =>
    table.decide(
      Infinity,
      (_, destination) => table.pathsOf(destination)[0] ?? 0,
      () => undefined,
    )
  /** The AS path with which the only route goes out, of a peer whose AS path is `as`. */
  const goesOut = (host: number, as: number): unknown => {
    const attributes = { origin: 'igp', asPath: [{ type: 'sequence', asns: [as] }] } as const
    table.announce(1, keyOf(host), 0, 0, sets.intern({ attributes, nextHop: { address: IpAddress.parse('192.0.2.7') } }))
    decide()
    const [target] = scope.targets(table.find(keyOf(host))) ?? []
    return sets.get(target.set).attributes.asPath
  }
  expect(goesOut(1, 65001)).toEqual([{ type: 'sequence', asns: [65000, 65001] }])
  // the set has no path any more: between two pieces of a stage that may happen
  table.withdraw(1, keyOf(1), 0)
  decide()
  expect(goesOut(2, 65002)).toEqual([{ type: 'sequence', asns: [65000, 65002] }])
  scope.end()
  table.withdraw(1, keyOf(2), 0)
  expect(sets.size).toBe(0)
})
