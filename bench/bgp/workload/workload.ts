import type { AddressFamily } from './family.ts'
import { HEADER, LARGEST_MESSAGE } from './octets.ts'

/** Routes that share their path attributes. */
export interface RouteSet {
  /** Path attributes by type, ascending; without what carries NLRI. */
  readonly attributes: readonly number[]
  /** Octets of the next hop, as MP_REACH_NLRI has them; of no use where NEXT_HOP has it. */
  readonly nextHop: readonly number[]
  /** One entry each, as UPDATE has them. */
  readonly nlri: readonly Uint8Array[]
}

/** What a peer announces, and takes back. */
export interface Workload {
  readonly family: AddressFamily
  readonly routes: number
  readonly sets: number
  /** UPDATEs in a row, one set each, more where a message is full. */
  readonly announcements: Uint8Array
  /** UPDATEs that withdraw all of it, filled to the brim, in another order than the announcements. */
  readonly withdrawals: Uint8Array
}

/** Pre-encodes what a peer says. */
export function encodeWorkload(family: AddressFamily, sets: readonly RouteSet[]): Workload {
  const announcements = sets.flatMap(({ attributes, nextHop, nlri }) => {
    const room = LARGEST_MESSAGE - HEADER - 4 - attributes.length - family.reachOverhead(nextHop)
    return chunks(nlri, room).map((chunk) => family.announce(attributes, nextHop, chunk))
  })
  const entries = interleaved(sets.flatMap(({ nlri }) => nlri.map((entry) => family.withdrawn(entry))))
  const withdrawals = chunks(entries, LARGEST_MESSAGE - HEADER - 4 - family.unreachOverhead).map((chunk) => family.withdraw(chunk))
  return { family, routes: entries.length, sets: sets.length, announcements: joined(announcements), withdrawals: joined(withdrawals) }
}

/** Entries in a row, cut where `room` octets are full. */
function chunks(entries: readonly Uint8Array[], room: number): number[][] {
  const out: number[][] = []
  let chunk: number[] = []
  for (const entry of entries) {
    if (chunk.length + entry.length > room) {
      out.push(chunk)
      chunk = []
    }
    for (const octet of entry) chunk.push(octet)
  }
  return chunk.length === 0 ? out : [...out, chunk]
}

/** Every 7th, from each of 7 starts: neighbors of a set are no neighbors any more. */
function interleaved<T>(values: readonly T[]): T[] {
  return Array.from({ length: 7 }, (_, start) => values.filter((_value, at) => at % 7 === start)).flat()
}

function joined(messages: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(messages.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const message of messages) {
    out.set(message, at)
    at += message.length
  }
  return out
}
