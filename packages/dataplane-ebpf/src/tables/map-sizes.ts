import { COUNTS } from '../layout/structs/counters.js'

/** How much a dataplane holds; see `EbpfDataplaneOptions`. */
export interface Capacity {
  readonly fibBlocks: number
  readonly routes: number
  readonly flows: number
  readonly ports: number
}

/** Slots of counters for VRFs, labels and next hops that are no port's. */
const SLOTS = 81_920
/** Slots of a port, and of the label and the next hop that lead to it. */
const SLOTS_OF_PORT = 5

/** Entries of maps, by name, where they differ from those in `bpf/maps.h`. */
export function mapSizes({ fibBlocks, routes, flows, ports }: Capacity): Readonly<Record<string, number>> {
  return {
    fib: fibBlocks,
    routes,
    flows,
    nat_flows: flows * 2,
    affinities: flows,
    ports,
    links: ports,
    devices: ports,
    requests: ports,
    port_counters: ports,
    flow_counts: ports,
    rates: ports * 2,
    counts: Math.ceil((SLOTS + ports * SLOTS_OF_PORT) / COUNTS),
  }
}
