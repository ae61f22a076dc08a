import { PortSlots } from '../port-slots.js'
import { CellRate } from './cell-rate.js'
import type { PortTimes } from './port-rates.js'

/** Words of a slot: whose it is, one for what follows to lie at a multiple of eight octets, and two for each direction's time. */
const WORDS = 6

/** A port, and its time of egress and ingress, nanoseconds as text. */
export type SavedRate = readonly [port: number, egress: string, ingress: string]

/** What limits of ports go by, in memory that engines on several threads share: what passes on one counts for all. */
export class RateMemory {
  readonly #slots: PortSlots
  readonly #times: BigInt64Array

  /** Octets of memory for so many ports. */
  static octets(ports: number): number {
    return PortSlots.octets(ports, WORDS)
  }

  /** @param memory of `octets`, zeroed, or that of another engine */
  constructor(memory: ArrayBufferLike) {
    this.#slots = new PortSlots(memory, WORDS)
    this.#times = new BigInt64Array(memory)
  }

  /** What the limits of a port go by. */
  of(port: number): PortTimes {
    return this.#at(this.#slots.of(port))
  }

  /** The port is gone. Not while a port is programmed on another thread. */
  forget(port: number): void {
    this.#slots.forget(port, (slot) => {
      const { egress, ingress } = this.#at(slot)
      egress.time = ingress.time = 0n
    })
  }

  /** What is known, for memory in another process whose clock is the same. */
  save(): SavedRate[] {
    return Array.from(this.#slots, ([port, slot]) => {
      const { egress, ingress } = this.#at(slot)
      return [port, String(egress.time), String(ingress.time)]
    })
  }

  /** Knows what `save` told. */
  load(saved: readonly SavedRate[]): void {
    for (const [port, egress, ingress] of saved) {
      const times = this.of(port)
      times.egress.time = BigInt(egress)
      times.ingress.time = BigInt(ingress)
    }
  }

  #at(slot: number): PortTimes {
    const at = slot / 2 + 1
    return { egress: new CellRate(this.#times, at), ingress: new CellRate(this.#times, at + 1) }
  }
}
