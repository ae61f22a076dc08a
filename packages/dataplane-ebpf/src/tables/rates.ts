import { isSameRateLimit, type PortObject, type RateLimits } from '@heddle/core'
import { directionIndex } from '../layout/policy.js'
import { decodeRate, encodeRate, RATE_DIRECTIONS } from '../layout/rate.js'
import { View } from '../layout/struct.js'
import { PORT } from '../layout/structs/objects.js'
import { RATE_KEY } from '../layout/structs/rate.js'
import type { KernelMaps } from './kernel-maps.js'

type Direction = (typeof RATE_DIRECTIONS)[number]

/** Rate limits of ports, each an element with what programs remember of it: one that is set again as it was is left as it is. */
export class Rates {
  readonly #maps: KernelMaps
  /** Ports that have elements. */
  readonly #held = new Set<number>()

  constructor(maps: KernelMaps) {
    this.#maps = maps
    for (const [key] of maps.entries('rates')) this.#adopt(key)
  }

  /** @throws LinuxError */
  set({ id, rateLimits = {} }: Pick<PortObject, 'id' | 'rateLimits'>): void {
    const isLimited = RATE_DIRECTIONS.some((direction) => rateLimits[direction] !== undefined)
    if (!isLimited && !this.#held.has(id)) return
    this.#held.add(id)
    for (const direction of RATE_DIRECTIONS) {
      const limit = rateLimits[direction]
      const key = keyOf(id, direction)
      const value = this.#maps.get('rates', key)
      if (limit === undefined) {
        if (value !== undefined) this.#maps.delete('rates', key)
      } else if (value === undefined || !isSameRateLimit(decodeRate(value), limit)) this.#maps.set('rates', key, encodeRate(limit))
    }
    if (!isLimited) this.#held.delete(id)
  }

  /** What its process ended before it took away belongs to no port that has a limit. */
  #adopt(key: Uint8Array): void {
    const view = new View(RATE_KEY, key)
    const port = this.#maps.get('ports', view.get('port'))
    if (port !== undefined && isLimited(port, RATE_DIRECTIONS[view.get('direction')])) this.#held.add(view.get('port'))
    else this.#maps.delete('rates', key)
  }

  /** Limits of a port as the kernel has them. @param value of the port */
  of(id: number, value: Uint8Array): Pick<PortObject, 'rateLimits'> {
    if (new View(PORT, value).get('limits') === 0) return {}
    const limits: { -readonly [Field in keyof RateLimits]: RateLimits[Field] } = {}
    for (const direction of RATE_DIRECTIONS) {
      const found = isLimited(value, direction) ? this.#maps.get('rates', keyOf(id, direction)) : undefined
      if (found !== undefined) limits[direction] = decodeRate(found)
    }
    return { rateLimits: limits }
  }
}

function isLimited(value: Uint8Array, direction: Direction): boolean {
  return ((new View(PORT, value).get('limits') >>> directionIndex(direction)) & 1) === 1
}

function keyOf(port: number, direction: Direction): Uint8Array {
  return new View(RATE_KEY).set('port', port).set('direction', directionIndex(direction)).bytes
}
