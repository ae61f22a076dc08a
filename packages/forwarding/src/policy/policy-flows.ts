import { FlowTable } from '../flow/flow-table.js'

/** Version of the policy that judged; kind, and ICMP type and code of the opening packet; mirror of the rule that judged, plus one. */
const DATA_WORDS = 4

/** Of a datagram: the mirror of its flow, plus one. */
const FRAGMENT_WORDS = 1

/** Datagrams whose first fragment passed. */
const FRAGMENTED = 4096

/** What policies remember. The tables are made when a policy is first programmed, and keep their size. */
export class PolicyFlows {
  #flows: FlowTable | undefined
  #fragments: FlowTable | undefined

  /** @param capacity flows of all ports */
  constructor(private readonly capacity: number) {}

  get flows(): FlowTable {
    return (this.#flows ??= new FlowTable(this.capacity, DATA_WORDS))
  }

  get fragments(): FlowTable {
    return (this.#fragments ??= new FlowTable(FRAGMENTED, FRAGMENT_WORDS))
  }

  /** Flows that are remembered, and how many had to go while they were alive. */
  get counts(): { readonly size: number; readonly evictions: number } {
    return { size: this.#flows?.size ?? 0, evictions: this.#flows?.evictions ?? 0 }
  }

  /** A port lost its policies, or went: nothing of it may be taken for known by a port that gets its id later. */
  forget(port: number): void {
    this.#flows?.removeWhere((slot) => this.#flows?.owner[slot] === port)
    this.#fragments?.removeWhere((slot) => (this.#fragments?.owner[slot] ?? 0) >>> 1 === port)
  }
}
