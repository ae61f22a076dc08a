import { DROP_REASONS, PORT_COUNTERS, type CounterRows, type CounterSnapshot } from '@heddle/core'
import { View } from '../layout/struct.js'
import { COUNTED, OBJECT_COUNTERS } from '../layout/structs/counters.js'
import { orLater } from './changes.js'
import { CounterSlots, SLOT_COUNTERS, type CounterReader } from './counter-slots.js'
import type { KernelMaps } from './kernel-maps.js'

/** Slots of an object, by the map that tells them. */
const WIDTHS = { port_counters: 3, vrf_counters: 1, label_counters: 1, next_hop_counters: 1 } as const

/** Maps of counters whose rows come and go with objects of the tables. */
export type CounterMap = keyof typeof WIDTHS

/** What programs count, a copy each CPU. */
export class CounterMaps {
  readonly #maps: KernelMaps
  readonly #slots: CounterSlots

  constructor(maps: KernelMaps) {
    this.#maps = maps
    this.#slots = new CounterSlots(maps)
    for (const [map, width] of Object.entries(WIDTHS)) {
      for (const [, value] of maps.numbered(map)) this.#slots.adopt(new View(COUNTED, value).get('slot'), width)
    }
  }

  /**
   * Writes an object that is counted from then on; what was counted stays.
   *
   * @throws LinuxError when no slot is left, and it is not written; what `write` throws, and nothing is counted that was not before
   */
  around(map: CounterMap, id: number, write: () => void): void {
    const isNew = this.#add(map, id)
    try {
      write()
    } catch (error) {
      if (isNew) orLater(() => this.remove(map, id))
      throw error
    }
  }

  /** Returns whether it was not counted before. */
  #add(map: CounterMap, id: number): boolean {
    if (this.#maps.get(map, id) !== undefined) return false
    const width = WIDTHS[map]
    const { slot, before } = this.#slots.allocate(width)
    const view = new View(COUNTED).set('slot', slot)
    for (let index = 0; index < width; index++) {
      const [packets, octets] = before.subarray(index * SLOT_COUNTERS)
      view.element('before', OBJECT_COUNTERS, index).setLarge('packets', packets).setLarge('octets', octets)
    }
    try {
      this.#maps.set(map, id, view.bytes)
    } catch (error) {
      this.#slots.release(slot, width)
      throw error
    }
    return true
  }

  /** @throws LinuxError, and it is counted on */
  remove(map: CounterMap, id: number): void {
    const value = this.#maps.get(map, id)
    if (value === undefined) return
    this.#maps.delete(map, id)
    this.#slots.release(new View(COUNTED, value).get('slot'), WIDTHS[map])
  }

  /**
   * Counts for these objects and for no other: the process before may have ended between an object and its counters. One for which no slot is left goes without,
   * until it is set again.
   *
   * @throws LinuxError
   */
  mend(map: CounterMap, objects: readonly number[]): void {
    const counted = new Set(Array.from(this.#maps.numbered(map), ([id]) => id))
    const uncounted = objects.filter((id) => !counted.delete(id))
    for (const id of counted) this.remove(map, id)
    for (const id of uncounted) orLater(() => this.#add(map, id))
  }

  snapshot(): CounterSnapshot {
    const drops = new Float64Array(DROP_REASONS.length)
    for (const slot of DROP_REASONS.keys()) {
      const value = this.#maps.get('drops', slot)
      if (value !== undefined) [drops[slot]] = this.#maps.sums(value, 1)
    }
    const reader = this.#slots.reader()
    const { ids: portIds, values: ports } = this.#rows(reader, 'port_counters', PORT_COUNTERS.length)
    const [vrfs, labels, nextHops] = (['vrf_counters', 'label_counters', 'next_hop_counters'] as const).map((map) =>
      this.#rows(reader, map, SLOT_COUNTERS),
    )
    return { drops, portIds, ports, vrfs, labels, nextHops }
  }

  #rows(reader: CounterReader, map: CounterMap, columns: number): CounterRows {
    const rows = [...this.#maps.numbered(map)]
    const values = new Float64Array(rows.length * columns)
    for (const [row, [, value]] of rows.entries()) {
      const view = new View(COUNTED, value)
      const counted = reader.read(view.get('slot'), WIDTHS[map])
      for (let column = 0; column < columns; column++) {
        const before = view.element('before', OBJECT_COUNTERS, Math.floor(column / SLOT_COUNTERS))
        values[row * columns + column] = counted[column] - before.getLarge(column % SLOT_COUNTERS === 0 ? 'packets' : 'octets')
      }
    }
    return { ids: Uint32Array.from(rows, ([id]) => id), values }
  }
}
