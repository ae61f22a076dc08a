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

const TABLES = ['policy', 'policyFragments', 'nat', 'natFragments', 'affinities'] as const

/** What is remembered in `memory`, a column a table; for `loadFlows` in another process, whose clock must be the same. */
export function saveFlows(memory: FlowMemory, flows: number): Uint8Array[] {
  return TABLES.map((table) => new Uint8Array(tableOf(memory, flows, table).save().buffer))
}

/** Remembers what `saveFlows` told, in memory that is empty. */
export function loadFlows(memory: FlowMemory, flows: number, columns: readonly Uint8Array[]): void {
  TABLES.forEach((table, index) => {
    const column = columns[index]
    if (column !== undefined) tableOf(memory, flows, table).load(new Uint32Array(column.slice().buffer))
  })
}

function tableOf(memory: FlowMemory, flows: number, table: (typeof TABLES)[number]): FlowTable {
  return new FlowTable(flowCapacities(flows)[table], FLOW_WORDS[table], { memory: memory[table] })
}
