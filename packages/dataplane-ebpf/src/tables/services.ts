import type { ServiceObject } from '@heddle/core'
import { BlockMemory } from '../fib/block-memory.js'
import type { GracePeriods } from '../fib/grace-periods.js'
import { decodeService, encodeService, readBackends, serviceKey, virtualKey, writeBackends } from '../layout/service.js'
import { BLOCK } from '../layout/structs/next-hop.js'
import { BACKEND } from '../layout/structs/service.js'
import type { KernelMaps } from './kernel-maps.js'
import { wordBytes } from '../layout/word.js'

const BACKEND_WORDS = BACKEND.size / 4

interface Held {
  readonly service: ServiceObject
  readonly region: Uint32Array
}

/**
 * Services: their backends lie in memory that programs read, and each service's object says where. A list that is replaced is written beside the old
 * one, which rests until no program reads it.
 */
export class Services {
  readonly #maps: KernelMaps
  readonly #memory: BlockMemory
  readonly #words: Uint32Array
  readonly #held = new Map<number, Held>()
  /** What the maps may still have of services that were replaced, removed or refused, until it is taken away. */
  readonly #left: Held[] = []
  /** Service that stands at a key, and how many have a virtual address. */
  readonly #places = new Map<string, number>()
  readonly #virtual = new Map<string, number>()

  /** @param grace of the programs that read backends */
  constructor(maps: KernelMaps, grace: GracePeriods) {
    this.#maps = maps
    this.#words = maps.words('backends')
    this.#memory = new BlockMemory(this.#words, grace, 'the memory of backends')
    for (const [key, value] of maps.entries('services')) this.#adopt(key, value)
    for (const [key] of maps.entries('virtual_addresses')) if (!this.#virtual.has(key.join())) maps.delete('virtual_addresses', key)
  }

  get size(): number {
    return this.#held.size
  }

  /** @throws FibFullError when there is no room for the backends; LinuxError */
  set(service: ServiceObject): void {
    const key = serviceKey(service)
    const region = this.#memory.grow(Math.max(1, service.backends.length) * BACKEND_WORDS)
    writeBackends(region, service.backends)
    const backend = (this.#memory.publish(region) * BLOCK) / BACKEND_WORDS
    try {
      this.#enter(service)
    } catch (error) {
      this.#memory.release(region)
      throw error
    }
    try {
      this.#maps.set('services', key, encodeService(service, backend))
    } catch (error) {
      this.#left.push({ service, region })
      this.#leaveAll()
      throw error
    }
    const before = this.#held.get(service.id)
    this.#held.set(service.id, { service, region })
    this.#places.set(key.join(), service.id)
    if (before !== undefined) this.#left.push(before)
    this.#leaveAll()
  }

  /** @throws LinuxError */
  remove(id: number): void {
    const held = this.#held.get(id)
    this.#held.delete(id)
    if (held !== undefined) this.#left.push(held)
    this.#leaveAll()
  }

  /** What the kernel holds; a service that it has not let go from where it was, where it is. */
  dump(): ServiceObject[] {
    return Array.from(this.#maps.entries('services')).flatMap(([key, value]) => {
      const { service, backend, count } = decodeService(key, value)
      const held = this.#held.get(service.id)?.service
      if (held !== undefined && serviceKey(held).join() !== key.join()) return []
      return [{ ...service, backends: readBackends(this.#words.subarray(backend * BACKEND_WORDS), count, service.address.family) }]
    })
  }

  #adopt(key: Uint8Array, value: Uint8Array): void {
    const { service, backend, count } = decodeService(key, value)
    // Its process ended before it took away where the service stood: either place may be the one that it has.
    if (this.#held.has(service.id)) {
      this.#maps.delete('services', key)
      return
    }
    const region = this.#memory.claim((backend * BACKEND_WORDS) / BLOCK, Math.max(1, count) * BACKEND_WORDS)
    const found = { ...service, backends: readBackends(region, count, service.address.family) }
    this.#held.set(service.id, { service: found, region })
    this.#places.set(key.join(), service.id)
    this.#enter(found)
  }

  /** @throws LinuxError; what is left then is taken away by the next call */
  #leaveAll(): void {
    for (let held = this.#left[0]; held !== undefined; held = this.#left[0]) {
      this.#leave(held)
      this.#left.shift()
    }
  }

  /** Takes away what was said of a service where it stood, unless it, or another one, stands there now; its backends last, when nothing leads there. */
  #leave({ service, region }: Held): void {
    const key = serviceKey(service)
    const current = this.#held.get(service.id)?.service
    const stays = current !== undefined && serviceKey(current).join() === key.join()
    if (!stays && this.#places.get(key.join()) === service.id) {
      this.#maps.delete('services', key)
      this.#places.delete(key.join())
    }
    this.#exit(service)
    this.#memory.release(region)
  }

  /** One more service has the virtual address. */
  #enter(service: ServiceObject): void {
    const key = virtualKey(service)
    const count = (this.#virtual.get(key.join()) ?? 0) + 1
    if (count === 1) this.#maps.set('virtual_addresses', key, wordBytes(1))
    this.#virtual.set(key.join(), count)
  }

  #exit(service: ServiceObject): void {
    const key = virtualKey(service)
    const count = (this.#virtual.get(key.join()) ?? 0) - 1
    if (count > 0) {
      this.#virtual.set(key.join(), count)
      return
    }
    this.#maps.delete('virtual_addresses', key)
    this.#virtual.delete(key.join())
  }
}
