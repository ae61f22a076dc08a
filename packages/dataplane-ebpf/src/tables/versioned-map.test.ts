import { LinuxError } from '@heddle/linux'
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { GracePeriods } from '../fib/grace-periods.js'
import { wordAt, wordBytes } from '../layout/word.js'
import type { NativeMap, NativeObject } from '../native/binding.js'
import { NUMBERS, placeOf, SPARE_VERSIONS, VersionedMap, VERSIONS } from './versioned-map.js'

const SIZES = { things: { keySize: 4, valueSize: 4 }, thing_versions: { keySize: 4, valueSize: 16 } } as const
type Name = keyof typeof SIZES

/** What stands in an element of a hash, whosever it is. */
interface Element {
  key: string
  value: Uint8Array
}

/** A kernel that gives the element that became free last to the next one that is set in the same map, while programs may be reading it. */
class Kernel {
  readonly #elements: Readonly<Record<Name, { readonly used: Map<string, Element>; readonly free: Element[] }>> = {
    things: { used: new Map(), free: [] },
    thing_versions: { used: new Map(), free: [] },
  }
  /** Elements that programs are reading, and what stood there when they were found. */
  readonly #readers: { readonly element: Element; readonly value: string }[] = []
  /** What spares programs a search; theirs may be wrong. */
  readonly numbers = new Uint32Array(NUMBERS)
  /** How often somebody waited for programs. */
  waits = 0
  refuses: ((map: string) => boolean) | undefined

  /** @param room for elements of each map */
  constructor(private readonly room = { things: 8, thing_versions: 8 }) {}

  open(): VersionedMap {
    const [places, versions] = Object.entries(SIZES).map(([name, sizes]) => ({ name, ...sizes, maxEntries: 0 }) as unknown as NativeMap)
    return new VersionedMap(
      this as unknown as NativeObject,
      places,
      versions,
      this.numbers,
      new GracePeriods({ wait: () => this.wait(), passed: () => new Promise(() => undefined) }),
    )
  }

  lookup(map: Name, key: Uint8Array): Uint8Array | null {
    return this.#elements[map].used.get(key.join())?.value.slice() ?? null
  }

  update(map: Name, key: Uint8Array, value: Uint8Array): void {
    const { used, free } = this.#elements[map]
    const before = used.get(key.join())
    if (this.refuses?.(map) === true) throw new LinuxError('ENOMEM', 12, `set an element of map '${map}'`, 'Cannot allocate memory')
    if (before === undefined && used.size === this.room[map])
      throw new LinuxError('E2BIG', 7, `set an element of map '${map}'`, 'Argument list too long')
    const element = free.pop() ?? { key: '', value: value.slice() }
    element.key = key.join()
    element.value = value.slice()
    used.set(element.key, element)
    if (before !== undefined) free.push(before)
  }

  remove(map: Name, key: Uint8Array): boolean {
    const { used, free } = this.#elements[map]
    const before = used.get(key.join())
    if (before !== undefined) free.push(before)
    return used.delete(key.join())
  }

  entries(map: Name): Uint8Array {
    return Uint8Array.from(
      Array.from(this.#elements[map].used.values(), ({ key, value }) => [...key.split(',').map(Number), ...value]).flat(),
    )
  }

  count(map: Name): number {
    return this.#elements[map].used.size
  }

  /** A program looks an object up, as `VERSIONED` of `bpf/maps.h` does, and reads it from now on. */
  read(id: number): number | undefined {
    const { things, thing_versions } = this.#elements
    const versionOf = (number: Uint8Array | undefined): Element | undefined => {
      const version = number && thing_versions.used.get(number.join())
      return version && wordAt(version.value, 8) === id ? version : undefined
    }
    const key = wordBytes(id)
    const element = versionOf(wordBytes(this.numbers[placeOf(key)])) ?? versionOf(things.used.get(key.join())?.value)
    if (element === undefined) return undefined
    this.#readers.push({ element, value: element.value.join() })
    return wordAt(element.value)
  }

  /** All programs come to their ends: none has seen another object in the place of its own. */
  wait(): void {
    this.waits++
    for (const { element, value } of this.#readers.splice(0)) expect(element.value.join()).toBe(value)
  }
}

/** The first and the last have one place among the numbers. */
const IDS = [1, 2, NUMBERS] as const
const id = fc.constantFrom(...IDS)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('set' as const), id, value: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), id }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('read' as const), id }) },
  // The process ends before it has written the number of what it set or deleted last, or one was there that knows nothing of numbers.
  fc.record({ type: fc.constant('die' as const), at: fc.option(fc.tuple(id, fc.nat(20)), { nil: undefined }) }),
  fc.record({ type: fc.constantFrom('giveUp' as const, 'open' as const, 'wait' as const) }),
)

describe('objects in versions', () => {
  it('stay what they were for whoever found them, and are what was set for whoever looks', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kernel = new Kernel({ things: 3, thing_versions: 5 })
        const model = new Map<number, number>()
        let things = kernel.open()
        let before = [0, 0]
        for (const one of steps) {
          if (one.type === 'set' || one.type === 'delete') {
            const place = placeOf(wordBytes(one.id))
            before = [place, kernel.numbers[place]]
          }
          if (one.type === 'set') {
            things.set(wordBytes(one.id), wordBytes(one.value))
            model.set(one.id, one.value)
          } else if (one.type === 'delete') {
            expect(things.delete(wordBytes(one.id))).toBe(model.delete(one.id))
          } else if (one.type === 'read') {
            expect(kernel.read(one.id)).toBe(model.get(one.id))
          } else if (one.type === 'giveUp') {
            things.giveUp()
            expect(kernel.count('thing_versions')).toBe(model.size)
          } else if (one.type === 'wait') {
            kernel.wait()
          } else {
            const [place, number] = one.type === 'die' && one.at !== undefined ? [placeOf(wordBytes(one.at[0])), one.at[1]] : before
            if (one.type === 'die') kernel.numbers[place] = number
            things = kernel.open()
          }
          const found = Array.from(things.entries(), ([key, value]) => [wordAt(key), wordAt(value)])
          expect(found.toSorted(([a], [b]) => a - b)).toEqual([...model].sort(([a], [b]) => a - b))
        }
        kernel.wait()
      }),
      { numRuns: 500 },
    )
  })

  it('are found by a number, and by a search where that is another one’s, or of a version that went', () => {
    const kernel = new Kernel()
    const things = kernel.open()
    expect(new Set(IDS.map((one) => placeOf(wordBytes(one)))).size).toBe(2)
    for (const one of IDS) things.set(wordBytes(one), wordBytes(one + 5))
    const [first, second] = IDS.map((one) => placeOf(wordBytes(one)))
    expect([kernel.numbers[first], kernel.numbers[second]]).toEqual([3, 2])
    expect(IDS.map((one) => kernel.read(one))).toEqual(IDS.map((one) => one + 5))
    kernel.numbers[second] = 77
    expect(kernel.read(2)).toBe(7)
    things.delete(wordBytes(1))
    expect(kernel.numbers[first]).toBe(3)
    things.delete(wordBytes(NUMBERS))
    expect(kernel.numbers[first]).toBe(0)
    expect(kernel.read(NUMBERS)).toBeUndefined()
    kernel.wait()
  })

  it('wait for programs only where a version is set soon behind those that were given up', () => {
    const kernel = new Kernel()
    const things = kernel.open()
    for (const value of [1, 2, 3]) things.set(wordBytes(1), wordBytes(value))
    // Nobody knows what a process before this one has just given up.
    expect([kernel.count('thing_versions'), kernel.waits]).toEqual([3, 1])
    things.giveUp()
    expect([kernel.count('thing_versions'), kernel.waits]).toEqual([1, 1])
    things.set(wordBytes(2), wordBytes(4))
    things.set(wordBytes(2), wordBytes(5))
    expect(kernel.waits).toBe(2)
  })

  it('stay what they were when the process ends that gave up what a program is reading', () => {
    const kernel = new Kernel()
    const things = kernel.open()
    things.set(wordBytes(1), wordBytes(7))
    kernel.read(1)
    things.set(wordBytes(1), wordBytes(8))
    things.giveUp()
    kernel.open().set(wordBytes(2), wordBytes(9))
    kernel.wait()
  })

  it('are what they were where the kernel refuses what leads to a version, or the version, which then is nobody’s', () => {
    for (const refused of ['things', 'thing_versions']) {
      const kernel = new Kernel()
      const things = kernel.open()
      things.set(wordBytes(1), wordBytes(7))
      kernel.refuses = (map) => map === refused
      expect(() => things.set(wordBytes(1), wordBytes(8))).toThrow(LinuxError)
      kernel.refuses = undefined
      expect(things.get(wordBytes(1))).toEqual(new Uint8Array([7, 0, 0, 0, 0, 0, 0, 0]))
      things.giveUp()
      expect(kernel.count('thing_versions')).toBe(1)
    }
  })

  it('are refused where there is no room for more of them, and not before', () => {
    const kernel = new Kernel({ things: 2, thing_versions: 3 })
    const things = kernel.open()
    for (let value = 0; value < 20; value++) for (const id of [1, 2]) things.set(wordBytes(id), wordBytes(value))
    expect(() => things.set(wordBytes(3), wordBytes(1))).toThrow(/E2BIG|Argument list too long/)
    expect(Array.from(things.entries(), ([key, value]) => [wordAt(key), wordAt(value)])).toEqual([
      [1, 19],
      [2, 19],
    ])
  })

  it('have numbers that none of them has, when all of 32 bits have been given', () => {
    const kernel = new Kernel()
    kernel.update('thing_versions', wordBytes(1), Uint8Array.from([...wordBytes(5), 0, 0, 0, 0, ...wordBytes(1), 0, 0, 0, 0]))
    kernel.update('thing_versions', wordBytes(0xffff_ffff), Uint8Array.from([...wordBytes(6), 0, 0, 0, 0, ...wordBytes(2), 0, 0, 0, 0]))
    kernel.update('things', wordBytes(1), wordBytes(1))
    kernel.update('things', wordBytes(2), wordBytes(0xffff_ffff))
    const things = kernel.open()
    things.set(wordBytes(3), wordBytes(7))
    expect(wordAt(kernel.lookup('things', wordBytes(3)) as Uint8Array)).toBe(2)
    expect([1, 2, 3].map((id) => kernel.read(id))).toEqual([5, 6, 7])
  })

  it('go that nothing leads to, since a process ended before it was said', () => {
    const kernel = new Kernel()
    kernel.open().set(wordBytes(1), wordBytes(7))
    kernel.update('thing_versions', wordBytes(2), new Uint8Array(16))
    const things = kernel.open()
    things.giveUp()
    expect([kernel.count('thing_versions'), kernel.read(1)]).toEqual([1, 7])
  })

  it('are those of `bpf/maps.h`', () => {
    const header = readFileSync(new URL('../../bpf/maps.h', import.meta.url), 'utf8')
    const found = Array.from(header.matchAll(/^VERSIONED\((\d), \w+, (\w+), (\w+),/gm), ([, kind, ...maps]) => [Number(kind), maps])
    expect(found).toEqual(Object.entries(VERSIONS).map((maps, kind) => [kind, maps]))
    expect(header).toContain(`#define VERSIONED_KINDS ${found.length}\n`)
    expect(2 ** Number(/^#define NUMBERS_BITS (\d+)$/m.exec(header)?.[1])).toBe(NUMBERS)
    expect(header).toContain(`#define SPARE_VERSIONS ${SPARE_VERSIONS}\n`)
  })
})
