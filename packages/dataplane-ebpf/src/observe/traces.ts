import { DROP_REASONS, ENCAPSULATIONS, type ApplyFailure, type DataplaneEvent, type ObjectChanges, type TracedPacket } from '@heddle/core'
import type { TraceObject } from '@heddle/core'
import { FibFullError } from '../fib/block-memory.js'
import { addressOf, wordsOf } from '../layout/prefix.js'
import { View } from '../layout/struct.js'
import { NONE } from '../layout/structs/address.js'
import { MAX_TRACES, TOLD, TRACE_FILTER, TRACED } from '../layout/structs/observe.js'
import { decodeTrace, encodeTrace } from '../layout/trace.js'
import { attemptFor, attemptsInto, idOf, orLater, removedIn } from '../tables/changes.js'
import { observe, type ConfigView } from '../tables/config.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { timeOf } from './epoch.js'
import { RingReader } from './ring-reader.js'
import { stepsOf } from './trace-steps.js'

/** By slot, as in `bpf/layout/observe.h`. */
const OUTCOMES = ['deliver', 'send', 'cut', 'drop'] as const satisfies readonly TracedPacket['outcome'][]

export interface TracesOptions {
  readonly maps: KernelMaps
  readonly config: ConfigView
  readonly event: (event: DataplaneEvent) => void
  /** Returns when no program runs any more that ran when it was called. */
  readonly wait: () => void
}

/** Traces: programs judge packets by their filters and tell each step of those that fit, and this object makes events of it. */
export class Traces {
  readonly #options: TracesOptions
  readonly #ring: RingReader
  /** Place of each trace in the map. */
  readonly #places = new Map<number, number>()
  /** Number behind the last one that was told, of each trace. */
  readonly #next = new Map<number, number>()

  /** Takes over the traces of a dataplane before this one. @throws LinuxError */
  constructor(options: TracesOptions) {
    this.#options = options
    this.#ring = new RingReader(options.maps, 'traced_packets', (record, epoch) => this.#tell(record, epoch))
    for (const [place, { trace }] of this.#held()) this.#places.set(trace.id, place)
    if (this.#places.size > 0) this.#ring.open()
    this.#derive()
  }

  /** Makes a change that was found valid; returns what the kernel refused. Packets of before it are told first. */
  program({ set, remove }: ObjectChanges<TraceObject>): ApplyFailure[] {
    const { maps } = this.#options
    const failures: ApplyFailure[] = []
    const attempt = attemptsInto(failures)
    // What has lain there since nobody read is told to nobody, whatever id the first trace has. Where nobody can read, nothing is traced.
    const isRead = set.length === 0 || attemptFor(failures, 'trace', set.map(idOf))(() => this.#ring.open())
    this.#ring.drain()
    for (const id of removedIn({ set, remove }, idOf)) {
      const place = this.#places.get(id)
      if (place === undefined) continue
      attempt('trace', id, () => {
        maps.set('trace_filters', place, new View(TRACE_FILTER).bytes)
        this.#places.delete(id)
        this.#next.delete(id)
      })
    }
    for (const trace of isRead ? set : []) attempt('trace', trace.id, () => this.#set(trace))
    this.#derive()
    if (this.#places.size === 0) this.#ring.close()
    return failures
  }

  /** What the kernel holds. */
  dump(): TraceObject[] {
    return Array.from(this.#held(), ([, { trace }]) => trace)
  }

  close(): void {
    this.#ring.close()
  }

  /** Programs may read a place while it is written: they pass it over until its conditions are whole. @throws FibFullError when no place is free */
  #set(trace: TraceObject): void {
    const { maps } = this.#options
    const taken = new Set(this.#places.values())
    const place = this.#places.get(trace.id) ?? places().find((free) => !taken.has(free))
    if (place === undefined) throw new FibFullError(`all ${MAX_TRACES} places of traces are taken`)
    const held = (): View<'is_there' | 'sequence'> => new View(TRACE_FILTER, maps.get('trace_filters', place))
    const write = (view: View<'is_there'>, isThere: boolean): void =>
      maps.set('trace_filters', place, view.set('is_there', Number(isThere)).bytes)
    const before = held()
    const wasThere = this.#places.has(trace.id) && before.get('is_there') === 1
    write(held(), false)
    try {
      const sequence = this.#places.has(trace.id) ? this.#numberBehind(trace.id, () => held().get('sequence')) : 0
      const filter = new View(TRACE_FILTER, encodeTrace(trace, sequence))
      write(filter, false)
      write(filter, true)
    } catch (error) {
      const next = Math.max(before.get('sequence'), this.#next.get(trace.id) ?? 0)
      if (wasThere) orLater(() => write(before.set('sequence', next), true))
      throw error
    }
    this.#places.set(trace.id, place)
  }

  /** Number of the next packet of a trace that was there, once nobody counts on. What was counted while its place was written shows in what was told alone. */
  #numberBehind(id: number, counted: () => number): number {
    this.#options.wait()
    this.#ring.drain()
    return Math.max(counted(), this.#next.get(id) ?? 0)
  }

  *#held(): Generator<readonly [place: number, held: NonNullable<ReturnType<typeof decodeTrace>>]> {
    for (const place of places()) {
      const held = decodeTrace(this.#options.maps.get('trace_filters', place) as Uint8Array)
      if (held !== undefined) yield [place, held]
    }
  }

  #derive(): void {
    observe(this.#options.config, 'traces', this.#places.size > 0)
    this.#options.maps.forgetDecisions()
  }

  #tell(record: Uint8Array, epoch: number): void {
    const view = new View(TRACED, record)
    const outcome = OUTCOMES[view.get('outcome')]
    const common = {
      time: timeOf(view.getLarge('time'), epoch),
      from: fromOf(view),
      packet: view.octets('packet').slice(0, view.get('kept')),
      length: view.get('length'),
      steps: stepsOf(view),
      outcome,
      ...(outcome === 'drop' ? { reason: DROP_REASONS[view.get('reason')] } : {}),
    }
    for (let index = 0; index < view.get('told_count'); index++) {
      const told = view.element('told', TOLD, index)
      const [trace, sequence] = [told.get('trace'), told.get('sequence')]
      if (!this.#places.has(trace)) continue
      // Programs that count at the same time write in another order.
      this.#next.set(trace, Math.max(this.#next.get(trace) ?? 0, sequence + 1))
      this.#options.event({ type: 'traced', trace, sequence, ...common })
    }
  }
}

function places(): number[] {
  return Array.from({ length: MAX_TRACES }, (_, place) => place)
}

function fromOf(view: View<'port' | 'encapsulation' | 'family' | 'source'>): TracedPacket['from'] {
  const port = view.get('port')
  if (port !== NONE) return { type: 'port', port }
  const source = addressOf(view.get('family'), wordsOf(view, 'source'))
  return { type: 'underlay', encapsulation: ENCAPSULATIONS[view.get('encapsulation')], source }
}
