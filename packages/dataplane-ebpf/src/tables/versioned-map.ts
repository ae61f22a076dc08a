import { LinuxError } from '@heddle/linux'
import type { GracePeriods } from '../fib/grace-periods.js'
import { wordAt, wordBytes } from '../layout/word.js'
import type { NativeMap, NativeObject } from '../native/binding.js'
import { call } from '../native/call.js'

/** Maps of objects that programs read beside changes, and those of their versions; see `VERSIONED` in `bpf/maps.h`. */
export const VERSIONS: Readonly<Record<string, string>> = {
  vrfs: 'vrf_versions',
  ports: 'port_versions',
  next_hops: 'hop_versions',
  groups: 'group_versions',
  labels: 'label_versions',
  vnis: 'vni_versions',
  links: 'link_versions',
  services: 'serv_versions',
  nat_pools: 'pool_versions',
}

/** Numbers of each kind in the map `numbers` (`NUMBERS_BITS` in `bpf/maps.h`). */
export const NUMBERS = 2 ** 17

/** Versions that there may be besides those that are in force. */
export const SPARE_VERSIONS = 1024

/**
 * Objects each of whose versions is an element of its own, in a second map, by a number that the first one tells. The kernel gives what an element had to the
 * next one that is set in the same map, at once: so none is set behind one that was deleted before every program has come to its end that may be reading that.
 *
 * Programs are spared the first search by numbers in an array, in the order of `VERSIONS`. They do not believe them where the version is another object's or is
 * there no more. The number of a former version of the same object they do believe: what `set` or `delete` has done is seen by all once its number is written, and
 * where a process ends before that, once the next one has filled the array.
 */
export class VersionedMap {
  readonly #object: NativeObject
  readonly #places: NativeMap
  readonly #versions: NativeMap
  readonly #numbers: Uint32Array
  readonly #grace: GracePeriods
  /** Octets of an object, up to a double word: its key is behind it. */
  readonly valueSize: number
  /** Numbers of versions that nothing leads to any more. */
  #former: number[]
  /** When the last of them were deleted: by a process before this one perhaps, just now. */
  #deletedAt: number
  #last: number
  #hasWrapped = false

  constructor(object: NativeObject, places: NativeMap, versions: NativeMap, numbers: Uint32Array, grace: GracePeriods) {
    this.#object = object
    this.#places = places
    this.#versions = versions
    this.#numbers = numbers
    this.#grace = grace
    this.valueSize = versions.valueSize - Math.ceil(places.keySize / 8) * 8
    const found = elementsOf(object, places)
    const inForce = new Set(found.map(([, number]) => wordAt(number)))
    this.#numbers.fill(0)
    for (const [key, number] of found) this.#numbers[placeOf(key)] = wordAt(number)
    const given = elementsOf(object, versions).map(([number]) => wordAt(number))
    // A process may have ended between a version and what leads to it.
    this.#former = given.filter((number) => !inForce.has(number))
    this.#deletedAt = grace.now
    this.#last = given.reduce((last, number) => Math.max(last, number), 0)
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const number = this.#numberOf(key)
    return number && call(() => this.#object.lookup(this.#versions.name, number))?.subarray(0, this.valueSize)
  }

  /** @throws LinuxError, and the object is what it was */
  set(key: Uint8Array, value: Uint8Array): void {
    const version = new Uint8Array(this.#versions.valueSize)
    version.set(value)
    version.set(key, this.valueSize)
    const before = this.#numberOf(key)
    const number = this.#add(version)
    try {
      call(() => this.#object.update(this.#places.name, key, wordBytes(number)))
    } catch (error) {
      this.#former.push(number)
      throw error
    }
    this.#numbers[placeOf(key)] = number
    if (before !== undefined) this.#former.push(wordAt(before))
  }

  /** Whether there was one. @throws LinuxError */
  delete(key: Uint8Array): boolean {
    const before = this.#numberOf(key)
    const wasThere = call(() => this.#object.remove(this.#places.name, key))
    if (before !== undefined) {
      const place = placeOf(key)
      if (this.#numbers[place] === wordAt(before)) this.#numbers[place] = 0
      this.#former.push(wordAt(before))
    }
    return wasThere
  }

  /** All of them as they are when the first is asked for. */
  *entries(): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    const versions = new Map(elementsOf(this.#object, this.#versions).map(([number, version]) => [wordAt(number), version]))
    for (const [key, number] of elementsOf(this.#object, this.#places)) {
      const version = versions.get(wordAt(number))
      if (version !== undefined) yield [key, version.subarray(0, this.valueSize)]
    }
  }

  /** Deletes versions that nothing leads to any more: where none is set within some milliseconds, that keeps nobody waiting. @throws LinuxError */
  giveUp(): void {
    if (this.#former.length === 0) return
    try {
      for (let number = this.#former.at(-1); number !== undefined; number = this.#former.at(-1)) {
        const key = wordBytes(number)
        call(() => this.#object.remove(this.#versions.name, key))
        this.#former.pop()
      }
    } finally {
      this.#deletedAt = this.#grace.now
    }
  }

  #numberOf(key: Uint8Array): Uint8Array | undefined {
    return call(() => this.#object.lookup(this.#places.name, key)) ?? undefined
  }

  /** Its number. */
  #add(version: Uint8Array): number {
    const number = this.#nextNumber()
    try {
      this.#write(number, version)
    } catch (error) {
      if (!(error instanceof LinuxError) || this.#former.length === 0) throw error
      // It is full of what nothing leads to.
      this.giveUp()
      this.#write(number, version)
    }
    return number
  }

  #write(number: number, version: Uint8Array): void {
    if (this.#grace.passed < this.#deletedAt) this.#grace.wait()
    call(() => this.#object.update(this.#versions.name, wordBytes(number), version))
  }

  /** One that no version has, and none had within the last four thousand million; 0 is none. */
  #nextNumber(): number {
    do {
      this.#hasWrapped ||= this.#last === 0xffff_ffff
      this.#last = (this.#last % 0xffff_ffff) + 1
    } while (this.#hasWrapped && call(() => this.#object.lookup(this.#versions.name, wordBytes(this.#last))) !== null)
    return this.#last
  }
}

/** Where the number of a key's version is. */
export function placeOf(key: Uint8Array): number {
  let word = 0
  for (let at = 0; at < key.length; at += 4) word ^= wordAt(key, at)
  return (word ^ (word >>> Math.log2(NUMBERS))) & (NUMBERS - 1)
}

function elementsOf(object: NativeObject, { name, keySize, valueSize }: NativeMap): (readonly [key: Uint8Array, value: Uint8Array])[] {
  const octets = call(() => object.entries(name))
  const width = keySize + valueSize
  return Array.from({ length: octets.length / width }, (_, index) => {
    const at = index * width
    return [octets.subarray(at, at + keySize), octets.subarray(at + keySize, at + width)] as const
  })
}
