import { joined } from '../joined.js'
import { captureFault, type CaptureFormat, type CaptureResult } from './packet.js'
import { PcapFormat, isPcap } from './pcap-format.js'
import { PcapngFormat, isPcapng } from './pcapng-format.js'

/**
 * Reads packets from a capture in pieces: pcap of either order of octets and unit of time, or pcapng. A block that is malformed is an error of
 * its own; one whose length cannot be ends the stream, since where the next one begins nobody can tell.
 */
export class CaptureStream {
  #rest: Uint8Array = new Uint8Array()
  #format: CaptureFormat | undefined
  #ended = false

  /** Takes octets; returns the packets that they complete, whose octets are views of what was pushed. */
  push(chunk: Uint8Array): CaptureResult[] {
    const out: CaptureResult[] = []
    if (this.#ended) return out
    const bytes = joined(this.#rest, chunk)
    this.#format ??= bytes.length < 4 ? undefined : formatOf(bytes)
    if (this.#format === undefined && bytes.length >= 4) out.push(this.#end('capture.magic', 0))
    let at = 0
    while (this.#format !== undefined) {
      const size = this.#format.size(bytes.subarray(at))
      if (size === undefined) break
      if (typeof size !== 'number') {
        out.push(this.#end(size.code, size.offset))
        break
      }
      if (at + size > bytes.length) break
      const result = this.#format.read(bytes.subarray(at, at + size))
      if (result !== undefined) out.push(result)
      at += size
    }
    this.#rest = this.#ended ? new Uint8Array() : bytes.slice(at)
    return out
  }

  /** The end of the file: an error where it cuts a block off. */
  end(): CaptureResult | undefined {
    if (this.#ended || this.#rest.length === 0) return undefined
    return this.#end('capture.truncated', this.#rest.length)
  }

  #end(code: string, offset: number): CaptureResult {
    this.#ended = true
    return { ok: false, error: captureFault(code, offset, 'draft-ietf-opsawg-pcapng §3') }
  }
}

function formatOf(bytes: Uint8Array): CaptureFormat | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4)
  if (isPcapng(view)) return new PcapngFormat()
  return isPcap(view) ? new PcapFormat() : undefined
}
