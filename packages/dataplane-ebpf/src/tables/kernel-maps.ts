import { GracePeriods, type ProgramsWait } from '../fib/grace-periods.js'
import type { NativeMap, NativeObject } from '../native/binding.js'
import { call, callAsync } from '../native/call.js'
import { View, type Struct } from '../layout/struct.js'
import { CHECKED } from '../layout/structs/address.js'
import { CONFIG } from '../layout/structs/config.js'
import { wordAt, wordBytes } from '../layout/word.js'
import { NUMBERS, VersionedMap, VERSIONS } from './versioned-map.js'

/** Maps in which a flow has its place. */
const PLACED = ['ways_out', 'ways_in', 'openings'] as const

/** Maps of numbers that show whose they are (`CHECKED` in `bpf/maps.h`). */
const CHECKED_MAPS: readonly string[] = ['devices', 'hosts']

/**
 * Maps of which a change says nothing of decisions by itself: packets of anybody's have them written, as often as somebody sends some, and each time all flows would be
 * decided anew. Programs read of `liveness` what is down: who changes that has them decide anew. Of `told_paths` they read nothing.
 */
const APART: readonly string[] = ['liveness', 'told_paths']

/** Programs of the kernel. */
export const PROGRAMS: ProgramsWait = {
  wait: () => call((native) => native.waitForPrograms()),
  passed: () => callAsync((native) => native.programsPassed()),
}

/** The maps of a loaded object, by name. @throws LinuxError when the kernel refuses */
export class KernelMaps {
  readonly #facts: ReadonlyMap<string, NativeMap>
  readonly #versioned: ReadonlyMap<string, VersionedMap>
  /** The word that tells programs whether decisions still hold. */
  readonly #epoch: Uint32Array

  constructor(readonly object: NativeObject) {
    this.#facts = new Map(call(() => object.maps()).map((map) => [map.name, map]))
    this.#versioned = this.#versionedMaps(new GracePeriods(PROGRAMS))
    this.#epoch = this.words('config').subarray(CONFIG.offsetOf('epoch') / 4)
    // Who only writes down what it knows of paths, or has programs know nothing any more, opens some of them.
    if (this.#facts.has(PLACED[0])) this.#placeFlows()
    this.forgetDecisions()
  }

  #versionedMaps(grace: GracePeriods): ReadonlyMap<string, VersionedMap> {
    return new Map(
      Object.entries(VERSIONS).flatMap(([map, of], kind) => {
        const [places, versions] = [this.#facts.get(map), this.#facts.get(of)]
        if (!places || !versions) return []
        const numbers = this.words('numbers').subarray(kind * NUMBERS, (kind + 1) * NUMBERS)
        return [[map, new VersionedMap(this.object, places, versions, numbers, grace)] as const]
      }),
    )
  }

  /** Maps that were pinned have the sizes that they were made with. */
  #placeFlows(): void {
    const places = Math.min(...PLACED.map((map) => this.capacity(map)))
    this.words('config')[CONFIG.offsetOf('place_shift') / 4] = 32 - Math.log2(places)
  }

  /** Octets of a value; of a per-CPU map those of all CPUs. */
  valueSize(map: string): number {
    return this.#versioned.get(map)?.valueSize ?? (this.#facts.get(map) as NativeMap).valueSize
  }

  /** Entries that a map can have. */
  capacity(map: string): number {
    return (this.#facts.get(map) as NativeMap).maxEntries
  }

  set(map: string, key: number | Uint8Array, value: Uint8Array): void {
    const versioned = this.#versioned.get(map)
    if (versioned !== undefined) versioned.set(keyOf(key), value)
    else call(() => this.object.update(map, keyOf(key), CHECKED_MAPS.includes(map) ? checkedOf(keyOf(key), value) : value))
    this.#changed(map)
  }

  get(map: string, key: number | Uint8Array): Uint8Array | undefined {
    const versioned = this.#versioned.get(map)
    if (versioned !== undefined) return versioned.get(keyOf(key))
    const value = call(() => this.object.lookup(map, keyOf(key))) ?? undefined
    return value && numberIn(map, value)
  }

  /** Whether there was something to delete. */
  delete(map: string, key: number | Uint8Array): boolean {
    const wasThere = this.#versioned.get(map)?.delete(keyOf(key)) ?? call(() => this.object.remove(map, keyOf(key)))
    this.#changed(map)
    return wasThere
  }

  #changed(map: string): void {
    if (!APART.includes(map)) this.forgetDecisions()
  }

  /** Has programs decide anew about flows that they know; behind every change of what they decide by. Setting and deleting do so, but in maps of `APART`. */
  forgetDecisions(): void {
    // Another process may do so too: of two at the same time none is lost, and the number never goes back.
    Atomics.add(this.#epoch, 0, 1)
  }

  /** Keys and values of a map as they were when the first is asked for: it may be changed meanwhile. */
  *entries(map: string): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    const versioned = this.#versioned.get(map)
    if (versioned !== undefined) return yield* versioned.entries()
    const { keySize, valueSize } = this.#facts.get(map) as NativeMap
    const octets = call(() => this.object.entries(map))
    const width = keySize + valueSize
    for (let at = 0; at < octets.length; at += width)
      yield [octets.subarray(at, at + keySize), numberIn(map, octets.subarray(at + keySize, at + width))]
  }

  /** As `entries`, of a map whose keys are numbers. */
  *numbered(map: string): Generator<readonly [key: number, value: Uint8Array]> {
    for (const [key, value] of this.entries(map)) yield [wordAt(key), value]
  }

  /** Gives up what was replaced and deleted, and is kept for programs that may have been reading it: once in a while. @throws LinuxError */
  giveUp(): void {
    for (const versioned of this.#versioned.values()) versioned.giveUp()
  }

  /**
   * Runs a program on some elements of a hash map, about `count`, from a bucket on; `kind` tells it what they are. Returns the bucket to go on at, `undefined` behind
   * the last.
   */
  runOver(program: string, kind: number, map: string, bucket: number | undefined, count: number): number | undefined {
    return call(() => this.object.runOver(program, kind, map, bucket, count)) ?? undefined
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

export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, index) => octet === b[index])
}

function keyOf(key: number | Uint8Array): Uint8Array {
  return typeof key === 'number' ? wordBytes(key) : key
}

function checkedOf(key: Uint8Array, value: Uint8Array): Uint8Array {
  const [id, number] = [wordAt(key), wordAt(value)]
  return new View(CHECKED)
    .set('key', id)
    .set('value', number)
    .set('sum', (id ^ number) >>> 0).bytes
}

/** What a map has for who wrote it. */
function numberIn(map: string, value: Uint8Array): Uint8Array {
  return CHECKED_MAPS.includes(map) ? wordBytes(new View(CHECKED, value).get('value')) : value
}
