import { FlowTable, NO_FLOW } from '../flow/flow-table.js'
import { lifetimeOf, nextState } from '../flow/lifetime.js'
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
const DATA_WORDS = 16

/** Bit of an entry's state: it is of the direction in which the flow was opened. */
const OPENS = 4

/** Datagrams whose first fragment was translated. */
const FRAGMENTED = 4096

/** Of affinity: address and port of the backend that the client came to. */
const AFFINITY_WORDS = 5

/** The flows whose ends are translated: two entries each, one a direction, that come and go together. */
export class NatTable {
  readonly flows: FlowTable
  readonly fragments = new FlowTable(FRAGMENTED, DATA_WORDS)
  readonly affinities: FlowTable

  /** @param capacity flows */
  constructor(capacity: number) {
    this.flows = new FlowTable(capacity * 2, DATA_WORDS, (slot) => this.#endPeer(slot))
    this.affinities = new FlowTable(capacity, AFFINITY_WORDS)
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
    flows.keyReversed(backZone, to)
    const back = flows.insert(now, lifetimeOf(0, from), service)
    this.#write(back, from.destination, from.destinationPort, from.source, from.sourcePort, service, from)
    flows.keyDirected(zone, from)
    const there = flows.insert(now, lifetimeOf(0, from), service)
    if (there === back) {
      flows.remove(there)
      return NO_FLOW
    }
    this.#write(there, to.source, to.sourcePort, to.destination, to.destinationPort, service, from)
    flows.state[there] = OPENS
    flows.data[there * DATA_WORDS + PEER] = back + 1
    flows.data[back * DATA_WORDS + PEER] = there + 1
    return there
  }

  /** Both directions were seen. */
  touch(slot: number, tuple: Tuple, now: number): void {
    const { flows } = this
    const peer = flows.data[slot * DATA_WORDS + PEER] - 1
    const isReply = (flows.state[slot] & OPENS) === 0
    const age = nextState(flows.state[slot] & 3, tuple, isReply)
    for (const one of [slot, peer]) {
      flows.state[one] = (flows.state[one] & ~3) | age
      flows.touch(one, now, lifetimeOf(age, tuple))
    }
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
  isOpening(slot: number, { state }: FlowTable = this.flows): boolean {
    return (state[slot] & OPENS) !== 0
  }

  serviceOf(slot: number, { data }: FlowTable = this.flows): number {
    return data[slot * DATA_WORDS + SERVICE]
  }

  /** The ends that a packet of the entry's direction gets. */
  readTarget({ data }: FlowTable, slot: number, into: Tuple): void {
    const at = slot * DATA_WORDS
    for (let word = 0; word < 4; word++) {
      into.source[word] = data[at + word]
      into.destination[word] = data[at + 4 + word]
    }
    into.sourcePort = data[at + PORTS] >>> 16
    into.destinationPort = data[at + PORTS] & 0xffff
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
    const found = this.fragments.find(now)
    const made = found === NO_FLOW ? this.fragments.insert(now, lifetime, 0) : found
    this.fragments.touch(made, now, lifetime)
    this.fragments.data.set(this.flows.data.subarray(slot * DATA_WORDS, (slot + 1) * DATA_WORDS), made * DATA_WORDS)
    this.fragments.state[made] = this.flows.state[slot]
  }

  #write(
    slot: number,
    source: Uint32Array,
    sourcePort: number,
    destination: Uint32Array,
    destinationPort: number,
    service: number,
    opener: Tuple,
  ): void {
    const { data } = this.flows
    const at = slot * DATA_WORDS
    for (let word = 0; word < 4; word++) {
      data[at + word] = source[word]
      data[at + 4 + word] = destination[word]
      data[at + CLIENT + word] = opener.source[word]
    }
    data[at + PORTS] = (sourcePort << 16) | destinationPort
    data[at + SERVICE] = service
    data[at + CLIENT_PORT] = opener.sourcePort
  }

  #endPeer(slot: number): void {
    const { data } = this.flows
    const peer = data[slot * DATA_WORDS + PEER] - 1
    if (peer < 0) return
    data[peer * DATA_WORDS + PEER] = 0
    this.flows.remove(peer)
  }
}
