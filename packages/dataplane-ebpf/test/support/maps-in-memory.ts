import { LinuxError } from '@heddle/linux'
import { View, type Struct } from '../../src/layout/struct.js'
import { CONFIG } from '../../src/layout/structs/config.js'
import type { KernelMaps } from '../../src/tables/kernel-maps.js'
import { wordAt, wordBytes } from '../../src/layout/word.js'

/** Words of the maps that are memory; small, but for what tables that are drawn need. */
const WORDS: Readonly<Record<string, number>> = {
  fib: 1024 * 256,
  routes: 1 << 11,
  atoms: 1 << 14,
  backends: 1 << 14,
  config: CONFIG.size / 4,
}

/** What a process does with maps: sets or deletes an element, runs a program over them, or stores a word in memory that programs read. */
export type Step = 'set' | 'delete' | 'run' | 'store'

type Table = Map<string, readonly [key: Uint8Array, value: Uint8Array]>

/** The process ended: nothing that it does behind this shows. Not an error of the kernel's, which would be told of an object. */
export class Died extends Error {
  override readonly name = 'Died'
}

/** What becomes of the steps of a process: it dies instead of one, which is counted from 0, and the kernel refuses others. */
export interface Fate {
  readonly diesAt?: number
  /** Not asked of stores, which no kernel sees. */
  readonly refuses?: (step: Step, map: string, index: number) => boolean
}

/** The maps as a process sees them. */
export interface SeenMaps {
  readonly maps: KernelMaps
  /** What it has done. */
  readonly steps: readonly Step[]
  /** Memory whose stores are steps. */
  stepped(words: Int32Array): Int32Array
}

/**
 * What a kernel's maps hold, without a kernel: it outlives a process that writes to it, which may die at any of its steps. Elements are listed in an order that
 * says nothing, as a hash map's are.
 */
export class MapsInMemory {
  readonly #tables = new Map<string, Table>()
  readonly #memory = new Map<string, ArrayBuffer>()

  /** @param order of elements, any number */
  constructor(private readonly order = 0) {}

  /** Another kernel that holds the same. */
  copy(): MapsInMemory {
    const copy = new MapsInMemory(this.order)
    for (const [map, table] of this.#tables) copy.#tables.set(map, new Map(table))
    for (const [map, memory] of this.#memory) copy.#memory.set(map, memory.slice(0))
    return copy
  }

  seenBy({ diesAt, refuses = () => false }: Fate = {}): SeenMaps {
    const steps: Step[] = []
    const take = (step: Step, map: string): void => {
      const index = steps.length
      if (index === diesAt) throw new Died(`at step ${index}`)
      steps.push(step)
      if (step === 'store' || !refuses(step, map, index)) return
      if (step === 'delete') throw new LinuxError('EBUSY', 16, `delete from map '${map}'`, 'Device or resource busy')
      throw new LinuxError('ENOMEM', 12, `${step} '${map}'`, 'Cannot allocate memory')
    }
    const table = (map: string): Table => {
      const found = this.#tables.get(map) ?? new Map<string, never>()
      this.#tables.set(map, found)
      return found
    }
    const memory = (map: string): ArrayBuffer => {
      const found = this.#memory.get(map) ?? new ArrayBuffer((WORDS[map] ?? 0) * 4)
      this.#memory.set(map, found)
      return found
    }
    const bytesOf = (key: number | Uint8Array): Uint8Array => (typeof key === 'number' ? wordBytes(key) : key)
    const entries = (map: string): (readonly [Uint8Array, Uint8Array])[] =>
      Array.from(table(map), ([name, [key, value]]) => ({ place: placeOf(name, this.order), key, value }))
        .sort((a, b) => a.place - b.place)
        .map(({ key, value }) => [key.slice(), value.slice()] as const)
    const maps = {
      // As of a map with few elements: all are done at once.
      runOver: (_program: string, _kind: number, map: string): void => take('run', map),
      set: (map: string, key: number | Uint8Array, value: Uint8Array): void => {
        take('set', map)
        table(map).set(bytesOf(key).join(), [bytesOf(key).slice(), value.slice()])
      },
      get: (map: string, key: number | Uint8Array): Uint8Array | undefined => table(map).get(bytesOf(key).join())?.[1].slice(),
      delete: (map: string, key: number | Uint8Array): boolean => {
        take('delete', map)
        return table(map).delete(bytesOf(key).join())
      },
      entries,
      numbered: (map: string) => entries(map).map(([key, value]) => [wordAt(key), value] as const),
      words: (map: string): Uint32Array => new Uint32Array(memory(map)),
      element: (map: string, struct: Struct): View<string> =>
        new SteppedView(struct, new Uint8Array(memory(map), 0, struct.size), () => take('store', map)),
      capacity: (map: string) => (map === 'counts' ? 16 : 1 << 16),
      forgetDecisions: () => undefined,
    }
    return {
      maps: maps as unknown as KernelMaps,
      steps,
      stepped: (words) =>
        new Proxy(words, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name, target)
            return typeof value === 'function' ? (value.bind(target) as unknown) : value
          },
          set(target, name, value) {
            take('store', 'memory')
            return Reflect.set(target, name, value, target)
          },
        }),
    }
  }
}

/** Where an element is listed. */
function placeOf(name: string, order: number): number {
  let place = order
  for (let index = 0; index < name.length; index++) place = Math.imul(place ^ name.charCodeAt(index), 0x0100_0193)
  return place ^ (place >>> 15)
}

/** Memory that programs read: each word is a step. */
class SteppedView extends View<string> {
  constructor(
    struct: Struct,
    bytes: Uint8Array,
    private readonly step: () => void,
  ) {
    super(struct, bytes)
  }

  override set(name: string, value: number, index?: number): this {
    this.step()
    return super.set(name, value, index)
  }

  override setLarge(name: string, value: number | bigint): this {
    this.step()
    return super.setLarge(name, value)
  }
}
