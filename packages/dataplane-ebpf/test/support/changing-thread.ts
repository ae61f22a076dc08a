// Writes objects as they are, in turn and without end: what stands in a map's elements is that of one object and then of another.
import { workerData } from 'node:worker_threads'
import { readBpfObject } from '../../src/bpf-object.js'
import { call } from '../../src/native/call.js'
import { KernelMaps } from '../../src/tables/kernel-maps.js'
import { mapSizes, type Capacity } from '../../src/tables/map-sizes.js'

export interface Changing {
  readonly pins: string
  readonly capacity: Capacity
  /** Maps, and the numbers of their objects. */
  readonly changed: readonly (readonly [map: string, ids: readonly number[]])[]
  /** Rounds that were written, and whether that is enough. */
  readonly control: Int32Array
}

const { pins, capacity, changed, control } = workerData as Changing
const object = call((native) => native.objectLoad(readBpfObject(), mapSizes(capacity), pins))
const maps = new KernelMaps(object)
const rows = changed.flatMap(([map, ids]) => ids.map((id) => [map, id, maps.get(map, id)] as const))
for (; Atomics.load(control, 1) === 0; Atomics.add(control, 0, 1)) {
  for (const [map, id, value] of rows) if (value !== undefined) maps.set(map, id, value)
}
object.close()
