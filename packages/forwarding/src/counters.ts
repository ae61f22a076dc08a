import { DROP_REASONS, PORT_COUNTERS, TABLE_COUNTERS, type CounterRows, type CounterSnapshot } from '@heddle/core'

/** What one port counted; fields in the order of `PORT_COUNTERS`. */
export class PortCounters {
  rxPackets = 0
  rxOctets = 0
  txPackets = 0
  txOctets = 0
  drops = 0
}

/** What one object of the tables counted; fields in the order of `TABLE_COUNTERS`. */
export class ObjectCounters {
  packets = 0
  octets = 0

  add(octets: number): void {
    this.packets++
    this.octets += octets
  }
}

/** What a snapshot is made of, by id. */
export interface Counted {
  readonly ports: ReadonlyMap<number, { readonly counters: PortCounters }>
  readonly vrfs: ReadonlyMap<number, { readonly counters: ObjectCounters }>
  readonly labelCounters: ReadonlyMap<number, ObjectCounters>
  readonly nextHops: ReadonlyMap<number, { readonly counters: ObjectCounters }>
}

/** Where the engine counts: drops by reason for all, and what each port saw. */
export class Counters {
  /** A slot a reason, in the order of `DROP_REASONS`; updated in place. */
  readonly drops = new Float64Array(DROP_REASONS.length)

  /** Copies everything at one moment. */
  snapshot({ ports, vrfs, labelCounters, nextHops }: Counted): CounterSnapshot {
    const width = PORT_COUNTERS.length
    const portIds = new Uint32Array(ports.size)
    const columns = new Float64Array(ports.size * width)
    let row = 0
    for (const [id, { counters }] of ports) {
      portIds[row] = id
      columns.set([counters.rxPackets, counters.rxOctets, counters.txPackets, counters.txOctets, counters.drops], row * width)
      row++
    }
    return {
      drops: this.drops.slice(),
      portIds,
      ports: columns,
      vrfs: rowsOf(vrfs, ({ counters }) => counters),
      labels: rowsOf(labelCounters, (counters) => counters),
      nextHops: rowsOf(nextHops, ({ counters }) => counters),
    }
  }

  /** Adds what was counted elsewhere; rows of objects that are not here are nobody's. */
  add({ drops, portIds, ports, vrfs, labels, nextHops }: CounterSnapshot, counted: Counted): void {
    drops.forEach((count, reason) => (this.drops[reason] += count))
    portIds.forEach((id, row) => {
      const [rxPackets, rxOctets, txPackets, txOctets, lost] = ports.subarray(row * PORT_COUNTERS.length)
      const to = counted.ports.get(id)?.counters
      if (to === undefined) return
      to.rxPackets += rxPackets
      to.rxOctets += rxOctets
      to.txPackets += txPackets
      to.txOctets += txOctets
      to.drops += lost
    })
    addRows(vrfs, (id) => counted.vrfs.get(id)?.counters)
    addRows(labels, (id) => counted.labelCounters.get(id))
    addRows(nextHops, (id) => counted.nextHops.get(id)?.counters)
  }
}

function rowsOf<T>(table: ReadonlyMap<number, T>, countersOf: (held: T) => ObjectCounters): CounterRows {
  const ids = new Uint32Array(table.size)
  const values = new Float64Array(table.size * TABLE_COUNTERS.length)
  let row = 0
  for (const [id, held] of table) {
    const { packets, octets } = countersOf(held)
    ids[row] = id
    values[row * 2] = packets
    values[row * 2 + 1] = octets
    row++
  }
  return { ids, values }
}

function addRows(rows: CounterRows | undefined, countersOf: (id: number) => ObjectCounters | undefined): void {
  rows?.ids.forEach((id, row) => {
    const [packets, octets] = rows.values.subarray(row * TABLE_COUNTERS.length)
    const to = countersOf(id)
    if (to === undefined) return
    to.packets += packets
    to.octets += octets
  })
}
