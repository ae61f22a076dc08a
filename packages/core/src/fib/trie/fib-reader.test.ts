import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FibReader } from './fib-reader.js'
import { FibTable } from './fib-table.js'
import { NO_MATCH } from './stride-trie.js'

/** A look-up that goes one word at a time, as far as it is told to: what another thread may be in the middle of. */
class SlowReader {
  #entry: number
  #bit: number
  readonly #rootSize: number

  constructor(
    readonly address: number,
    readonly words: Uint32Array,
    rootBits: number,
  ) {
    this.#entry = words[address >>> (32 - rootBits)]
    this.#bit = rootBits
    this.#rootSize = 2 ** rootBits
  }

  get answer(): number | undefined {
    return this.#entry < 2 ** 31 ? this.#entry - 1 : undefined
  }

  step(): void {
    if (this.answer !== undefined) return
    const block = this.#entry - 2 ** 31
    this.#entry = this.words[this.#rootSize + block * 256 + ((this.address >>> (24 - this.#bit)) & 0xff)]
    this.#bit += 8
  }
}

const ADDRESSES = [0x0a00_0000, 0x0a00_0100, 0x0a01_0000, 0x0a01_01f0, 0x0b00_0000, 0x0b00_0180]
const word = fc.constantFrom(...ADDRESSES)
const prefix = fc
  .tuple(word, fc.constantFrom(9, 15, 17, 23, 24, 25, 28, 30))
  .map(([address, length]) => IpPrefix.of(IpAddress.v4(address), length))
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('set' as const), prefix, value: fc.nat(1000) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('delete' as const), prefix }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('begin' as const), address: word }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('step' as const), reader: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.constant({ type: 'pass' as const }) },
)

it('a look-up that takes any time finds what was right while it went, whatever is written meanwhile', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const readers = { now: 0, passed: -1 }
      const table = new FibTable({
        grow(words, previous) {
          const region = new Uint32Array(words)
          if (previous !== undefined) region.set(previous)
          return region
        },
        readers,
      })
      table.setPrefix(IpPrefix.parse('0.0.0.0/0'), 0)
      let regions = table.regions.v4
      /** Answers for each address that were right at some moment since the readers were told where the words lie. */
      const right = new Map(ADDRESSES.map((address) => [address, new Set([0])]))
      let going: SlowReader[] = []
      const finish = (reader: SlowReader): void => {
        while (reader.answer === undefined) reader.step()
        expect([...(right.get(reader.address) ?? [])]).toContain(reader.answer)
      }
      for (const one of steps) {
        if (one.type === 'set') table.setPrefix(one.prefix, one.value)
        else if (one.type === 'delete') table.deletePrefix(one.prefix)
        else if (one.type === 'begin') going.push(new SlowReader(one.address, regions.trie ?? new Uint32Array(256), regions.rootBits))
        else if (one.type === 'step') going[one.reader]?.step()
        else {
          going.forEach(finish)
          going = []
          for (const answers of right.values()) answers.clear()
          regions = table.regions.v4
          readers.passed = readers.now++
        }
        for (const [address, answers] of right) answers.add(table.lookup4(address))
      }
      going.forEach(finish)
    }),
    { numRuns: 300 },
  )
})

it('reads where it is told to, and nothing before', () => {
  const [table, reader] = [new FibTable(), new FibReader()]
  const address = IpAddress.parse('10.0.0.1')
  table.setPrefix(IpPrefix.parse('10.0.0.1/32'), 7)
  table.setPrefix(IpPrefix.parse('fd00::/8'), 8)
  expect(reader.lookup(address)).toBe(NO_MATCH)
  reader.load(table.regions)
  expect([reader.lookup(address), reader.lookup(IpAddress.parse('fd00::1'))]).toEqual([7, 8])
  table.setPrefix(IpPrefix.parse('10.0.0.1/32'), 9) // where it lies already
  expect(reader.lookup(address)).toBe(9)
})
