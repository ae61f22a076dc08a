import { HEADER, UPDATE } from '../workload/octets.ts'
import { UpdateParts, countEntries, u16, walkUpdate } from './update-walk.ts'

/** Octets that are kept together, and touched before anything is measured, where one session takes in a whole table. */
export const LARGE_BLOCK = 32 << 20

/** What a session is sent: counts routes as they come, and keeps the octets to be judged later. */
export class Intake {
  announced = 0
  withdrawn = 0
  updates = 0
  /** Told of each message that is no UPDATE: its type, and the whole message. */
  readonly #onOther: (type: number, message: Uint8Array) => void
  readonly #block: number
  readonly #parts = new UpdateParts()
  #blocks: Uint8Array[] = []
  /** Octets of the last block that are used, and those of them that are whole messages. */
  #used = 0
  #whole = 0

  constructor(block: number, onOther: (type: number, message: Uint8Array) => void) {
    this.#block = block
    this.#onOther = onOther
    this.forget()
  }

  push(chunk: Uint8Array): void {
    this.#room(chunk.length)
    const block = this.#blocks.at(-1)!
    block.set(chunk, this.#used)
    this.#used += chunk.length
    while (this.#used - this.#whole >= HEADER) {
      const length = u16(block, this.#whole + 16)
      if (this.#used - this.#whole < length) break
      this.#message(block, this.#whole, length)
      this.#whole += length
    }
  }

  /** Whole messages in the order in which they came, of those that are kept. */
  *updatesKept(): Generator<{ readonly octets: Uint8Array; readonly at: number }> {
    for (const [index, octets] of this.#blocks.entries()) {
      const end = index === this.#blocks.length - 1 ? this.#whole : octets.length
      for (let at = 0; at < end && u16(octets, at + 16) > 0; at += u16(octets, at + 16)) {
        if (octets[at + 18] === UPDATE) yield { octets, at }
      }
    }
  }

  /** Lets go of what was kept, and counts from zero. */
  forget(): void {
    const rest = this.#blocks.at(-1)?.slice(this.#whole, this.#used)
    // touched once, so that the pages are there before anything is measured
    this.#blocks = [this.#blocks[0] ?? new Uint8Array(this.#block).fill(1).fill(0)]
    this.#blocks[0].fill(0)
    this.#blocks[0].set(rest ?? [])
    this.#used = rest?.length ?? 0
    this.#whole = 0
    this.announced = this.withdrawn = this.updates = 0
  }

  #message(block: Uint8Array, at: number, length: number): void {
    if (block[at + 18] !== UPDATE) return this.#onOther(block[at + 18], block.subarray(at, at + length))
    const parts = this.#parts
    walkUpdate(block, at, parts)
    this.updates++
    this.announced += countEntries(block, parts.announcedFrom, parts.announcedTo)
    this.withdrawn += countEntries(block, parts.withdrawnFrom, parts.withdrawnTo)
  }

  /** Goes on in a new block where the last one is full; a message that is not whole moves over. */
  #room(octets: number): void {
    const block = this.#blocks.at(-1)!
    if (this.#used + octets <= block.length) return
    const next = new Uint8Array(this.#block)
    next.set(block.subarray(this.#whole, this.#used))
    block.fill(0, this.#whole)
    this.#blocks.push(next)
    this.#used -= this.#whole
    this.#whole = 0
  }
}
