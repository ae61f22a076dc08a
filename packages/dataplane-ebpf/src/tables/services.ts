import type { ServiceObject } from '@heddle/core'
import { BlockMemory } from '../fib/block-memory.js'
import type { GracePeriods } from '../fib/grace-periods.js'
import { decodeService, encodeService, readBackends, serviceKey, virtualKey, writeBackends } from '../layout/service.js'
import { BLOCK } from '../layout/structs/next-hop.js'
import { BACKEND } from '../layout/structs/service.js'
import { wordBytes, type KernelMaps } from './kernel-maps.js'

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
      this.#maps.set('services', key, encodeService(service, backend))
    } catch (error) {
      this.#memory.release(region)
      this.#exit(service)
      throw error
    }
    const before = this.#held.get(service.id)
    this.#held.set(service.id, { service, region })
    this.#places.set(key.join(), service.id)
    if (before !== undefined) this.#leave(before)
  }

  remove(id: number): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    this.#held.delete(id)
    this.#leave(held)
  }

  /** What the kernel holds. */
  dump(): ServiceObject[] {
    return Array.from(this.#maps.entries('services'), ([key, value]) => {
      const { service, backend, count } = decodeService(key, value)
      return { ...service, backends: readBackends(this.#words.subarray(backend * BACKEND_WORDS), count, service.address.family) }
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

  /** Takes away what was said of a service where it stood, unless it, or another one, stands there now. */
  #leave({ service, region }: Held): void {
    this.#memory.release(region)
    const key = serviceKey(service)
    const now = this.#held.get(service.id)?.service
    const stays = now !== undefined && serviceKey(now).join() === key.join()
    if (!stays && this.#places.get(key.join()) === service.id) {
      this.#maps.delete('services', key)
      this.#places.delete(key.join())
    }
    this.#exit(service)
  }

  /** One more service has the virtual address. */
  #enter(service: ServiceObject): void {
    const key = virtualKey(service)
    const count = (this.#virtual.get(key.join()) ?? 0) + 1
    this.#virtual.set(key.join(), count)
    if (count === 1) this.#maps.set('virtual_addresses', key, wordBytes(1))
  }

  #exit(service: ServiceObject): void {
    const key = virtualKey(service)
    const count = (this.#virtual.get(key.join()) ?? 0) - 1
    if (count > 0) {
      this.#virtual.set(key.join(), count)
      return
    }
    this.#virtual.delete(key.join())
    this.#maps.delete('virtual_addresses', key)
  }
}
