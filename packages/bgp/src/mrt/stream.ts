import type { CodecFault } from '../codec-fault.js'
import { joined } from '../joined.js'
import { decodeMrt, readMrtHeader, type MrtResult } from './codec.js'
import { MRT_HEADER_SIZE } from './iana.js'

/** Longest record that a stream may hold; a table's record of 65,535 paths with attributes of 4,096 octets each would not fit, nor exist. */
const MAX_RECORD = 1 << 26

/**
 * Reads records from a file in pieces. A record that is malformed is an error of its own: its length says where the next one begins.
 */
export class MrtStream {
  #rest: Uint8Array = new Uint8Array()
  #offset = 0
  #ended = false

  /** Octets taken so far as whole records. */
  get offset(): number {
    return this.#offset
  }

  /** Takes octets; returns the records that they complete. */
  push(chunk: Uint8Array): MrtResult[] {
    const out: MrtResult[] = []
    if (this.#ended) return out
    const bytes = joined(this.#rest, chunk)
    let at = 0
    for (;;) {
      const header = readMrtHeader(bytes.subarray(at))
      if (header === undefined) break
      if (header.length > MAX_RECORD) {
        this.#ended = true
        out.push({ ok: false, header, error: this.#fault('mrt.length', 8) })
        break
      }
      const end = at + MRT_HEADER_SIZE + header.length
      if (end > bytes.length) break
      out.push(decodeMrt(bytes.subarray(at, end)))
      this.#offset += end - at
      at = end
    }
    this.#rest = this.#ended ? new Uint8Array() : bytes.slice(at)
    return out
  }

  /** The end of the file: an error where it cuts a record off. */
  end(): MrtResult | undefined {
    const bytes = this.#rest
    this.#rest = new Uint8Array()
    this.#ended = true
    if (bytes.length === 0) return undefined
    const header = readMrtHeader(bytes)
    const error = this.#fault('mrt.truncated', bytes.length)
    return header === undefined ? { ok: false, error } : { ok: false, header, error }
  }

  #fault(code: string, offset: number): CodecFault {
    return { code, offset, path: 'mrt', rfc: 'RFC 6396 §2' }
  }
}
