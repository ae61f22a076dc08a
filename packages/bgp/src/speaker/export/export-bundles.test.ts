import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IPV4_UNICAST } from '../../nlri/family.js'
import { NO_ENTRY } from '../../message/update-batch.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { RibTable } from '../../rib/rib-table.js'
import { ExportBundles } from './export-bundles.js'

const SETS = 400

/** One host route for each peers and set that it goes out with; set 0: withdrawn. */
const routes = fc.array(fc.record({ set: fc.oneof(fc.nat(4), fc.nat(SETS)), peers: fc.nat(3) }), { maxLength: 600 })

test('routes are gathered by set and peers, in their order, withdrawals first, round after round', () => {
  const table = new RibTable(IPV4_UNICAST, new AttributeSets())
  const { sets } = table
  const ids = Array.from({ length: SETS + 1 }, (_, med) => (med === 0 ? 0 : sets.intern({ attributes: { med } })))
  const own = sets.intern({ attributes: {} })
  const hosts = Array.from({ length: 600 }, (_, host) => {
    const key = table.newKey()
    table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.of(IpAddress.v4(host + 1), 32) }, key)
    sets.retain(own)
    return table.destinationOf(table.announce(1, key, 0, 0, own))
  })
  const bundles = new ExportBundles(table, false)
  fc.assert(
    fc.property(routes, (gathered) => {
      const model = new Map<string, number[]>()
      gathered.forEach(({ set, peers }, host) => {
        bundles.add(ids[set], Uint32Array.of(peers, peers >>> 1), hosts[host], 0, 0)
        const key = `${ids[set]} ${peers}`
        model.set(key, [...(model.get(key) ?? []), host + 1])
      })
      const all = bundles.finish()
      const found = all.map((bundle): [string, number[]] => {
        const members: number[] = []
        for (let route = bundles.firstOf(bundle); route !== NO_ENTRY; route = bundles.next(route)) {
          const octets = bundles.octets.slice(bundles.startOf(route), bundles.endOf(route))
          expect([...octets.subarray(0, 3)]).toEqual([32, 0, 0])
          members.push((octets[3] << 8) | octets[4])
        }
        expect(bundles.countOf(bundle)).toBe(members.length)
        return [`${bundles.setOf(bundle)} ${bundles.peersOf(bundle)[0]}`, members]
      })
      expect(found.length).toBe(model.size)
      expect(new Map(found)).toEqual(model)
      const first = all.findIndex((bundle) => bundles.setOf(bundle) !== 0)
      if (first >= 0) expect(all.slice(first).every((bundle) => bundles.setOf(bundle) !== 0)).toBe(true)
      for (const bundle of all) if (bundles.setOf(bundle) !== 0) sets.release(bundles.setOf(bundle))
      bundles.clear()
      for (const id of ids) if (id !== 0) expect(sets.references(id)).toBe(1)
    }),
  )
})
