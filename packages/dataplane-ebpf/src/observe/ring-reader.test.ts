import { Poller } from '@heddle/linux'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { wordAt, wordBytes } from '../layout/word.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { RingReader } from './ring-reader.js'

/** Octets of a ring, of a record's own, and of its place in the ring with what stands before it. */
const [SIZE, RECORD, PLACE] = [1 << 20, 60, 72]
/** Records that go in a ring, and no more. */
const WHOLE = Math.ceil(SIZE / PLACE)

/** A ring that programs write to. */
class Ring {
  /** Records that lie in it. */
  waiting = 0
  /** Whether programs on other CPUs write, faster than anybody reads. */
  isFlooded = false
  /** Tells the reader that there is something. */
  ready = (): void => undefined
  rearmed = 0
  readonly seen: number[] = []
  readonly reader = new RingReader(
    { object: { ring: () => ({ fd: 0, read: (most: number) => this.#read(most) }) }, capacity: () => SIZE } as unknown as KernelMaps,
    'copies',
    (record) => this.seen.push(wordAt(record)),
  )
  #next = 0

  constructor() {
    const watch = (_fd: number, _interest: number, ready: () => void): unknown => {
      this.ready = ready
      return { rearm: () => this.rearmed++ }
    }
    vi.spyOn(Poller, 'open').mockReturnValue({ unref: () => undefined, close: () => undefined, watch } as unknown as Poller)
    this.reader.open()
  }

  /** As the native part does. */
  #read(most: number): Uint8Array {
    if (this.isFlooded) this.waiting = WHOLE
    // Nobody has so many in one turn.
    if (this.#next > 4 * WHOLE) throw new RangeError('the event loop stands still')
    const batch: number[] = []
    for (; this.waiting > 0 && batch.length < most; this.waiting--) {
      const record = new Uint8Array(RECORD)
      record.set(wordBytes(this.#next++))
      batch.push(...wordBytes(RECORD), ...record)
    }
    return Uint8Array.from(batch)
  }
}

describe('a reader of a ring', () => {
  let ring: Ring
  beforeEach(() => {
    ring = new Ring()
  })
  afterEach(() => {
    ring.reader.close()
    vi.restoreAllMocks()
  })

  // A mirror of a port that sent fast enough ended everything else that the process does.
  it('takes some at a time of what others write without end, and lets everything else have its turn', () => {
    ring.isFlooded = true
    ring.ready()
    expect(ring.seen.length).toBeGreaterThan(0)
    expect(ring.seen.length).toBeLessThan(WHOLE / 8)
    expect(ring.rearmed).toBe(1)
  })

  it('takes, when it is asked to, all that lay there, and little more where others write without end', () => {
    ring.waiting = WHOLE
    ring.reader.drain()
    expect(ring.seen).toEqual(Array.from({ length: WHOLE }, (_, index) => index))
    ring.isFlooded = true
    ring.seen.length = 0
    ring.reader.drain()
    expect(ring.seen.length).toBeGreaterThanOrEqual(WHOLE)
    expect(ring.seen.length).toBeLessThan(WHOLE * 1.25)
  })
})
