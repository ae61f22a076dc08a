import { captureFault, type CaptureFormat, type CaptureResult } from './packet.js'

/** Octets of the file's header, and of each record's. */
const FILE_HEADER = 24
const RECORD_HEADER = 16
/** A longer packet is no packet but a file out of step (as libpcap's MAXIMUM_SNAPLEN, with room). */
const MOST = 1 << 20
const RFC = 'draft-ietf-opsawg-pcap §4'

/** Magic numbers as they read in the order of octets of the file's writer: the unit of the fraction of a second. */
const UNITS: ReadonlyMap<number, 'micro' | 'nano'> = new Map([
  [0xa1b2c3d4, 'micro'],
  [0xa1b23c4d, 'nano'],
])

/** Whether the first four octets are those of a pcap file. */
export function isPcap(view: DataView): boolean {
  return UNITS.has(view.getUint32(0, true)) || UNITS.has(view.getUint32(0, false))
}

/**
 * The classic format (draft-ietf-opsawg-pcap).
 *
 *     file header:  magic (4), version (4), reserved (8), snapshot length (4), FCS and link type (4)
 *     record:       seconds (4), fraction (4), captured length (4), length (4), captured octets
 */
export class PcapFormat implements CaptureFormat {
  #little = false
  #nano = false
  #linkType: number | undefined

  size(bytes: Uint8Array): number | ReturnType<typeof captureFault> | undefined {
    const header = this.#linkType === undefined ? FILE_HEADER : RECORD_HEADER
    if (bytes.length < header) return undefined
    if (this.#linkType === undefined) return FILE_HEADER
    const captured = viewOf(bytes).getUint32(8, this.#little)
    return captured > MOST ? captureFault('pcap.length', 8, RFC) : RECORD_HEADER + captured
  }

  read(bytes: Uint8Array): CaptureResult | undefined {
    const view = viewOf(bytes)
    if (this.#linkType === undefined) {
      this.#little = UNITS.has(view.getUint32(0, true))
      this.#nano = UNITS.get(view.getUint32(0, this.#little)) === 'nano'
      this.#linkType = view.getUint32(20, this.#little) & 0xffff
      return undefined
    }
    const fraction = view.getUint32(4, this.#little)
    const time = view.getUint32(0, this.#little) * 1_000_000 + (this.#nano ? Math.floor(fraction / 1000) : fraction)
    const packet = { linkType: this.#linkType, time, bytes: bytes.subarray(RECORD_HEADER), length: view.getUint32(12, this.#little) }
    return { ok: true, packet }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
