import type { DataplaneEvent } from '@heddle/core'
import { Poller } from '@heddle/linux'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { View } from '../layout/struct.js'
import { CONFIG } from '../layout/structs/config.js'
import { TOLD, TRACE_FILTER, TRACED } from '../layout/structs/observe.js'
import { decodeTrace } from '../layout/trace.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { wordBytes } from '../layout/word.js'
import { Traces } from './traces.js'

/** Milliseconds. */
const HOUR = 3_600_000

/** Filters in memory, and a ring that the test writes. */
class Kernel {
  readonly filters = new Map<number, Uint8Array>()
  readonly events: DataplaneEvent[] = []
  readonly ring: number[] = []

  constructor() {
    const poller = { unref: () => undefined, close: () => undefined, watch: () => ({ rearm: () => undefined }) }
    vi.spyOn(Poller, 'open').mockImplementation(() => poller as unknown as Poller)
  }

  open(): Traces {
    const maps = {
      object: { ring: () => ({ fd: 0, read: () => Uint8Array.from(this.ring.splice(0)) }) },
      capacity: () => 1 << 20,
      get: (_map: string, place: number) => this.filters.get(place) ?? new View(TRACE_FILTER).bytes,
      set: (_map: string, place: number, value: Uint8Array) => this.filters.set(place, value.slice()),
      forgetDecisions: () => undefined,
    } as unknown as KernelMaps
    return new Traces({ maps, config: new View(CONFIG), event: (event) => this.events.push(event), wait: () => undefined })
  }

  /** A packet that fitted trace 1, as a program tells of it. @param time nanoseconds of the monotonic clock */
  tells(sequence: number, time = 0): void {
    const record = new View(TRACED).set('told_count', 1).setLarge('time', time)
    record.element('told', TOLD, 0).set('trace', 1).set('sequence', sequence)
    this.ring.push(...wordBytes(record.bytes.length), ...record.bytes)
  }
}

describe('traced packets', () => {
  let kernel: Kernel
  let traces: Traces
  beforeEach(() => {
    kernel = new Kernel()
    traces = kernel.open()
  })
  afterEach(() => vi.restoreAllMocks())

  // Processors count one after the other, and write in any order: the one that had written last was taken for the last.
  it('have numbers that go on behind the largest when the trace is replaced, in whatever order packets were told of', () => {
    traces.program({ set: [{ id: 1, filter: {} }], remove: [] })
    for (const sequence of [0, 6, 5]) kernel.tells(sequence)
    traces.program({ set: [{ id: 1, filter: { protocol: 6 } }], remove: [] })
    expect(kernel.events.flatMap((event) => (event.type === 'traced' ? [event.sequence] : []))).toEqual([0, 6, 5])
    expect(decodeTrace(kernel.filters.get(0) as Uint8Array)).toEqual({ trace: { id: 1, filter: { protocol: 6 } }, sequence: 7 })
  })

  // What was told had the time of a clock that was wrong when the process began, for as long as it ran.
  it('have times of the clock as it is when they are told of', () => {
    const tellNow = (sequence: number): void => {
      kernel.tells(sequence, Number(process.hrtime.bigint()))
      traces.program({ set: [{ id: 1, filter: {} }], remove: [] })
    }
    traces.program({ set: [{ id: 1, filter: {} }], remove: [] })
    const now = Date.now()
    for (const [sequence, step] of [HOUR, -HOUR].entries()) {
      vi.spyOn(Date, 'now').mockReturnValue(now + step)
      tellNow(sequence)
    }
    const times = kernel.events.flatMap((event) => (event.type === 'traced' ? [event.time] : []))
    expect(times.map((time) => Math.round((time - now) / HOUR))).toEqual([1, -1])
  })
})
