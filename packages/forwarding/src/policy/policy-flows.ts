import { FLOW_WORDS, flowCapacities, type FlowMemory } from '../flow/flow-memory.js'
import { FlowTable } from '../flow/flow-table.js'

/** What policies remember. The tables are made when a policy is first programmed, and keep their size. */
export class PolicyFlows {
  #flows: FlowTable | undefined
  #fragments: FlowTable | undefined

  /** @param capacity flows of all ports @param memory of its own when left out */
  constructor(
    private readonly capacity: number,
    private readonly memory: FlowMemory | undefined,
  ) {}

  get flows(): FlowTable {
    return (this.#flows ??= this.#make('policy'))
  }

  get fragments(): FlowTable {
    return (this.#fragments ??= this.#make('policyFragments'))
  }

  /** Flows that are remembered, and how many had to go while they were alive. */
  get counts(): { readonly size: number; readonly evictions: number } {
    return { size: this.#flows?.size ?? 0, evictions: this.#flows?.evictions ?? 0 }
  }

  /** A port lost its policies or its endpoint, or went: nothing of it may be taken for known by a port that gets its id later. */
  forget(port: number): void {
    const [flows, fragments] = [this.#flows, this.#fragments]
    // Most ports that go have none, and a look through the whole table takes long.
    if (flows !== undefined && flows.owned(port) > 0) flows.removeWhere((slot) => flows.owner[slot] === port)
    if (fragments === undefined || fragments.owned(port * 2) + fragments.owned(port * 2 + 1) === 0) return
    fragments.removeWhere((slot) => fragments.owner[slot] >>> 1 === port)
  }

  #make(table: 'policy' | 'policyFragments'): FlowTable {
    const memory = this.memory?.[table]
    return new FlowTable(flowCapacities(this.capacity)[table], FLOW_WORDS[table], memory === undefined ? {} : { memory })
  }
}
