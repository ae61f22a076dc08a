import { LinuxError } from '@heddle/linux'
import { View, type Struct } from '../../src/layout/struct.js'
import { CONFIG } from '../../src/layout/structs/config.js'
import { wordAt, wordBytes, type KernelMaps } from '../../src/tables/kernel-maps.js'

/** Words of the maps that are memory; small, but for what tables that are drawn need. */
const WORDS: Readonly<Record<string, number>> = {
  fib: 1024 * 256,
  routes: 1 << 16,
  atoms: 1 << 16,
  backends: 1 << 16,
  config: CONFIG.size / 4,
}

type Table = Map<string, readonly [key: Uint8Array, value: Uint8Array]>

/** The process ended: nothing that it does behind this shows. Not an error of the kernel's, which would be told of an object. */
export class Died extends Error {
  override readonly name = 'Died'
}

/**
 * What a kernel's maps hold, without a kernel: it outlives a process that writes to it, which may die at any of its steps, each a change of a map or of a word
 * that programs read.
 */
export class MapsInMemory {
  readonly #tables = new Map<string, Table>()
  readonly #memory = new Map<string, ArrayBuffer>()

  /** Another kernel that holds the same. */
  copy(): MapsInMemory {
    const copy = new MapsInMemory()
    for (const [map, table] of this.#tables) copy.#tables.set(map, new Map(table))
    for (const [map, memory] of this.#memory) copy.#memory.set(map, memory.slice(0))
    return copy
  }

  /** As a process sees it that dies instead of its step `diesAt`; for step `refusesAt`, if it is one that sets something, the kernel has no memory. */
  seenBy({ diesAt = Number.POSITIVE_INFINITY, refusesAt = Number.POSITIVE_INFINITY } = {}): {
    readonly maps: KernelMaps
    readonly steps: () => number
  } {
    let steps = 0
    const step = (): void => {
      if (++steps >= diesAt) throw new Died(`at step ${diesAt}`)
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
      Array.from(table(map).values(), ([key, value]) => [key.slice(), value.slice()] as const)
    const maps = {
      object: { testRun: () => step() },
      set: (map: string, key: number | Uint8Array, value: Uint8Array): void => {
        step()
        if (steps === refusesAt) throw new LinuxError('ENOMEM', 12, `update map '${map}'`, 'Cannot allocate memory')
        table(map).set(bytesOf(key).join(), [bytesOf(key).slice(), value.slice()])
      },
      get: (map: string, key: number | Uint8Array): Uint8Array | undefined => table(map).get(bytesOf(key).join())?.[1].slice(),
      delete: (map: string, key: number | Uint8Array): boolean => {
        step()
        return table(map).delete(bytesOf(key).join())
      },
      entries,
      numbered: (map: string) => entries(map).map(([key, value]) => [wordAt(key), value] as const),
      words: (map: string): Uint32Array => new Uint32Array(memory(map)),
      element: (map: string, struct: Struct): View<string> => new SteppedView(struct, new Uint8Array(memory(map), 0, struct.size), step),
      capacity: () => 1 << 16,
      forgetDecisions: () => undefined,
    }
    return { maps: maps as unknown as KernelMaps, steps: () => steps }
  }
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
