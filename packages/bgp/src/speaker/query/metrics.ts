import type { FsmStateName } from '../../fsm/state.js'
import type { MessageCounters } from '../peer/neighbor-view.js'

/** Counts and gauges of a speaker at one moment. */
export interface SpeakerMetrics {
  /** Neighbors by the state that they are in. */
  readonly sessions: Readonly<Record<FsmStateName, number>>
  /** Messages of all neighbors since the speaker started. */
  readonly messages: { readonly sent: MessageCounters; readonly received: MessageCounters }
  /** By family. */
  readonly routes: readonly FamilyMetrics[]
  /** Attribute sets that are stored, each once. */
  readonly attributeSets: number
  /** Groups of peers that are sent the same octets of a family. */
  readonly exportGroups: number
  /** UPDATEs that were packed, each once for all peers that it went to. */
  readonly packed: number
  readonly queues: QueueMetrics
  readonly memory: MemoryMetrics
  /** Milliseconds that work waited for its turn: the longest wait, and that of the last slice. */
  readonly schedulerLag: { readonly last: number; readonly longest: number }
}

/** Routes of one family. */
export interface FamilyMetrics {
  readonly family: string
  readonly destinations: number
  readonly paths: number
}

/** Octets that columns take, outside of the JavaScript heap. */
export interface MemoryMetrics {
  /** Destinations and paths. */
  readonly tables: number
  readonly attributeSets: number
  /** What peers hold, and what waits for them. */
  readonly exportGroups: number
}

/** How much waits, and for what. */
export interface QueueMetrics {
  /** Pieces of work that wait for their turn. */
  readonly scheduled: number
  /** Destinations to be decided. */
  readonly undecided: number
  /** Destinations that at least one peer of a group has not been packed for. */
  readonly unsent: number
  /** Octets that were received and not processed yet. */
  readonly received: number
  /** Octets that were packed and not handed to a connection yet. */
  readonly outgoing: number
  /** Changes that the reader of `changes` has not been handed yet. */
  readonly changes: number
}
