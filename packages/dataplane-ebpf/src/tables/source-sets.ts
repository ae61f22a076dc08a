import type { TunnelSourcesObject } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { addressOf, wordsOf } from '../layout/prefix.js'
import { View } from '../layout/struct.js'
import { SOURCE_HOST_KEY, SOURCE_NET_KEY, SOURCE_SET } from '../layout/structs/objects.js'
import type { KernelMaps } from './kernel-maps.js'
import { wordAt, wordBytes } from '../layout/word.js'

/** Bits of a key's trie before the address. */
const HEAD = 64

/** A prefix of a set as programs find it. */
interface Entry {
  readonly map: string
  readonly key: Uint8Array
  readonly set: number
  readonly prefix: IpPrefix
  readonly place: number
}

/**
 * Tunnel sources: host prefixes, the usual case, in a hash, others in the kernel's trie. The value is the prefix's place in its list. What is new is
 * accepted before what is old is refused.
 */
export class SourceSets {
  readonly #maps: KernelMaps
  /** Prefixes that programs may accept of each set. */
  readonly #held = new Map<number, readonly IpPrefix[]>()

  constructor(maps: KernelMaps) {
    this.#maps = maps
    for (const { map, set, key } of this.#entries()) if (maps.get('source_sets', set) === undefined) maps.delete(map, key)
    for (const { id, prefixes } of this.dump()) this.#held.set(id, prefixes)
  }

  /** @throws LinuxError */
  set({ id, prefixes }: TunnelSourcesObject): void {
    const before = this.#held.get(id)
    const isIn = (list: readonly IpPrefix[] | undefined, prefix: IpPrefix): boolean => list?.some((one) => one.equals(prefix)) === true
    const added = prefixes.filter((prefix) => !isIn(before, prefix))
    this.#held.set(id, [...(before ?? []), ...added])
    try {
      // First: a process may end behind any step, and of a set that is not there dumps show no prefix, which programs accept all the same.
      this.#maps.set('source_sets', id, new View(SOURCE_SET).bytes)
      for (const [place, prefix] of prefixes.entries()) this.#put(id, prefix, place)
    } catch (error) {
      for (const prefix of added) this.#take(id, prefix)
      if (before === undefined) this.remove(id)
      else this.#held.set(id, before)
      throw error
    }
    for (const prefix of before ?? []) if (!isIn(prefixes, prefix)) this.#take(id, prefix)
    this.#held.set(id, prefixes)
  }

  remove(id: number): void {
    for (const prefix of this.#held.get(id) ?? []) this.#take(id, prefix)
    this.#maps.delete('source_sets', id)
    this.#held.delete(id)
  }

  /** What the kernel holds. */
  dump(): TunnelSourcesObject[] {
    const found = new Map<number, { readonly prefix: IpPrefix; readonly place: number }[]>()
    for (const [id] of this.#maps.numbered('source_sets')) found.set(id, [])
    for (const { set, prefix, place } of this.#entries()) found.get(set)?.push({ prefix, place })
    return Array.from(found, ([id, entries]) => ({
      id,
      prefixes: entries.sort((a, b) => a.place - b.place).map(({ prefix }) => prefix),
    }))
  }

  /** Prefixes of all sets, of those as well that are not there. */
  *#entries(): Generator<Entry> {
    for (const [key, value] of this.#maps.entries('source_hosts')) {
      const view = new View(SOURCE_HOST_KEY, key)
      const address = addressOf(view.get('family'), wordsOf(view, 'address'))
      yield { map: 'source_hosts', key, set: view.get('set'), prefix: IpPrefix.of(address), place: wordAt(value) }
    }
    for (const [key, value] of this.#maps.entries('source_nets')) {
      const view = new View(SOURCE_NET_KEY, key)
      const big = new DataView(key.buffer, key.byteOffset)
      const family = big.getUint32(SOURCE_NET_KEY.offsetOf('family'))
      const at = SOURCE_NET_KEY.offsetOf('address')
      const address = IpAddress.fromBytes(key.slice(at, at + (family === 4 ? 4 : 16)))
      const prefix = IpPrefix.of(address, view.get('length') - HEAD)
      yield { map: 'source_nets', key, set: big.getUint32(SOURCE_NET_KEY.offsetOf('set')), prefix, place: wordAt(value) }
    }
  }

  #put(id: number, prefix: IpPrefix, place: number): void {
    this.#maps.set(mapOf(prefix), keyOf(id, prefix), wordBytes(place))
  }

  #take(id: number, prefix: IpPrefix): void {
    this.#maps.delete(mapOf(prefix), keyOf(id, prefix))
  }
}

function mapOf({ isHost }: IpPrefix): string {
  return isHost ? 'source_hosts' : 'source_nets'
}

function keyOf(set: number, { isHost, family, address, length }: IpPrefix): Uint8Array {
  if (isHost) return new View(SOURCE_HOST_KEY).set('set', set).set('family', family).setAddress('address', address).bytes
  const { bytes } = new View(SOURCE_NET_KEY).set('length', HEAD + length)
  const big = new DataView(bytes.buffer)
  big.setUint32(SOURCE_NET_KEY.offsetOf('set'), set)
  big.setUint32(SOURCE_NET_KEY.offsetOf('family'), family)
  bytes.set(address.toBytes(), SOURCE_NET_KEY.offsetOf('address'))
  return bytes
}
