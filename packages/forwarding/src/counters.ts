import { DROP_REASONS, PORT_COUNTERS, type CounterSnapshot } from '@heddle/core'

/** What one port counted; fields in the order of `PORT_COUNTERS`. */
export class PortCounters {
  rxPackets = 0
  rxOctets = 0
  txPackets = 0
  txOctets = 0
  drops = 0
}

/** Where the engine counts: drops by reason for all, and what each port saw. */
export class Counters {
  /** A slot a reason, in the order of `DROP_REASONS`; updated in place. */
  readonly drops = new Float64Array(DROP_REASONS.length)

  /** Copies everything at one moment. */
  snapshot(ports: ReadonlyMap<number, { readonly counters: PortCounters }>): CounterSnapshot {
    const width = PORT_COUNTERS.length
    const portIds = new Uint32Array(ports.size)
    const columns = new Float64Array(ports.size * width)
    let row = 0
    for (const [id, { counters }] of ports) {
      portIds[row] = id
      columns.set([counters.rxPackets, counters.rxOctets, counters.txPackets, counters.txOctets, counters.drops], row * width)
      row++
    }
    return { drops: this.drops.slice(), portIds, ports: columns }
  }
}
