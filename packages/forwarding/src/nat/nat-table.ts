import { FLOW_WORDS, flowCapacities, type FlowMemory } from '../flow/flow-memory.js'
import { FlowTable, NO_FLOW } from '../flow/flow-table.js'
import { CLOSING, REPLIED, lifetimeOf, nextState } from '../flow/lifetime.js'
import { lock, unlock } from '../flow/lock.js'
import { Tuple } from '../flow/tuple.js'

/*
 * Data of an entry:
 *
 *     source, 4 words │ destination, 4 words │ ports │ service id │ slot of the other direction, plus one │ client, 4 words │ its port
 *
 * The client is who opened the flow, before any translation: what policies see.
 */
const PORTS = 8
const SERVICE = 9
const PEER = 10
const CLIENT = 11
const CLIENT_PORT = 15
const DATA_WORDS = FLOW_WORDS.nat

/** Bits of an entry's state that tell its age. */
const AGE = REPLIED | CLOSING
/** Bit of an entry's state: it is of the direction in which the flow was opened. */
const OPENS = 4

/** The flows whose ends are translated: two entries each, one a direction, that come and go together. */
export class NatTable {
  readonly flows: FlowTable
  readonly fragments: FlowTable
  readonly affinities: FlowTable
  readonly #lock: Int32Array
  readonly #data = new Uint32Array(DATA_WORDS)

  /** @param capacity flows @param memory of its own when left out */
  constructor(capacity: number, memory: FlowMemory | undefined) {
    const capacities = flowCapacities(capacity)
    const make = (table: 'nat' | 'natFragments' | 'affinities', peerWord = -1): FlowTable => {
      const shared = memory?.[table]
      return new FlowTable(capacities[table], FLOW_WORDS[table], { peerWord, ...(shared !== undefined && { memory: shared }) })
    }
    this.flows = make('nat', PEER)
    this.fragments = make('natFragments')
    this.affinities = make('affinities')
    this.#lock = this.flows.reserved
  }

  /** Runs `work`, in which a flow's ends are chosen and it is inserted, while no other thread does so: what one finds free stays free. */
  choosing<T>(work: () => T): T {
    lock(this.#lock, 0)
    try {
      return work()
    } finally {
      unlock(this.#lock, 0)
    }
  }

  /**
   * Remembers a flow and its other direction.
   *
   * @param from the flow's first packet as it came
   * @param to as it goes on
   * @param backZone zone of the other direction
   * @returns slot of the direction of `from`, or `NO_FLOW` when there is no room for both in one full bucket
   */
  insert(zone: number, from: Tuple, to: Tuple, service: number, now: number, backZone = zone): number {
    const { flows } = this
    const lifetime = lifetimeOf(0, from)
    flows.keyReversed(backZone, to)
    const back = flows.insert(
      now,
      lifetime,
      service,
      0,
      this.#entry(from.destination, from.destinationPort, from.source, from.sourcePort, service, from),
    )
    flows.keyDirected(zone, from)
    const entry = this.#entry(to.source, to.sourcePort, to.destination, to.destinationPort, service, from)
    entry[PEER] = back + 1
    const there = flows.insert(now, lifetime, service, OPENS, entry)
    if (there === back) {
      flows.remove(there)
      return NO_FLOW
    }
    flows.data[back * DATA_WORDS + PEER] = there + 1
    return there
  }

  /** Both directions were seen. */
  touch(slot: number, tuple: Tuple, now: number): void {
    const { flows } = this
    const peer = flows.data[slot * DATA_WORDS + PEER] - 1
    const state = flows.stateOf(slot)
    const after = nextState(state, tuple, (state & OPENS) === 0)
    const lifetime = lifetimeOf(after & AGE, tuple)
    if (after !== state) flows.mark(slot, after & AGE, state & ~after)
    flows.touch(slot, now, lifetime)
    if (peer < 0) return
    if (after !== state) flows.mark(peer, after & AGE, state & ~after)
    flows.touch(peer, now, lifetime)
  }

  /** Ends the flows of which `ends` says so: told the service, and the flow from its client to its backend before and after translation. */
  endFlows(ends: (service: number, flow: { readonly from: Tuple; readonly to: Tuple }) => boolean): void {
    const from = new Tuple()
    const to = new Tuple()
    this.flows.removeWhere((slot) => {
      if (!this.isOpening(slot)) return false
      this.flows.readKey(slot, from)
      this.readTarget(this.flows, slot, to)
      to.family = from.family
      to.protocol = from.protocol
      return ends(this.serviceOf(slot), { from, to })
    })
    this.fragments.removeWhere(() => true)
  }

  /** Whether an entry is of the direction in which the flow was opened. */
  isOpening(slot: number, table: FlowTable = this.flows): boolean {
    return (table.stateOf(slot) & OPENS) !== 0
  }

  serviceOf(slot: number, { data }: FlowTable = this.flows): number {
    return data[slot * DATA_WORDS + SERVICE]
  }

  /** The ends that a packet of the entry's direction gets. Returns false when another thread has just given the slot to another flow. */
  readTarget(table: FlowTable, slot: number, into: Tuple): boolean {
    const { data } = table
    const at = slot * DATA_WORDS
    for (let word = 0; word < 4; word++) {
      into.source[word] = data[at + word]
      into.destination[word] = data[at + 4 + word]
    }
    into.sourcePort = data[at + PORTS] >>> 16
    into.destinationPort = data[at + PORTS] & 0xffff
    return table.isCurrent(slot)
  }

  /** Writes the client's address; returns its port. */
  readClient({ data }: FlowTable, slot: number, address: Uint32Array): number {
    const at = slot * DATA_WORDS
    for (let word = 0; word < 4; word++) address[word] = data[at + CLIENT + word]
    return data[at + CLIENT_PORT]
  }

  /** Remembers how the fragments of a datagram are translated. */
  rememberDatagram(zone: number, tuple: Tuple, slot: number, now: number, lifetime: number): void {
    this.fragments.keyDatagram(zone, tuple)
    const data = this.flows.data.subarray(slot * DATA_WORDS, (slot + 1) * DATA_WORDS)
    const found = this.fragments.find(now)
    if (found !== NO_FLOW) this.fragments.touch(found, now, lifetime)
    else this.fragments.insert(now, lifetime, 0, this.flows.stateOf(slot), data)
  }

  /** Data of an entry without its peer. One object, overwritten by each call. */
  #entry(
    source: Uint32Array,
    sourcePort: number,
    destination: Uint32Array,
    destinationPort: number,
    service: number,
    opener: Tuple,
  ): Uint32Array {
    const data = this.#data
    for (let word = 0; word < 4; word++) {
      data[word] = source[word]
      data[4 + word] = destination[word]
      data[CLIENT + word] = opener.source[word]
    }
    data[PORTS] = (sourcePort << 16) | destinationPort
    data[SERVICE] = service
    data[PEER] = 0
    data[CLIENT_PORT] = opener.sourcePort
    return data
  }
}
