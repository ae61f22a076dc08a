import { DROP_REASONS, PORT_COUNTERS, TABLE_COUNTERS, type CounterRows, type CounterSnapshot } from '@heddle/core'
import type { KernelMaps } from './kernel-maps.js'

/** Maps of counters whose rows come and go with objects of the tables. */
export type CounterMap = 'port_counters' | 'vrf_counters' | 'label_counters' | 'next_hop_counters'

/** What programs count, a copy each CPU. */
export class CounterMaps {
  readonly #maps: KernelMaps

  constructor(maps: KernelMaps) {
    this.#maps = maps
  }

  /** Begins to count for an object; what was counted stays. */
  add(map: CounterMap, id: number): void {
    const found = this.#maps.get(map, id)
    if (found !== undefined) return
    this.#maps.set(map, id, new Uint8Array(this.#maps.valueSize(map)))
  }

  remove(map: CounterMap, id: number): void {
    this.#maps.delete(map, id)
  }

  snapshot(): CounterSnapshot {
    const drops = new Float64Array(DROP_REASONS.length)
    for (const slot of DROP_REASONS.keys()) {
      const value = this.#maps.get('drops', slot)
      if (value !== undefined) [drops[slot]] = this.#maps.sums(value, 1)
    }
    const { ids: portIds, values: ports } = this.#rows('port_counters', PORT_COUNTERS.length)
    const width = TABLE_COUNTERS.length
    const [vrfs, labels, nextHops] = (['vrf_counters', 'label_counters', 'next_hop_counters'] as const).map((map) => this.#rows(map, width))
    return { drops, portIds, ports, vrfs, labels, nextHops }
  }

  #rows(map: CounterMap, width: number): CounterRows {
    const rows = [...this.#maps.numbered(map)]
    const values = new Float64Array(rows.length * width)
    for (const [row, [, value]] of rows.entries()) values.set(this.#maps.sums(value, width), row * width)
    return { ids: Uint32Array.from(rows, ([id]) => id), values }
  }
}
