import type { AddressFamily } from '../workload/family.ts'
import { attributesText, hex } from './attributes-text.ts'
import { UpdateParts, entryEnd, u16, walkUpdate } from './update-walk.ts'

/** Length, RD and prefix; the label is no part of it. */
const KEY = 14
const LABEL_MASK = 0xfffff0

/** The routes of a workload by what names them, each with its path attributes: what has to arrive. */
export class ExpectedTable {
  #routes = 0
  readonly #slots: Int32Array
  readonly #keys: Uint8Array
  readonly #labels: Uint32Array
  readonly #sets: Int32Array
  readonly #setIds = new Map<string, number>()
  readonly #scratch = new Uint8Array(KEY)
  readonly #parts = new UpdateParts()

  readonly #family: AddressFamily

  constructor(family: AddressFamily, announcements: Uint8Array, routes: number) {
    this.#family = family
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(routes * 2))).fill(-1)
    this.#keys = new Uint8Array(routes * KEY)
    this.#labels = new Uint32Array(routes)
    this.#sets = new Int32Array(routes)
    for (let at = 0; at < announcements.length; at += u16(announcements, at + 16)) this.#learn(announcements, at)
    if (this.#routes !== routes) throw new TypeError(`the workload announces ${this.#routes} routes, not ${routes}`)
  }

  get routes(): number {
    return this.#routes
  }

  /** Number of the route that an entry names. */
  find(octets: Uint8Array, at: number): number | undefined {
    const route = this.#slots[this.#slotOf(octets, at)]
    return route < 0 ? undefined : route
  }

  /** Number of the set that has these attributes. */
  setWith(attributes: string): number | undefined {
    return this.#setIds.get(attributes)
  }

  setOf(route: number): number {
    return this.#sets[route]
  }

  /** Whether the entry has the label that the route was announced with. */
  hasLabel(route: number, octets: Uint8Array, at: number): boolean {
    return this.#label(octets, at) === this.#labels[route]
  }

  #learn(octets: Uint8Array, at: number): void {
    const parts = this.#parts
    walkUpdate(octets, at, parts)
    const text = attributesText(octets, parts)
    const set = this.#setIds.get(text) ?? this.#setIds.size
    this.#setIds.set(text, set)
    for (let next = parts.announcedFrom; next < parts.announcedTo; next = entryEnd(octets, next)) {
      const slot = this.#slotOf(octets, next)
      if (this.#slots[slot] >= 0) throw new TypeError(`twice in the workload: ${hex(octets, next, entryEnd(octets, next))}`)
      const route = this.#routes++
      this.#slots[slot] = route
      this.#keys.set(this.#scratch, route * KEY)
      this.#labels[route] = this.#label(octets, next)
      this.#sets[route] = set
    }
  }

  /** The slot that has the entry, or the free one where it belongs; its key is in the scratch then. */
  #slotOf(octets: Uint8Array, at: number): number {
    const { labelOctets } = this.#family
    const key = this.#scratch.fill(0)
    const end = entryEnd(octets, at)
    let hash = (key[0] = octets[at])
    for (let from = at + 1 + labelOctets, to = 1; from < end; from++, to++) {
      key[to] = octets[from]
      hash = Math.imul(hash ^ octets[from], 0x0100_0193)
    }
    const mask = this.#slots.length - 1
    for (let slot = (Math.imul(hash, 0x9e37_79b1) >>> 7) & mask; ; slot = (slot + 1) & mask) {
      const route = this.#slots[slot]
      if (route < 0 || this.#same(route)) return slot
    }
  }

  #same(route: number): boolean {
    for (let at = 0; at < KEY; at++) if (this.#keys[route * KEY + at] !== this.#scratch[at]) return false
    return true
  }

  /** The label in its place, without the bit that ends the stack. */
  #label(octets: Uint8Array, at: number): number {
    return this.#family.labelOctets === 0 ? 0 : ((octets[at + 1] << 16) | (octets[at + 2] << 8) | octets[at + 3]) & LABEL_MASK
  }
}
