import { HEADER_SIZE } from '../iana.js'
import { readHeader } from '../message/header.js'
import type { DecodeOptions } from '../message/options.js'
import type { BgpError } from '../validate/bgp-error.js'

/** What a framer hands on: whole messages in order, then the error that ended the stream where there is one. */
export interface FramerOutput {
  message(bytes: Uint8Array, type: number): void
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
    if (this.#failed) return
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk)
    let at = 0
    while (bytes.length - at >= HEADER_SIZE) {
      const head = readHeader(bytes, this.#options, at)
      if (head === undefined) break
      if (!head.ok) {
        this.#failed = true
        this.#rest = NOTHING
        output.error(head.error)
        return
      }
      const { length, type } = head.header
      if (bytes.length - at < length) break
      output.message(bytes.subarray(at, at + length), type)
      at += length
    }
    this.#rest = bytes.subarray(at)
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const out = new Uint8Array(head.length + tail.length)
  out.set(head)
  out.set(tail, head.length)
  return out
}
