const FREE = 0
/** Free again; what was put behind it is still found. */
const LEFT = -1

/**
 * Slots of ports in memory that engines on several threads share: a hash of port ids with open addressing. The first word of a slot says whose it is, the
 * others are the port's; they are zero when it gets them.
 */
export class PortSlots {
  readonly words: Int32Array
  readonly #width: number
  readonly #mask: number

  /** Octets of memory for so many ports with slots of `width` words. */
  static octets(ports: number, width: number): number {
    return 2 ** Math.ceil(Math.log2(ports * 2)) * width * 4
  }

  /** @param memory of `octets`, zeroed, or that of another engine */
  constructor(memory: ArrayBufferLike, width: number) {
    this.words = new Int32Array(memory)
    this.#width = width
    this.#mask = this.words.length / width - 1
  }

  /** Index of the first word of a port's slot, which is made if there is none. */
  of(port: number): number {
    for (;;) {
      const slot = this.#find(port)
      const found = Atomics.load(this.words, slot)
      if (found === port + 1) return slot
      // Another thread may have been faster, with this port or with another one.
      if (Atomics.compareExchange(this.words, slot, found, port + 1) === found) return slot
    }
  }

  /** The port is gone: its slot is another one's. Not while a port is looked for on another thread. @param clear brings the words to zero */
  forget(port: number, clear: (slot: number) => void): void {
    const slot = this.#find(port)
    if (this.words[slot] !== port + 1) return
    clear(slot)
    Atomics.store(this.words, slot, LEFT)
    this.#free(slot)
  }

  /** Ports that have a slot, and where. */
  *[Symbol.iterator](): Generator<readonly [port: number, slot: number]> {
    for (let slot = 0; slot < this.words.length; slot += this.#width) {
      const owner = Atomics.load(this.words, slot)
      if (owner !== FREE && owner !== LEFT) yield [owner - 1, slot]
    }
  }

  /** Nobody looks on behind the last slot of a run: those at its end that were left are free, or every search would pass them for ever. */
  #free(slot: number): void {
    const words = this.words
    const step = (from: number, by: number): number => (from + by + words.length) % words.length
    if (Atomics.load(words, step(slot, this.#width)) !== FREE) return
    for (let at = slot; Atomics.compareExchange(words, at, LEFT, FREE) === LEFT; at = step(at, -this.#width));
  }

  /** The slot of the port, or the first one that it can have. */
  #find(port: number): number {
    let reusable = -1
    for (let index = hash(port) & this.#mask, probes = 0; probes <= this.#mask; index = (index + 1) & this.#mask, probes++) {
      const slot = index * this.#width
      const owner = Atomics.load(this.words, slot)
      if (owner === port + 1) return slot
      if (owner === LEFT && reusable < 0) reusable = slot
      if (owner === FREE) return reusable < 0 ? slot : reusable
    }
    if (reusable < 0) throw new RangeError(`no room for port ${port} among ${this.#mask + 1}`)
    return reusable
  }
}

function hash(port: number): number {
  return Math.imul(port, 0x9e37_79b1) >>> 8
}
