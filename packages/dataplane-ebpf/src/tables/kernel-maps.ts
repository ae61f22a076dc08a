import type { NativeMap, NativeObject } from '../native/binding.js'
import { call } from '../native/call.js'
import { View, type Struct } from '../layout/struct.js'
import { CONFIG } from '../layout/structs/config.js'

/** Octets of a frame that the kernel takes for a test run. */
const SMALLEST_FRAME = 64
/** Maps in which a flow has its place. */
const PLACED = ['ways_out', 'ways_in', 'openings'] as const
/** And that which says how many places those have. */
const PLACES = 'place_shifts'

/** The maps of a loaded object, by name. @throws LinuxError when the kernel refuses */
export class KernelMaps {
  readonly #facts: ReadonlyMap<string, NativeMap>
  /** The word that tells programs whether decisions still hold. */
  readonly #epoch: Uint32Array

  constructor(readonly object: NativeObject) {
    this.#facts = new Map(call(() => object.maps()).map((map) => [map.name, map]))
    this.#epoch = this.words('config').subarray(CONFIG.offsetOf('epoch') / 4)
    // Who only writes down what it knows of paths, or has programs know nothing any more, opens some of them.
    if (this.#facts.has(PLACES)) this.#placeFlows()
    this.forgetDecisions()
  }

  /** Maps that were pinned have the sizes that they were made with. */
  #placeFlows(): void {
    const places = Math.min(...PLACED.map((map) => this.capacity(map)))
    this.words(PLACES)[0] = 32 - Math.log2(places)
  }

  /** Octets of a value; of a per-CPU map those of all CPUs. */
  valueSize(map: string): number {
    return (this.#facts.get(map) as NativeMap).valueSize
  }

  /** Entries that a map can have. */
  capacity(map: string): number {
    return (this.#facts.get(map) as NativeMap).maxEntries
  }

  set(map: string, key: number | Uint8Array, value: Uint8Array): void {
    call(() => this.object.update(map, keyOf(key), value))
    this.forgetDecisions()
  }

  get(map: string, key: number | Uint8Array): Uint8Array | undefined {
    return call(() => this.object.lookup(map, keyOf(key))) ?? undefined
  }

  /** Whether there was something to delete. */
  delete(map: string, key: number | Uint8Array): boolean {
    const wasThere = call(() => this.object.remove(map, keyOf(key)))
    this.forgetDecisions()
    return wasThere
  }

  /** Has programs decide anew about flows that they know; behind every change of what they decide by. */
  forgetDecisions(): void {
    // Another process may do so too: of two at the same time none is lost, and the number never goes back.
    Atomics.add(this.#epoch, 0, 1)
  }

  /** Keys and values of a map as they were when the first is asked for: it may be changed meanwhile. */
  *entries(map: string): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    const { keySize, valueSize } = this.#facts.get(map) as NativeMap
    const octets = call(() => this.object.entries(map))
    const width = keySize + valueSize
    for (let at = 0; at < octets.length; at += width) yield [octets.subarray(at, at + keySize), octets.subarray(at + keySize, at + width)]
  }

  /** As `entries`, of a map whose keys are numbers. */
  *numbered(map: string): Generator<readonly [key: number, value: Uint8Array]> {
    for (const [key, value] of this.entries(map)) yield [wordAt(key), value]
  }

  /** Runs a program once, on a packet that does not matter to it. */
  run(program: string): void {
    call(() => this.object.testRun(program, new Uint8Array(SMALLEST_FRAME), 0, 1))
  }

  /** Memory of a map, as words: that of its entries, as programs reach nothing behind them on the last page. */
  words(map: string): Uint32Array {
    const { maxEntries, valueSize } = this.#facts.get(map) as NativeMap
    return new Uint32Array(
      call(() => this.object.memory(map)),
      0,
      (maxEntries * Math.ceil(valueSize / 8) * 8) / 4,
    )
  }

  /** The only element of an array, in its memory. */
  element<Name extends string>(map: string, struct: Struct<Name>): View<Name> {
    return new View(
      struct,
      new Uint8Array(
        call(() => this.object.memory(map)),
        0,
        struct.size,
      ),
    )
  }

  /** Sums of 64-bit counters over all CPUs. */
  sums(value: Uint8Array, count: number): number[] {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
    const sums = Array.from({ length: count }, () => 0)
    for (let at = 0; at < value.length; at += 8) sums[(at / 8) % count] += Number(view.getBigUint64(at, true))
    return sums
  }
}

/** A number as a key or value. */
export function wordBytes(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)
}

export function wordAt(bytes: Uint8Array, at = 0): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, index) => octet === b[index])
}

function keyOf(key: number | Uint8Array): Uint8Array {
  return typeof key === 'number' ? wordBytes(key) : key
}
