import type { FsmStateName } from '../../fsm/state.js'
import type { AttributeSets } from '../../rib/attribute-sets.js'
import type { RibTable } from '../../rib/rib-table.js'
import type { ExportGroups } from '../export/export-groups.js'
import { newCounters } from '../peer/message-counters.js'
import type { SpeakerMetrics } from './metrics.js'
import type { MessageCounters } from '../peer/neighbor-view.js'
import type { Peer } from '../peer/peer.js'
import type { Scheduler } from '../scheduler.js'

/** What is counted. */
export interface MetricSources {
  readonly peers: readonly Peer[]
  readonly tables: readonly RibTable[]
  readonly groups: ExportGroups
  readonly scheduler: Scheduler
  readonly sets: AttributeSets
  readonly changes: number
}

export function collectMetrics({ peers, tables, groups, scheduler, sets, changes }: MetricSources): SpeakerMetrics {
  const sessions: Record<FsmStateName, number> = { idle: 0, connect: 0, active: 0, 'open-sent': 0, 'open-confirm': 0, established: 0 }
  const sent = newCounters()
  const received = newCounters()
  let waiting = 0
  let outgoing = 0
  for (const peer of peers) {
    sessions[peer.state]++
    add(sent, peer.messages.sent)
    add(received, peer.messages.received)
    waiting += peer.flows?.queued.received ?? 0
    outgoing += peer.flows?.queued.outgoing ?? 0
  }
  const active = [...groups.all()]
  return {
    sessions,
    messages: { sent, received },
    routes: tables.map((table) => ({ family: table.family.name, destinations: table.size, paths: table.paths })),
    attributeSets: sets.size,
    exportGroups: active.filter(({ size }) => size > 0).length,
    packed: groups.packed,
    queues: {
      scheduled: scheduler.waiting,
      undecided: sum(tables.map(({ dirty }) => dirty)),
      unsent: sum(active.map(({ pending }) => pending)),
      received: waiting,
      outgoing,
      changes,
    },
    memory: {
      tables: sum(tables.map(({ octets }) => octets)),
      attributeSets: sets.octets,
      exportGroups: sum(active.map(({ octets }) => octets)),
    },
    schedulerLag: scheduler.lag,
  }
}

function add(total: MessageCounters, counters: Readonly<MessageCounters>): void {
  for (const name of Object.keys(total) as (keyof MessageCounters)[]) total[name] += counters[name]
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
