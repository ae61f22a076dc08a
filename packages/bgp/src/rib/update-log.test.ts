import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IPV4_UNICAST } from '../nlri/family.js'
import { AttributeSets } from './attribute-sets.js'
import { RibTable } from './rib-table.js'
import { UpdateLog } from './update-log.js'

function tableOf(destinations: number): { table: RibTable; slots: number[] } {
  const sets = new AttributeSets()
  const table = new RibTable(IPV4_UNICAST, sets)
  const key = table.newKey()
  for (let host = 0; host < destinations; host++) {
    table.key.fromNlri({ kind: 'unicast', prefix: IpPrefix.of(IpAddress.v4(host)) }, key)
    table.announce(1, key, 0, 0, sets.intern({ attributes: {} }))
  }
  return { table, slots: [...table.destinations()] }
}

test('a reader at any pace is told each destination that changed since, in the order of the last change, and once', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('append' as const), at: fc.nat(5) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), reader: fc.nat(2), limit: fc.integer({ min: 1, max: 4 }) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const { table, slots } = tableOf(6)
      const log = new UpdateLog(table)
      const readers = [0, 1, 2].map(() => ({ place: log.end, due: [] as number[] }))
      for (const action of steps) {
        if (action.kind === 'append') {
          const slot = slots[action.at]
          log.append(slot)
          for (const reader of readers) reader.due = [...reader.due.filter((other) => other !== slot), slot]
        } else {
          const reader = readers[action.reader]
          const out: number[] = []
          reader.place = log.read(reader.place, log.end, action.limit, out)
          expect(out).toEqual(reader.due.slice(0, out.length))
          expect(out.length).toBe(Math.min(action.limit, reader.due.length))
          reader.due = reader.due.slice(out.length)
          log.trim(Math.min(...readers.map(({ place }) => place)))
        }
        expect(log.size).toBeLessThanOrEqual(slots.length)
      }
      log.trim(log.end)
      expect(log.size).toBe(0)
    }),
  )
})

test('a reader that never reads costs no more than the destinations that there are', () => {
  const { table, slots } = tableOf(10)
  const log = new UpdateLog(table)
  const from = log.end
  for (let round = 0; round < 200_000; round++) log.append(slots[round % 10])
  expect(log.size).toBe(10)
  const out: number[] = []
  expect(log.read(from, log.end, 100, out)).toBe(log.end)
  expect(out).toHaveLength(10)
})
