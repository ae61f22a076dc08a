import type { CodecFault } from '../codec-fault.js'
import { HEADER_SIZE } from '../iana.js'
import { joined } from '../joined.js'
import { readHeader } from '../message/header.js'
import type { BgpError } from '../validate/bgp-error.js'

/** A whole BGP message of a stream, or why there is none. */
export type PduOrFault = { readonly pdu: Uint8Array } | { readonly error: BgpError | CodecFault }

const MARKER = 16

/** Cuts one direction of a captured session into messages; where it is out of step it goes on at the next marker. */
export class PduReader {
  #rest: Uint8Array = new Uint8Array()
  #searching: boolean
  #skipped = 0

  /** @param fromStart the stream was captured from its beginning on */
  constructor(fromStart: boolean) {
    this.#searching = !fromStart
  }

  /** Takes octets; returns the messages that they complete. */
  push(bytes: Uint8Array): PduOrFault[] {
    const out: PduOrFault[] = []
    this.#rest = joined(this.#rest, bytes)
    for (;;) {
      if (this.#searching && !this.#search(out)) break
      const head = readHeader(this.#rest)
      if (head === undefined) break
      if (!head.ok) {
        out.push({ error: head.error })
        // a header that only looks like one is left behind, or it would be found again
        this.#rest = this.#rest.subarray(1)
        this.#searching = true
        continue
      }
      const { length } = head.header
      if (this.#rest.length < length) break
      out.push({ pdu: this.#rest.slice(0, length) })
      this.#rest = this.#rest.subarray(length)
    }
    this.#rest = this.#rest.slice()
    return out
  }

  /** Octets are missing here. */
  gap(): PduOrFault[] {
    const cut = this.end()
    this.#searching = true
    return cut
  }

  /** Nothing more will come: an error for what has no end. */
  end(): PduOrFault[] {
    const octets = this.#rest.length + this.#skipped
    this.#rest = new Uint8Array()
    this.#skipped = 0
    return octets === 0 ? [] : [fault(this.#searching ? 'bgp.stream.skipped' : 'bgp.stream.truncated', octets)]
  }

  /** Goes to the next marker. @returns whether there is one */
  #search(out: PduOrFault[]): boolean {
    let ones = 0
    for (let at = 0; at < this.#rest.length; at++) {
      ones = this.#rest[at] === 0xff ? ones + 1 : 0
      if (ones < MARKER) continue
      const start = at + 1 - MARKER
      const candidate = this.#rest.subarray(start)
      if (candidate.length >= HEADER_SIZE && readHeader(candidate)?.ok !== true) continue
      this.#skipped += start
      this.#rest = candidate
      if (candidate.length < HEADER_SIZE) return false
      if (this.#skipped > 0) out.push(fault('bgp.stream.skipped', this.#skipped))
      this.#skipped = 0
      this.#searching = false
      return true
    }
    const kept = Math.min(ones, MARKER - 1)
    this.#skipped += this.#rest.length - kept
    this.#rest = this.#rest.subarray(this.#rest.length - kept)
    return false
  }
}

/** @param octets that belong to no whole message */
function fault(code: string, octets: number): PduOrFault {
  return { error: { code, offset: octets, path: 'stream', rfc: 'RFC 4271 §4.1' } }
}
