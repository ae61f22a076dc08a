import { LinuxError } from '@heddle/linux'
import type { KernelMaps } from './kernel-maps.js'

/** Elements that are swept in one step: it takes a millisecond or so. */
const STEP = 1024
/** What programs remember, and what ends of it. */
export type Swept = 'flows' | 'nat_flows' | 'affinities'
/** What `bpf/sweep.bpf.c` calls what it does with elements, and in which order that is done. */
const PASSES = {
  flows: [
    ['flow_counts', 1],
    ['flows', 2],
    ['flow_counts', 3],
  ],
  nat_flows: [['nat_flows', 4]],
  affinities: [['affinities', 5]],
} as const satisfies Record<Swept, readonly (readonly [map: string, kind: number])[]>

/**
 * Has the kernel take away what has ended of what programs remember, and count the flows that are left; see `bpf/sweep.bpf.c`. In steps, as tables may have a million
 * elements.
 */
export class Sweep {
  readonly #maps: KernelMaps
  /** Passes that have begun: flows are counted by one at a time, and by the last that began. */
  readonly #begun: Record<Swept, number> = { flows: 0, nat_flows: 0, affinities: 0 }

  constructor(maps: KernelMaps) {
    this.#maps = maps
  }

  /** All of it at once. Returns why the kernel could not: who needs it done has to try again. */
  whole(swept: Swept): LinuxError | undefined {
    const steps = this.steps(swept)
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }

  /** As `whole`, with something else between the steps; one that begins anew between them does what is left. */
  *steps(swept: Swept): Generator<void, LinuxError | undefined> {
    const pass = ++this.#begun[swept]
    try {
      for (const [map, kind] of PASSES[swept]) {
        let bucket: number | undefined
        do {
          bucket = this.#maps.runOver('sweep', kind, map, bucket, STEP)
          yield
          if (this.#begun[swept] !== pass) return undefined
        } while (bucket !== undefined)
      }
      return undefined
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      return error
    }
  }
}
