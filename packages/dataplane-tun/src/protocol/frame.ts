import { ByteReader, ByteWriter, WireError } from '@heddle/wire'
import { ProtocolError } from './protocol-error.js'

/**
 * A frame between an agent and its forwarder: a JSON text and any number of columns, the octets of typed arrays as they lie in memory.
 *
 *     +----------------+----------------+------------------+
 *     | octets behind  | octets of JSON | JSON, UTF-8      |   lengths: 32 bits, network order
 *     | this field     |                |                  |
 *     +----------------+----------------+------------------+
 *     | octets of a column | column ... |  repeated to the end of the frame
 *     +--------------------+------------+
 *
 * Both ends are on one machine, so columns keep its byte order.
 */
export interface Frame {
  /** The JSON text's value. */
  readonly head: unknown
  readonly columns: readonly Uint8Array[]
}

/** Most octets of a frame: a table of ten million routes fits. */
export const MAX_FRAME_SIZE = 1 << 28

/** Most octets of a frame before the greeting: a stranger cannot make the forwarder reserve memory. */
export const MAX_GREETING_SIZE = 4096

/** @throws ProtocolError `protocol.frame-too-long` */
export function encodeFrame(head: unknown, columns: readonly Uint8Array[] = []): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(head))
  const size = 4 + json.length + columns.reduce((sum, column) => sum + 4 + column.length, 0)
  if (size > MAX_FRAME_SIZE) throw new ProtocolError('protocol.frame-too-long', `a message of ${size} octets; at most ${MAX_FRAME_SIZE}`)
  const out = new ByteWriter(4 + size).u32(size).u32(json.length).octets(json)
  for (const column of columns) out.u32(column.length).octets(column)
  return out.view()
}

/** @param body the frame without its first length @throws ProtocolError `protocol.frame-malformed` */
export function decodeFrame(body: Uint8Array): Frame {
  try {
    const input = new ByteReader(body, 'frame')
    const json = new TextDecoder('utf-8', { fatal: true }).decode(input.octets(input.u32()))
    const columns: Uint8Array[] = []
    while (input.remaining > 0) columns.push(input.octets(input.u32()))
    return { head: JSON.parse(json), columns }
  } catch (cause) {
    const why = cause instanceof WireError ? cause.message : 'its text is not JSON'
    throw new ProtocolError('protocol.frame-malformed', `a frame of ${body.length} octets cannot be read: ${why}`, { cause })
  }
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  /** Most octets that the next frame may have. */
  limit: number
  readonly #length = new Uint8Array(4)
  #lengthOctets = 0
  #body: Uint8Array | undefined
  #bodyOctets = 0

  constructor(limit: number = MAX_FRAME_SIZE) {
    this.limit = limit
  }

  /**
   * Frames that `chunk` completes, in order. Lazy: `limit` may be raised between two frames of one chunk.
   *
   * @throws ProtocolError for a frame over the limit or a malformed one; the stream cannot be read any further
   */
  *push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    let at = 0
    while (at < chunk.length) {
      if (this.#body === undefined) {
        this.#length[this.#lengthOctets++] = chunk[at++]
        if (this.#lengthOctets < 4) continue
        const size = new DataView(this.#length.buffer).getUint32(0)
        if (size > this.limit) {
          throw new ProtocolError('protocol.frame-too-long', `a frame of ${size} octets; at most ${this.limit} here`)
        }
        this.#body = new Uint8Array(size)
        this.#bodyOctets = 0
      }
      const take = Math.min(this.#body.length - this.#bodyOctets, chunk.length - at)
      this.#body.set(chunk.subarray(at, at + take), this.#bodyOctets)
      this.#bodyOctets += take
      at += take
      if (this.#bodyOctets === this.#body.length) {
        const body = this.#body
        this.#body = undefined
        this.#lengthOctets = 0
        yield decodeFrame(body)
      }
    }
  }
}
