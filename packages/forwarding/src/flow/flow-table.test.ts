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

  it.each(['too old', 'removed', 'evicted'])('takes the peer of an entry away with it: %s', (how) => {
    const table = new FlowTable(16, 2, { peerWord: 1 })
    const insert = (port: number, lifetime: number): number => {
      table.keyDirected(0, tuple(1, port, 2, 2))
      return table.insert(0, lifetime, 5)
    }
    const [one, other, third] = [insert(1, 10), insert(2, 1e9), insert(3, 1e9)]
    table.data[one * 2 + 1] = other + 1
    table.data[other * 2 + 1] = one + 1
    // What lost its peer to another one keeps it.
    table.data[third * 2 + 1] = one + 1
    table.keyDirected(0, tuple(1, 1, 2, 2))
    if (how === 'too old') expect(table.find(10)).toBe(NO_FLOW)
    else if (how === 'removed') table.remove(one)
    else for (let port = 100; table.evictions === 0; port++) insert(port, 1e9)
    if (how === 'evicted') return expect(table.owned(5)).toBe(table.size)
    table.remove(one)
    table.keyDirected(0, tuple(1, 2, 2, 2))
    expect(table.find(1)).toBe(NO_FLOW)
    table.keyDirected(0, tuple(1, 3, 2, 2))
    expect(table.find(1)).toBe(third)
    expect([table.size, table.owned(5)]).toEqual([1, 1])
  })

  it('counts for each owner what it owns, whoever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(12), fc.boolean()), { maxLength: 300 }), (steps) => {
        const table = new FlowTable(256, 0)
        const owners = new Map<number, number>()
        for (const [port, owner, isInsert] of steps) {
          table.keyDirected(0, tuple(1, port, 2, 80))
          const slot = table.find(0)
          if (isInsert && slot === NO_FLOW) {
            table.insert(0, 1e9, owner * 0x1fffffff)
            owners.set(port, owner)
          } else if (!isInsert && slot !== NO_FLOW) {
            table.remove(slot)
            owners.delete(port)
          }
        }
        const counts = (owner: number): number => [...owners.values()].filter((one) => one === owner).length
        for (let owner = 0; owner <= 12; owner++) expect(table.owned(owner * 0x1fffffff)).toBe(counts(owner))
        expect(table.size).toBe(owners.size)
        expect(table.evictions).toBe(0)
      }),
    )
  })

  it('comes back as it was saved', () => {
    const [one, other] = [new FlowTable(64, 2, { peerWord: 1 }), new FlowTable(64, 2, { peerWord: 1 })]
    for (let port = 0; port < 40; port++) {
      one.keySymmetric(port & 1, tuple(port, 1, 2, port))
      one.insert(port / 3, 10 + port, port % 5, port & 7, [port])
    }
    other.load(one.save())
    expect(other.size).toBe(one.size)
    for (let owner = 0; owner < 5; owner++) expect(other.owned(owner)).toBe(one.owned(owner))
    for (let port = 0; port < 40; port++) {
      for (const table of [one, other]) table.keySymmetric(port & 1, tuple(2, port, port, 1))
      const [left, right] = [one.find(20), other.find(20)]
      expect(right).toBe(left)
      if (left !== NO_FLOW) expect([other.stateOf(right), other.data[right * 2]]).toEqual([one.stateOf(left), one.data[left * 2]])
    }
    expect(other.save()).toEqual(one.save())
  })

  it('is seen by another one over the same memory', () => {
    const memory = new SharedArrayBuffer(FlowTable.octets(64, 1))
    const [one, other] = [new FlowTable(64, 1, { memory }), new FlowTable(64, 1, { memory })]
    one.keySymmetric(0, tuple(1, 2, 3, 4))
    const slot = one.insert(0, 100, 7, 5, [42])
    other.keySymmetric(0, tuple(3, 4, 1, 2))
    expect(other.find(50)).toBe(slot)
    expect([other.stateOf(slot), other.data[slot], other.owned(7), other.size]).toEqual([5, 42, 1, 1])
    expect(other.insert(0, 1, 9, 0, [1])).toBe(slot)
    one.remove(slot)
    expect(other.isCurrent(slot)).toBe(false)
    expect(other.find(50)).toBe(NO_FLOW)
    one.insert(0, 100, 7)
    expect(other.isCurrent(slot)).toBe(false)
  })

  it('remembers as a map with times does, over any sequence of calls', () => {
    const step = fc.record({
      port: fc.nat(20),
      after: fc.constantFrom(0, 1, 5, 20),
      lifetime: fc.constantFrom(1, 10, 1000),
      back: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
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
