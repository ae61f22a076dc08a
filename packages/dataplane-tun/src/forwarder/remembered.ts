import type { SavedBfdSession } from '@heddle/bfd'
import type { CounterSnapshot } from '@heddle/core'
import { decodeCounters, encodeCounters } from '../lanes/command.js'
import type { SavedRate } from '@heddle/forwarding'
import type { SavedKernelDrops } from './kernel-drops.js'

/** What a forwarder knows beside its tables, for the one that succeeds it. */
export interface Remembered {
  readonly sessions: readonly SavedBfdSession[]
  /** What lanes have counted. */
  readonly counters: CounterSnapshot
  readonly kernel: SavedKernelDrops
  /** See `LinkAddresses.save`. */
  readonly links: readonly (readonly number[])[]
  /** See `RateMemory.save`. */
  readonly rates: readonly SavedRate[]
  /** See `saveFlows`. */
  readonly flows: readonly Uint8Array[]
}

export function encodeRemembered({ counters, flows, ...notes }: Remembered): readonly Uint8Array[] {
  return [new TextEncoder().encode(JSON.stringify(notes)), encodeCounters(counters), ...flows]
}

/** @param columns as `encodeRemembered` wrote them in this version of the protocol; undefined when there are none */
export function decodeRemembered([notes, counters, ...flows]: readonly Uint8Array[]): Remembered | undefined {
  if (notes === undefined || counters === undefined) return undefined
  const read = JSON.parse(new TextDecoder().decode(notes)) as Omit<Remembered, 'counters' | 'flows'>
  return { ...read, counters: decodeCounters(counters), flows }
}
