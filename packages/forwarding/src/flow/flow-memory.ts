import { FlowTable } from './flow-table.js'

/** Datagrams whose first fragment passed. */
export const FRAGMENTED = 4096

/** Words that each table of flows keeps beside a key. */
export const FLOW_WORDS = { policy: 4, policyFragments: 1, nat: 16, natFragments: 16, affinities: 5 } as const

/** Memory of the tables of flows. Engines that are given the same remember the same flows, on whatever threads they run. */
export type FlowMemory = Readonly<Record<keyof typeof FLOW_WORDS, ArrayBufferLike>>

/** Slots of each table. @param flows that are remembered at most */
export function flowCapacities(flows: number): Readonly<Record<keyof FlowMemory, number>> {
  return { policy: flows, policyFragments: FRAGMENTED, nat: flows * 2, natFragments: FRAGMENTED, affinities: flows }
}

/** Shared memory for `flows` flows; of the operating system's only what is used is taken. */
export function sharedFlowMemory(flows: number): FlowMemory {
  const capacities = flowCapacities(flows)
  const of = (table: keyof FlowMemory): SharedArrayBuffer => new SharedArrayBuffer(FlowTable.octets(capacities[table], FLOW_WORDS[table]))
  return {
    policy: of('policy'),
    policyFragments: of('policyFragments'),
    nat: of('nat'),
    natFragments: of('natFragments'),
    affinities: of('affinities'),
  }
}
