import { PortSlots } from '../port-slots.js'

/**
 * Words of a slot, behind whose it is: how often it was written (odd while it is being written), the address's complement: memory that nobody has written
 * says everybody.
 */
const TURN = 1
const HIGH = 2
const LOW = 3
const WORDS = 4

/** An Ethernet address: the first two octets, and the last four. */
export interface LinkAddressWords {
  readonly high: number
  readonly low: number
}

/** All nodes of a link. */
export const BROADCAST: LinkAddressWords = { high: 0xffff, low: 0xffff_ffff }

/** The address of a port's endpoint. Written by one thread at a time, read by any. */
export class LinkAddress implements LinkAddressWords {
  readonly #words: Int32Array
  readonly #at: number
  /** As they were when last read. */
  high = BROADCAST.high
  low = BROADCAST.low

  /** @param words memory @param at index of the slot's first word */
  constructor(words: Int32Array = new Int32Array(WORDS), at = 0) {
    this.#words = words
    this.#at = at
  }

  /** Brings `high` and `low` to what was written last. While another thread writes, they stay. */
  read(): void {
    const words = this.#words
    const at = this.#at
    const turn = Atomics.load(words, at + TURN)
    const high = Atomics.load(words, at + HIGH)
    const low = Atomics.load(words, at + LOW)
    if ((turn & 1) === 1 || Atomics.load(words, at + TURN) !== turn) return
    this.high = BROADCAST.high - high
    this.low = ~low >>> 0
  }

  write(high: number, low: number): void {
    const words = this.#words
    const at = this.#at
    // Almost every frame tells what the one before it told.
    if (Atomics.load(words, at + HIGH) === BROADCAST.high - high && Atomics.load(words, at + LOW) === ~low) return
    Atomics.add(words, at + TURN, 1)
    Atomics.store(words, at + HIGH, BROADCAST.high - high)
    Atomics.store(words, at + LOW, ~low)
    Atomics.add(words, at + TURN, 1)
  }
}

/** The Ethernet addresses of endpoints, in memory that engines on several threads share: one hears who is there, another sends to it. */
export class LinkAddresses {
  readonly #slots: PortSlots

  /** Octets of memory for so many ports. */
  static octets(ports: number): number {
    return PortSlots.octets(ports, WORDS)
  }

  /** @param memory of `octets`, zeroed, or that of another engine */
  constructor(memory: ArrayBufferLike) {
    this.#slots = new PortSlots(memory, WORDS)
  }

  /** The address of a port's endpoint, which is everybody's until it is written. */
  of(port: number): LinkAddress {
    return this.#at(this.#slots.of(port))
  }

  /** The port is gone: its slot is another one's. Not while a port is looked for on another thread. */
  forget(port: number): void {
    this.#slots.forget(port, (slot) => this.#at(slot).write(BROADCAST.high, BROADCAST.low))
  }

  /** What is known, for memory in another process: port, high, low of each. */
  save(): number[][] {
    return Array.from(this.#slots, ([port, slot]) => {
      const address = this.#at(slot)
      address.read()
      return [port, address.high, address.low]
    })
  }

  /** Knows what `save` told. */
  load(saved: readonly (readonly number[])[]): void {
    for (const [port, high, low] of saved) this.of(port).write(high, low)
  }

  #at(slot: number): LinkAddress {
    return new LinkAddress(this.#slots.words, slot)
  }
}
