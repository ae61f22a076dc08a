import { NO_MATCH, type HostWriter, type Prefixes4 } from '@heddle/core'
import { LEAST_START, type HostRows } from './host-rows.js'
import { ROW_ADDRESS, ROW_GROUP, ROW_PREFIX, ROW_VRF, ROW_WORDS } from './route-index.js'
import { HOST4, type RouteRows } from './route-rows.js'

/** Sets IPv4 hosts of a VRF in a trie and in their rows, for which there must be room. */
export class HostRowWriter implements HostWriter {
  readonly #vrf: number
  readonly #rows: RouteRows
  readonly #hosts: HostRows
  added = 0
  /** How many were new in all. */
  total = 0
  /** Whether all that were written since this was set, from the first of their part on, had the same value, or none, and got the same one. */
  areAlike = true

  /** @param hosts of the trie */
  constructor(vrf: number, rows: RouteRows, hosts: HostRows) {
    this.#vrf = vrf
    this.#rows = rows
    this.#hosts = hosts
  }

  write(words: Uint32Array, sources: Uint8Array, base: number, { addresses, lengths, values, before }: Prefixes4, first: number): number {
    const vrf = this.#vrf
    const table = this.#rows
    const rows = table.words
    // Here, as a constant of a module is a variable of its bundle, which is read and judged anew in each turn.
    const width = ROW_WORDS
    const vrfAt = ROW_VRF
    const prefixAt = ROW_PREFIX
    const addressAt = ROW_ADDRESS
    const groupAt = ROW_GROUP
    const prefix = HOST4
    const hosts = this.#hosts
    const leastStart = LEAST_START
    let start = hosts.startOf(base) | 0
    const block = addresses[first] >>> 8
    const takesFree = table.hasFree
    let next = table.next | 0
    let row = first | 0
    let added = 0
    // Each is compared with the one before it.
    let had = first > 0 ? before[first - 1] : this.#valueOf(words, sources, base + (addresses[first] & 0xff))
    let has = values[first > 0 ? first - 1 : 0] | 0
    let differing = 0
    for (; row < addresses.length; row++) {
      const address = addresses[row] | 0
      if (address >>> 8 !== block || lengths[row] !== 32) break
      const host = address & 0xff
      const entry = (base + host) | 0
      const value = values[row] | 0
      if (sources[entry] === 33) {
        const group = (words[entry] - 1) | 0
        before[row] = group
        differing |= (group ^ had) | (value ^ has)
        had = group
        has = value
        words[entry] = value + 1
        const own = start >= leastStart ? start + host : hosts.get(entry)
        rows[Math.imul(own, width) + groupAt] = value
        continue
      }
      before[row] = -1
      differing |= ~had | (value ^ has)
      had = -1
      has = value
      sources[entry] = 33
      words[entry] = value + 1
      const own = takesFree ? table.take() : next
      next = (next + 1) | 0
      const at = Math.imul(own, width)
      rows[at + vrfAt] = vrf
      rows[at + addressAt] = address
      rows[at + groupAt] = value
      rows[at + prefixAt] = prefix // last: from now on the row counts
      if (((own - host) | 0) !== start) {
        hosts.set(entry, own)
        start = hosts.startOf(entry) | 0
      }
      added++
    }
    if (!takesFree) table.next = next
    if (differing !== 0) this.areAlike = false
    this.added = added
    this.total += added
    return row
  }

  /** The value of a host by its entry, `NO_MATCH` without one. */
  #valueOf(words: Uint32Array, sources: Uint8Array, entry: number): number {
    return sources[entry] === 33 ? words[entry] - 1 : NO_MATCH
  }
}
