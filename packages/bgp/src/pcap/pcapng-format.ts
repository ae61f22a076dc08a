import { captureFault, type CaptureFormat, type CaptureResult } from './packet.js'

const SECTION_HEADER = 0x0a0d0d0a
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const BLOCK = { interface: 1, obsoletePacket: 2, simplePacket: 3, enhancedPacket: 6 } as const
const OPTION = { end: 0, timestampResolution: 9, timestampOffset: 14 } as const
/** A longer block is a file out of step. */
const MOST = 1 << 24
const RFC = 'draft-ietf-opsawg-pcapng §3.1'

interface Interface {
  readonly linkType: number
  /** Microseconds of one unit of the timestamps. */
  readonly unit: number
  /** Microseconds that the timestamps are to be moved by. */
  readonly offset: number
  readonly snapshot: number
}

/** Whether the first four octets are those of a pcapng file. */
export function isPcapng(view: DataView): boolean {
  return view.getUint32(0) === SECTION_HEADER
}

/**
 * The format of blocks (draft-ietf-opsawg-pcapng): each section has an order of octets and interfaces of its own.
 *
 *     block: type (4), total length (4), body, total length (4)
 */
export class PcapngFormat implements CaptureFormat {
  #little = false
  #interfaces: Interface[] = []

  size(bytes: Uint8Array): number | ReturnType<typeof captureFault> | undefined {
    if (bytes.length < 12) return undefined
    const view = viewOf(bytes)
    if (isPcapng(view)) this.#little = view.getUint32(8, true) === BYTE_ORDER_MAGIC
    const length = view.getUint32(4, this.#little)
    if (length < 12 || length % 4 !== 0 || length > MOST) return captureFault('pcapng.length', 4, RFC)
    return length
  }

  read(bytes: Uint8Array): CaptureResult | undefined {
    const view = viewOf(bytes)
    const fault = (code: string, offset: number): CaptureResult => ({ ok: false, error: captureFault(code, offset, RFC) })
    if (view.getUint32(bytes.length - 4, this.#little) !== bytes.length) return fault('pcapng.length', bytes.length - 4)
    const body = bytes.length - 12
    switch (view.getUint32(0, this.#little)) {
      case SECTION_HEADER:
        if (body < 16 || view.getUint32(8, this.#little) !== BYTE_ORDER_MAGIC) return fault('pcapng.section', 8)
        this.#interfaces = []
        return undefined
      case BLOCK.interface:
        if (body < 8) return fault('pcapng.truncated', 8)
        this.#interfaces.push(this.#readInterface(bytes.subarray(0, -4), view))
        return undefined
      case BLOCK.enhancedPacket:
      case BLOCK.obsoletePacket: {
        if (body < 20) return fault('pcapng.truncated', 8)
        const id =
          view.getUint32(0, this.#little) === BLOCK.obsoletePacket ? view.getUint16(8, this.#little) : view.getUint32(8, this.#little)
        return this.#packet(bytes, view, {
          id,
          captured: view.getUint32(20, this.#little),
          length: view.getUint32(24, this.#little),
          at: 28,
        })
      }
      case BLOCK.simplePacket: {
        if (body < 4) return fault('pcapng.truncated', 8)
        const length = view.getUint32(8, this.#little)
        const snapshot = this.#interfaces.length === 0 ? 0 : this.#interfaces[0].snapshot
        return this.#packet(bytes, view, { id: 0, captured: snapshot === 0 ? length : Math.min(snapshot, length), length, at: 12 })
      }
      default:
        return undefined
    }
  }

  #packet(
    bytes: Uint8Array,
    view: DataView,
    { id, captured, length, at }: { readonly id: number; readonly captured: number; readonly length: number; readonly at: number },
  ): CaptureResult {
    const own = this.#interfaces[id]
    if (own === undefined) return { ok: false, error: captureFault('pcapng.interface', 8, RFC) }
    if (at + captured > bytes.length - 4) return { ok: false, error: captureFault('pcapng.truncated', at, RFC) }
    const units = at === 28 ? view.getUint32(12, this.#little) * 0x1_0000_0000 + view.getUint32(16, this.#little) : 0
    const time = Math.floor(units * own.unit + own.offset)
    return { ok: true, packet: { linkType: own.linkType, time, bytes: bytes.subarray(at, at + captured), length } }
  }

  #readInterface(block: Uint8Array, view: DataView): Interface {
    let [unit, offset] = [1, 0]
    for (let at = 16; at + 4 <= block.length;) {
      const [code, length] = [view.getUint16(at, this.#little), view.getUint16(at + 2, this.#little)]
      const value = at + 4
      if (code === OPTION.end || value + length > block.length) break
      if (code === OPTION.timestampResolution && length === 1) unit = unitOf(block[value])
      if (code === OPTION.timestampOffset && length === 8) offset = Number(view.getBigInt64(value, this.#little)) * 1_000_000
      at = value + ((length + 3) & ~3)
    }
    return { linkType: view.getUint16(8, this.#little), unit, offset, snapshot: view.getUint32(12, this.#little) }
  }
}

/** A negative power of ten, or with the high bit of two, of a second (§4.2), in microseconds. */
function unitOf(resolution: number): number {
  const exponent = resolution & 0x7f
  return resolution >= 0x80 ? 1_000_000 / 2 ** exponent : 10 ** (6 - exponent)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
