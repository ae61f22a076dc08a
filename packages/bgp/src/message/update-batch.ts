import { ByteWriter, ValueError } from '@heddle/wire'
import { ATTRIBUTE, ATTRIBUTE_FLAG, HEADER_SIZE, MAX_MESSAGE_SIZE, MESSAGE_TYPE } from '../iana.js'
import { IPV4_UNICAST, type Family } from '../nlri/family.js'
import type { EncodeOptions } from './options.js'

/** Octets of the two length fields of an UPDATE behind the header. */
const LENGTH_FIELDS = 4
/** Flags, type and a length of two octets. */
const ATTRIBUTE_HEAD = 4
const MARKER_WORD = 0xffff_ffff

/** What all messages of some routes have in common. Without `reach` and `unreach`, NLRI stand in the fields of RFC 4271. */
export interface UpdateFrame {
  /** Path attributes as octets, without MP_REACH_NLRI and MP_UNREACH_NLRI; absent: the routes are withdrawn. */
  readonly attributes?: ByteWriter
  /** What stands before the NLRI in MP_REACH_NLRI (RFC 4760 §3). */
  readonly reach?: ByteWriter
  /** What stands before the NLRI in MP_UNREACH_NLRI (RFC 4760 §4). */
  readonly unreach?: ByteWriter
}

/** Where a list of encoded NLRI ends. */
export const NO_ENTRY = -1

/** Encoded NLRI in `octets`, in lists of entries that are small integers. */
export interface EncodedNlri {
  readonly octets: Uint8Array
  /** The one behind, or `NO_ENTRY`. */
  next(entry: number): number
  startOf(entry: number): number
  endOf(entry: number): number
}

/** Octets that a message may have. */
export function sizeLimit({ extended }: EncodeOptions): number {
  return extended === true ? MAX_MESSAGE_SIZE.extended : MAX_MESSAGE_SIZE.standard
}

/** Octets of a message without any route. */
export function frameSize({ attributes, reach, unreach }: UpdateFrame): number {
  const head = reach ?? unreach
  return HEADER_SIZE + LENGTH_FIELDS + (attributes?.length ?? 0) + (head === undefined ? 0 : ATTRIBUTE_HEAD + head.length)
}

/** The frame of messages that withdraw routes of a family. */
export function withdrawalFrame({ key, afi, safi }: Family): UpdateFrame {
  return key === IPV4_UNICAST.key ? {} : { unreach: new ByteWriter(3).u16(afi).u8(safi) }
}

/** UPDATEs one behind the other in one run of octets, which a stream takes in one piece. */
export class UpdateBatch {
  readonly #out: ByteWriter
  #count = 0

  /**
   * @param limit octets that a message may have
   * @param capacity octets to begin with; it grows
   */
  constructor(
    private readonly limit: number,
    capacity = 1 << 14,
  ) {
    this.#out = new ByteWriter(capacity)
  }

  /**
   * Writes as many messages as the routes need, each filled to the limit.
   *
   * @param first of the list; `NO_ENTRY`: none
   * @throws ValueError `bgp.update.too-large` when the frame leaves no room for a single route; what was written before stays
   */
  write(frame: UpdateFrame, nlri: EncodedNlri, first: number): void {
    const overhead = frameSize(frame)
    const room = this.limit - overhead
    for (let from = first; from !== NO_ENTRY;) {
      let size = 0
      let to = from
      for (; to !== NO_ENTRY; to = nlri.next(to)) {
        const next = nlri.endOf(to) - nlri.startOf(to)
        if (size + next > room) break
        size += next
      }
      if (to === from) {
        const needed = overhead + nlri.endOf(to) - nlri.startOf(to)
        throw new ValueError('bgp.update.too-large', `${needed} octets`, `at most ${this.limit}`)
      }
      this.#message(frame, nlri, from, to, size)
      from = to
    }
  }

  /** Octets that have been written. */
  get length(): number {
    return this.#out.length
  }

  /** Messages that have been written. */
  get count(): number {
    return this.#count
  }

  /** The messages, one behind the other. */
  finish(): Uint8Array {
    return this.#out.view()
  }

  #message({ attributes, reach, unreach }: UpdateFrame, nlri: EncodedNlri, from: number, to: number, size: number): void {
    const out = this.#out
    const start = out.length
    out.u32(MARKER_WORD).u32(MARKER_WORD).u32(MARKER_WORD).u32(MARKER_WORD).u16(0).u8(MESSAGE_TYPE.update)
    if (reach !== undefined || unreach !== undefined) {
      out.u16(0).u16(0)
      const list = out.length
      const value = (reach ?? unreach) as ByteWriter
      writeHead(out, reach === undefined ? ATTRIBUTE.mpUnreachNlri : ATTRIBUTE.mpReachNlri, value.length + size)
      out.copy(value.buffer, 0, value.length)
      writeRoutes(out, nlri, from, to)
      if (attributes !== undefined) out.copy(attributes.buffer, 0, attributes.length)
      out.patchU16(list - 2, out.length - list)
    } else if (attributes === undefined) {
      out.u16(size)
      writeRoutes(out, nlri, from, to)
      out.u16(0)
    } else {
      out.u16(0).u16(attributes.length).copy(attributes.buffer, 0, attributes.length)
      writeRoutes(out, nlri, from, to)
    }
    out.patchU16(start + HEADER_SIZE - 3, out.length - start)
    this.#count++
  }
}

function writeHead(out: ByteWriter, type: number, length: number): void {
  const { optional, extendedLength } = ATTRIBUTE_FLAG
  if (length > 0xff)
    out
      .u8(optional | extendedLength)
      .u8(type)
      .u16(length)
  else out.u8(optional).u8(type).u8(length)
}

function writeRoutes(out: ByteWriter, nlri: EncodedNlri, from: number, to: number): void {
  for (let entry = from; entry !== to; entry = nlri.next(entry)) out.copy(nlri.octets, nlri.startOf(entry), nlri.endOf(entry))
}
