/**
 * Words of a slot: whose it is, how often it was written (odd while it is being written), the address's complement: memory that nobody has written says
 * everybody.
 */
const OWNER = 0
const TURN = 1
const HIGH = 2
const LOW = 3
const WORDS = 4

const FREE = 0
/** Free again; what was put behind it is still found. */
const LEFT = -1

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

/**
 * The Ethernet addresses of endpoints, in memory that engines on several threads share: one hears who is there, another sends to it. A hash of port ids with
 * open addressing.
 */
export class LinkAddresses {
  readonly #words: Int32Array
  readonly #mask: number

  /** Octets of memory for so many ports. */
  static octets(ports: number): number {
    return 2 ** Math.ceil(Math.log2(ports * 2)) * WORDS * 4
  }

  /** @param memory of `octets`, zeroed, or that of another engine */
  constructor(memory: ArrayBufferLike) {
    this.#words = new Int32Array(memory)
    this.#mask = this.#words.length / WORDS - 1
  }

  /** The address of a port's endpoint, which is everybody's until it is written. */
  of(port: number): LinkAddress {
    for (;;) {
      const slot = this.#find(port)
      const found = Atomics.load(this.#words, slot)
      if (found === port + 1) return new LinkAddress(this.#words, slot)
      // Another thread may have been faster, with this port or with another one.
      if (Atomics.compareExchange(this.#words, slot, found, port + 1) === found) return new LinkAddress(this.#words, slot)
    }
  }

  /** The port is gone: its slot is another one's. Not while a port is looked for on another thread. */
  forget(port: number): void {
    const slot = this.#find(port)
    if (this.#words[slot] !== port + 1) return
    new LinkAddress(this.#words, slot).write(BROADCAST.high, BROADCAST.low)
    Atomics.store(this.#words, slot, LEFT)
    this.#free(slot)
  }

  /** What is known, for memory in another process: port, high, low of each. */
  save(): number[][] {
    const saved: number[][] = []
    for (let slot = 0; slot < this.#words.length; slot += WORDS) {
      const owner = Atomics.load(this.#words, slot)
      if (owner === FREE || owner === LEFT) continue
      const address = new LinkAddress(this.#words, slot)
      address.read()
      saved.push([owner - 1, address.high, address.low])
    }
    return saved
  }

  /** Knows what `save` told. */
  load(saved: readonly (readonly number[])[]): void {
    for (const [port, high, low] of saved) this.of(port).write(high, low)
  }

  /** Nobody looks on behind the last slot of a run: those at its end that were left are free, or every search would pass them for ever. */
  #free(slot: number): void {
    const words = this.#words
    const step = (from: number, by: number): number => (from + by + words.length) % words.length
    if (Atomics.load(words, step(slot, WORDS)) !== FREE) return
    for (let at = slot; Atomics.compareExchange(words, at, LEFT, FREE) === LEFT; at = step(at, -WORDS));
  }

  /** The slot of the port, or the first one that it can have. */
  #find(port: number): number {
    let reusable = -1
    for (let index = hash(port) & this.#mask, probes = 0; probes <= this.#mask; index = (index + 1) & this.#mask, probes++) {
      const slot = index * WORDS
      const owner = Atomics.load(this.#words, slot + OWNER)
      if (owner === port + 1) return slot
      if (owner === LEFT && reusable < 0) reusable = slot
      if (owner === FREE) return reusable < 0 ? slot : reusable
    }
    if (reusable < 0) throw new RangeError(`no room for the address of port ${port} among ${this.#mask + 1}`)
    return reusable
  }
}

function hash(port: number): number {
  return Math.imul(port, 0x9e37_79b1) >>> 8
}
