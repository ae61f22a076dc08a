import { DROP_REASONS, PORT_COUNTERS, type CounterSnapshot } from '@heddle/core'
import { PORT_COUNTERS_ROW } from '../layout/structs.js'
import type { KernelMaps } from './kernel-maps.js'

/** What programs count, a copy each CPU. */
export class CounterMaps {
  readonly #maps: KernelMaps

  constructor(maps: KernelMaps) {
    this.#maps = maps
  }

  /** Begins to count for a port; what was counted stays. */
  add(port: number): void {
    const found = this.#maps.get('port_counters', port)
    if (found !== undefined) return
    this.#maps.set('port_counters', port, new Uint8Array(this.#maps.valueSize('port_counters')))
  }

  remove(port: number): void {
    this.#maps.delete('port_counters', port)
  }

  snapshot(): CounterSnapshot {
    const drops = new Float64Array(DROP_REASONS.length)
    for (const slot of DROP_REASONS.keys()) {
      const value = this.#maps.get('drops', slot)
      if (value !== undefined) [drops[slot]] = this.#maps.sums(value, 1)
    }
    const width = PORT_COUNTERS.length
    const rows = [...this.#maps.numbered('port_counters')]
    const ports = new Float64Array(rows.length * width)
    for (const [row, [, value]] of rows.entries()) ports.set(this.#maps.sums(value, PORT_COUNTERS_ROW.size / 8), row * width)
    return { drops, portIds: Uint32Array.from(rows, ([port]) => port), ports }
  }
}
