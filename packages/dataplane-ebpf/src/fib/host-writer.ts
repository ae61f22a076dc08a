import type { HostWriter, Prefixes4 } from '@heddle/core'
import type { HostRows } from './host-rows.js'
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
    const page = this.#hosts.pageOf(base >>> this.#hosts.pageBits)
    const place = base & this.#hosts.mask
    const block = addresses[first] >>> 8
    const takesFree = table.hasFree
    let next = table.next | 0
    let row = first | 0
    let added = 0
    for (; row < addresses.length; row++) {
      const address = addresses[row] | 0
      if (address >>> 8 !== block || lengths[row] !== 32) break
      const host = address & 0xff
      const entry = (base + host) | 0
      const value = values[row] | 0
      if (sources[entry] === 33) {
        before[row] = (words[entry] - 1) | 0
        words[entry] = value + 1
        rows[Math.imul(page[place + host], width) + groupAt] = value
        continue
      }
      before[row] = -1
      sources[entry] = 33
      words[entry] = value + 1
      const own = takesFree ? table.take() : next
      next = (next + 1) | 0
      const at = Math.imul(own, width)
      rows[at + vrfAt] = vrf
      rows[at + addressAt] = address
      rows[at + groupAt] = value
      rows[at + prefixAt] = prefix // last: from now on the row counts
      page[place + host] = own
      added++
    }
    if (!takesFree) table.next = next
    this.added = added
    this.total += added
    return row
  }
}
