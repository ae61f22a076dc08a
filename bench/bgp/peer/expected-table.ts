import type { AddressFamily } from '../workload/family.ts'
import { TYPE } from '../workload/octets.ts'
import { UpdateParts, entryEnd, u16, walkUpdate } from './update-walk.ts'

/** Octets that a reflected route has beside those that were announced (RFC 4456 §8). */
export interface Reflection {
  readonly originatorId: readonly number[]
  readonly clusterList: readonly number[]
}

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

  /** Which of the routes are there: none of them. */
  nothing(): Uint8Array {
    return new Uint8Array(this.#routes)
  }

  /**
   * Plays messages in order on what was `present` before, and says what is wrong: the first few routes that are not as they were announced, and
   * when the table that is left is not complete, or not empty.
   */
  differences(
    messages: Iterable<{ readonly octets: Uint8Array; readonly at: number }>,
    reflection: Reflection,
    complete: boolean,
    present: Uint8Array,
  ): string[] {
    const wrong: string[] = []
    const say = (text: string): void => void (wrong.length < 5 && wrong.push(text))
    const parts = this.#parts
    for (const { octets, at } of messages) {
      walkUpdate(octets, at, parts)
      for (let next = parts.withdrawnFrom; next < parts.withdrawnTo; next = entryEnd(octets, next)) {
        const route = this.#find(octets, next)
        if (route === undefined) say(`withdrawn, and not in the workload: ${hex(octets, next, entryEnd(octets, next))}`)
        else present[route] = 0
      }
      if (parts.announcedFrom >= parts.announcedTo) continue
      const set = this.#setIds.get(attributesText(octets, parts, reflection, say))
      for (let next = parts.announcedFrom; next < parts.announcedTo; next = entryEnd(octets, next)) {
        const route = this.#find(octets, next)
        const name = (): string => hex(octets, next, entryEnd(octets, next))
        if (route === undefined) say(`announced, and not in the workload: ${name()}`)
        else if (set !== this.#sets[route]) say(`${name()}: attributes ${hex(octets, parts.attributesFrom, parts.attributesTo)}`)
        else if (this.#label(octets, next) !== this.#labels[route]) say(`${name()}: label is not ${this.#labels[route] >>> 4}`)
        else present[route] = 1
      }
    }
    const there = present.reduce((sum, one) => sum + one, 0)
    const wanted = complete ? this.#routes : 0
    if (there !== wanted) say(`${there} routes of ${this.#routes} are there at the end, not ${wanted}`)
    return wrong
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

  #find(octets: Uint8Array, at: number): number | undefined {
    const route = this.#slots[this.#slotOf(octets, at)]
    return route < 0 ? undefined : route
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

/** Path attributes and next hop as text, in the order of their types and however their lengths are written; what reflection adds is judged and left out. */
function attributesText(octets: Uint8Array, parts: UpdateParts, reflection?: Reflection, say?: (text: string) => void): string {
  const found: string[] = []
  const texts = new Map<number, string>()
  for (let at = parts.attributesFrom; at < parts.attributesTo;) {
    const value = at + (octets[at] & 0x10 ? 4 : 3)
    const end = value + (octets[at] & 0x10 ? u16(octets, at + 2) : octets[at + 2])
    const type = octets[at + 1]
    const text = hex(octets, value, end)
    if (type === TYPE.originatorId || type === TYPE.clusterList) texts.set(type, text)
    else if (type !== TYPE.mpReach && type !== TYPE.mpUnreach) found.push(`${String(type).padStart(3, '0')}/${octets[at] & 0xe0}/${text}`)
    at = end
  }
  if (reflection !== undefined) {
    for (const [type, name, wanted] of [
      [TYPE.originatorId, 'ORIGINATOR_ID', reflection.originatorId],
      [TYPE.clusterList, 'CLUSTER_LIST', reflection.clusterList],
    ] as const) {
      const text = Buffer.from(wanted).toString('hex')
      if (texts.get(type) !== text) say?.(`${name} is ${texts.get(type) ?? 'missing'}, not ${text}`)
    }
  }
  return `${found.sort().join(' ')} via ${hex(octets, parts.nextHopFrom, parts.nextHopTo)}`
}

function hex(octets: Uint8Array, from: number, to: number): string {
  return Buffer.from(octets.buffer, octets.byteOffset + from, to - from).toString('hex')
}
