import type { PolicyRule } from '@heddle/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { FibFullError } from '../fib/block-memory.js'
import { GracePeriods } from '../fib/grace-periods.js'
import { BLOCK } from '../layout/structs/next-hop.js'
import { RuleMemory } from './rule-memory.js'

const BLOCKS = 4
/** Rules unlike those of any other number. */
const rules = (number: number): PolicyRule[] => [{ protocol: 6, ports: [{ first: number, last: number }], verdict: 'allow' }]

let words: Uint32Array
let memory: RuleMemory

function open(): void {
  memory = new RuleMemory(words, new GracePeriods({ wait: () => undefined, passed: () => Promise.resolve() }))
}

beforeEach(() => {
  words = new Uint32Array(BLOCKS * BLOCK)
  open()
})

describe('the memory of rules', () => {
  it('has one place for what is the same, as many policies as have it', () => {
    const taken = Array.from({ length: 100 }, () => memory.take(rules(1)))
    expect(new Set(taken.map(({ atom }) => atom)).size).toBe(1)
    expect(memory.read(taken[0])).toEqual(rules(1))
    for (const number of [2, 3, 4]) memory.take(rules(number))
    expect(() => memory.take(rules(5))).toThrow(FibFullError)
    expect(memory.take(rules(4)).count).toBe(2)
  })

  it('tells no rules from one that is nothing but zeros', () => {
    const lists: PolicyRule[][] = [[], [{ protocol: 0, verdict: 'deny' }]]
    const taken = lists.map((list) => memory.take(list))
    expect(taken.map((one) => memory.read(one))).toEqual(lists)
    open()
    for (const one of taken) memory.adopt(one)
    expect(lists.map((list) => memory.read(memory.take(list)))).toEqual(lists)
  })

  it('keeps rules until the last policy has dropped them and programs know it', () => {
    const [first] = [memory.take(rules(1)), memory.take(rules(1))]
    for (const number of [2, 3, 4]) memory.take(rules(number))
    memory.drop(first)
    memory.rest()
    expect(() => memory.take(rules(5))).toThrow(FibFullError)
    expect(memory.read(first)).toEqual(rules(1))
    memory.drop(first)
    // Programs may still be led there: rules that are the same are other ones now.
    expect(() => memory.take(rules(1))).toThrow(FibFullError)
    expect(memory.read(first)).toEqual(rules(1))
    memory.rest()
    expect(memory.read(memory.take(rules(5)))).toEqual(rules(5))
  })

  it('is taken over, with what several policies have, and what is there twice', () => {
    const shared = memory.take(rules(1))
    const alone = memory.take(rules(2))
    open()
    const [one, other] = [memory.adopt(shared), memory.adopt(shared)]
    memory.adopt(alone)
    expect(one).toBe(other)
    expect(memory.take(rules(2)).atom).toBe(alone.atom)
    memory.drop(one)
    memory.rest()
    expect(memory.take(rules(1)).atom).toBe(shared.atom)
    // As dataplanes had it that shared none.
    words.copyWithin(3 * BLOCK, (shared.atom / 16) * BLOCK, (shared.atom / 16 + 1) * BLOCK)
    const twice = memory.adopt({ atom: 3 * 16, count: 2 })
    expect([twice.atom, memory.take(rules(1)).atom]).toEqual([48, shared.atom])
    memory.drop(twice)
    memory.rest()
    expect(memory.take(rules(1)).atom).toBe(shared.atom)
  })
})
