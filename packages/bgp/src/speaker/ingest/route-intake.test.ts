import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, test } from 'vitest'
import { IPV4_UNICAST } from '../../nlri/family.js'
import { nlriMode } from '../../nlri/nlri-mode.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { RibTable } from '../../rib/rib-table.js'
import { RouteIntake, type RouteField } from './route-intake.js'

const RULES = { self: { as: 65000, routerId: 1, clusterId: 1 }, peer: '192.0.2.2', peerAs: 65000, peerType: 'ibgp' } as const

/** Routes to 10.N.0.0/24 and the `count` − 1 prefixes behind it. */
function fieldOf(network: number, count: number): RouteField {
  const bytes = Uint8Array.from(Array.from({ length: count }, (_, at) => [24, 10, network, at]).flat())
  return { family: IPV4_UNICAST, bytes, from: 0, to: bytes.length, mode: nlriMode(false, false) }
}

test('a route has the attributes of its own message, also when what came before it threw', () => {
  const sets = new AttributeSets()
  const table = new RibTable(IPV4_UNICAST, sets)
  const intake = new RouteIntake(1)
  const announce = (field: RouteField, localPref: number): void => {
    const received = sets.intern({ attributes: { origin: 'igp', asPath: [], localPref }, nextHop: { address: IpAddress.v4(1) } })
    const octets = sets.bytes(received).slice()
    intake.announce(field, table, RULES, received, octets, octets.length)
  }
  table.sink = {
    changed: () => {
      throw new TypeError('no room')
    },
  }
  // so many that some go into the table while the field is walked
  expect(() => announce(fieldOf(1, 256), 111)).toThrow('no room')
  table.sink = undefined
  announce(fieldOf(2, 1), 222)
  intake.apply()
  const key = table.newKey()
  table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.parse('10.2.0.0/24') }, key)
  const [path] = table.pathsOf(table.find(key))
  expect(sets.get(table.setOf(path)).attributes.localPref).toBe(222)
})
