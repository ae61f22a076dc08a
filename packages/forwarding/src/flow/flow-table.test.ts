import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FlowTable, NO_FLOW } from './flow-table.js'
import { Tuple } from './tuple.js'

function tuple(source: number, sourcePort: number, destination: number, destinationPort: number): Tuple {
  const made = new Tuple()
  made.protocol = 6
  made.source[0] = source
  made.destination[0] = destination
  made.sourcePort = sourcePort
  made.destinationPort = destinationPort
  return made
}

describe('a flow table', () => {
  it('finds a flow from both ends, and tells which one sent', () => {
    const table = new FlowTable(64, 1)
    const there = tuple(0xfffffffe, 80, 0xffffffff, 79)
    const back = tuple(0xffffffff, 79, 0xfffffffe, 80)
    const forward = table.keySymmetric(1, there)
    const slot = table.insert(0, 100, 7)
    expect(table.keySymmetric(1, back)).toBe(!forward)
    expect(table.find(50)).toBe(slot)
    table.keySymmetric(2, back)
    expect(table.find(50)).toBe(NO_FLOW)
    table.keyDirected(1, there)
    expect(table.find(50)).toBe(forward ? slot : NO_FLOW)
  })

  it('gives a key back as it was', () => {
    const table = new FlowTable(64, 0)
    const there = tuple(0x0a000001, 1, 0x0a000002, 65_535)
    table.keyDirected(1, there)
    const read = new Tuple()
    table.readKey(table.insert(0, 1, 0), read)
    expect(read).toMatchObject({ family: 4, protocol: 6, source: there.source, sourcePort: 1, destinationPort: 65_535 })
  })

  it('keeps its size, whatever comes, by evicting what was quiet for longest', () => {
    const table = new FlowTable(8, 0) // one bucket
    for (let port = 0; port < 100; port++) {
      table.keyDirected(0, tuple(1, port, 2, 80))
      table.insert(port, 1e9, 3)
      if (port < 99) continue
      expect([table.capacity, table.size, table.owned(3), table.evictions]).toEqual([8, 8, 8, 92])
    }
    for (let port = 92; port < 100; port++) {
      table.keyDirected(0, tuple(1, port, 2, 80))
      expect(table.find(100)).not.toBe(NO_FLOW)
    }
  })

  it('tells of every entry that goes, once', () => {
    const ended: number[] = []
    const table = new FlowTable(8, 0, (slot) => ended.push(slot))
    table.keyDirected(0, tuple(1, 1, 2, 2))
    const slot = table.insert(0, 10, 0)
    expect(table.find(10)).toBe(NO_FLOW)
    table.remove(slot)
    expect(ended).toEqual([slot])
  })

  it('remembers as a map with times does, over any sequence of calls', () => {
    const step = fc.record({
      port: fc.nat(20),
      after: fc.constantFrom(0, 1, 5, 20),
      lifetime: fc.constantFrom(1, 10, 1000),
      back: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const table = new FlowTable(1024, 0) // large enough that nothing is evicted
        const reference = new Map<number, number>()
        let now = 0
        for (const { port, after, lifetime, back } of steps) {
          now += after
          table.keySymmetric(9, back ? tuple(2, 80, 1, port) : tuple(1, port, 2, 80))
          const slot = table.find(now)
          const until = reference.get(port) ?? 0
          expect(slot !== NO_FLOW).toBe(now < until)
          if (slot === NO_FLOW) table.insert(now, lifetime, 0)
          else table.touch(slot, now, lifetime)
          reference.set(port, now + lifetime)
        }
        expect(table.size).toBeGreaterThanOrEqual([...reference.values()].filter((until) => now < until).length)
        expect(table.evictions).toBe(0)
      }),
    )
  })

  it('makes the same table of the same calls', () => {
    const run = (): readonly number[] => {
      const table = new FlowTable(64, 0)
      return Array.from({ length: 500 }, (_, index) => {
        table.keySymmetric(0, tuple(index % 90, index % 7, 5, 80))
        const slot = table.find(index)
        return slot === NO_FLOW ? table.insert(index, 100, 0) : slot
      })
    }
    expect(run()).toEqual(run())
  })
})
