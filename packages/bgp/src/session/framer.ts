import { HEADER_SIZE } from '../iana.js'
import { readHeader, soundLength, typeAt } from '../message/header.js'
import type { DecodeOptions } from '../message/options.js'
import type { BgpError } from '../validate/bgp-error.js'

/** What a framer hands on: whole messages in order, then the error that ended the stream where there is one. */
export interface FramerOutput {
  message(bytes: Uint8Array, type: number): void
  error(error: BgpError): void
}

/** As `FramerOutput`, for who needs no view of each message: it is the octets `from` up to `to` of `bytes`. */
export interface SpanOutput {
  span(bytes: Uint8Array, from: number, to: number, type: number): void
  error(error: BgpError): void
}

const NOTHING = new Uint8Array()

/**
 * Cuts a byte stream into BGP messages (RFC 4271 §4.1). A message that lies within one chunk is a view of it; only one that spans chunks is
 * copied. After an error everything is ignored: where the next message begins is not known any more.
 */
export class Framer {
  #rest: Uint8Array = NOTHING
  #failed = false
  #options: DecodeOptions = { extended: false }

  /** From here on messages of up to 65,535 octets are accepted (RFC 8654 §4). */
  allowExtended(): void {
    this.#options = { extended: true }
  }

  push(chunk: Uint8Array, output: FramerOutput): void {
    this.pushSpans(chunk, {
      span: (bytes, from, to, type) => output.message(bytes.subarray(from, to), type),
      error: (error) => output.error(error),
    })
  }

  /** As `push`, with where each message stands. */
  pushSpans(chunk: Uint8Array, output: SpanOutput): void {
    let at = this.#rest.length === 0 ? 0 : this.#complete(chunk, output)
    if (this.#failed || this.#rest.length > 0) return
    for (let length = 0; ; at += length) {
      length = this.#lengthOf(chunk, at, output)
      if (length === 0 || chunk.length - at < length) break
      output.span(chunk, at, at + length, typeAt(chunk, at))
    }
    if (!this.#failed && at < chunk.length) this.#rest = chunk.subarray(at)
  }

  /** Goes on with the message that a chunk before has begun. @returns octets of the chunk that are part of it */
  #complete(chunk: Uint8Array, output: SpanOutput): number {
    const before = this.#rest.length
    // its header first, which tells how much there is to come
    let rest = before >= HEADER_SIZE ? this.#rest : joined(this.#rest, chunk.subarray(0, HEADER_SIZE - before))
    const length = this.#lengthOf(rest, 0, output)
    if (this.#failed) return 0
    if (rest.length < length) rest = joined(rest, chunk.subarray(rest.length - before, length - before))
    this.#rest = rest.length === length ? NOTHING : rest
    if (rest.length === length) output.span(rest, 0, length, typeAt(rest, 0))
    return rest.length - before
  }

  /** Length of the message at `at`; 0 while its header is not whole, and when it is no message. */
  #lengthOf(bytes: Uint8Array, at: number, output: SpanOutput): number {
    const length = soundLength(bytes, this.#options, at)
    const head = length > 0 ? undefined : readHeader(bytes, this.#options, at)
    if (head === undefined || head.ok) return length
    this.#failed = true
    this.#rest = NOTHING
    output.error(head.error)
    return 0
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const out = new Uint8Array(head.length + tail.length)
  out.set(head)
  out.set(tail, head.length)
  return out
}
