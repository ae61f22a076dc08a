import type { TunnelSourcesObject } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { addressOf, wordsOf } from '../layout/prefix.js'
import { View } from '../layout/struct.js'
import { SOURCE_HOST_KEY, SOURCE_NET_KEY, SOURCE_SET } from '../layout/structs/objects.js'
import { wordAt, wordBytes, type KernelMaps } from './kernel-maps.js'

/** Bits of a key's trie before the address. */
const HEAD = 64

/**
 * Tunnel sources: host prefixes, the usual case, in a hash, others in the kernel's trie. The value is the prefix's place in its list. What is new is
 * accepted before what is old is refused.
 */
export class SourceSets {
  readonly #maps: KernelMaps
  readonly #held = new Map<number, readonly IpPrefix[]>()

  constructor(maps: KernelMaps) {
    this.#maps = maps
    for (const { id, prefixes } of this.dump()) this.#held.set(id, prefixes)
  }

  set({ id, prefixes }: TunnelSourcesObject): void {
    const before = this.#held.get(id)
    const isIn = (list: readonly IpPrefix[] | undefined, prefix: IpPrefix): boolean => list?.some((one) => one.equals(prefix)) === true
    try {
      // First: a process may end behind any step, and of a set that is not there dumps show no prefix, which programs accept all the same.
      this.#maps.set('source_sets', id, new View(SOURCE_SET).set('count', prefixes.length).bytes)
      for (const [place, prefix] of prefixes.entries()) this.#put(id, prefix, place)
    } catch (error) {
      for (const prefix of prefixes) if (!isIn(before, prefix)) this.#take(id, prefix)
      if (before === undefined) this.#maps.delete('source_sets', id)
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
    for (const [key, value] of this.#maps.entries('source_hosts')) {
      const view = new View(SOURCE_HOST_KEY, key)
      const address = addressOf(view.get('family'), wordsOf(view, 'address'))
      found.get(view.get('set'))?.push({ prefix: IpPrefix.of(address), place: wordAt(value) })
    }
    for (const [key, value] of this.#maps.entries('source_nets')) {
      const view = new View(SOURCE_NET_KEY, key)
      const big = new DataView(key.buffer, key.byteOffset)
      const family = big.getUint32(SOURCE_NET_KEY.offsetOf('family'))
      const at = SOURCE_NET_KEY.offsetOf('address')
      const address = IpAddress.fromBytes(key.slice(at, at + (family === 4 ? 4 : 16)))
      found.get(big.getUint32(SOURCE_NET_KEY.offsetOf('set')))?.push({
        prefix: IpPrefix.of(address, view.get('length') - HEAD),
        place: wordAt(value),
      })
    }
    return Array.from(found, ([id, entries]) => ({
      id,
      prefixes: entries.sort((a, b) => a.place - b.place).map(({ prefix }) => prefix),
    }))
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
