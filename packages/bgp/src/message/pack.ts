import { ByteWriter, ValueError } from '@heddle/wire'
import { encodeAttributes, writeAttribute } from '../attribute/encode.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { ATTRIBUTE, ATTRIBUTE_FLAG, HEADER_SIZE, MAX_MESSAGE_SIZE, MESSAGE_TYPE } from '../iana.js'
import type { NextHop } from '../next-hop/next-hop.js'
import { IPV4_UNICAST, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { encodeNlri } from '../nlri/registry.js'
import { frameMessage } from './header.js'
import { writeReachHead } from './multiprotocol.js'
import { usesPathIds, type EncodeOptions } from './options.js'

/** Routes of one family that share everything but their NLRI. */
export interface RouteGroup {
  readonly family: Family
  readonly attributes: PathAttributes
  /** Absent where the family has none. */
  readonly nextHop?: NextHop
  readonly rawNextHop?: Uint8Array
  readonly nlri: readonly Nlri[]
}

/** Octets of the two length fields of an UPDATE behind the header. */
const LENGTH_FIELDS = 4
/** Flags, type and a length of two octets. */
const ATTRIBUTE_HEAD = 4

/**
 * Writes as many UPDATEs as the group needs, each filled to the message size: attributes are encoded once. IPv4 unicast with an IPv4 next hop
 * uses the NLRI field, everything else MP_REACH_NLRI. No routes, no message.
 *
 * @throws ValueError `bgp.update.too-large` when the attributes leave no room for a single route; `bgp.nlri.*`
 */
export function packUpdates(group: RouteGroup, options: EncodeOptions = {}): Uint8Array[] {
  const { family, nextHop, rawNextHop, nlri } = group
  const base = family.key === IPV4_UNICAST.key && nextHop?.address.family === 4
  const attributes = new ByteWriter()
  const { nextHop: _own, ...rest } = group.attributes
  encodeAttributes(base ? { ...rest, nextHop: nextHop.address } : rest, attributes, options)
  const head = new ByteWriter()
  if (!base)
    writeReachHead({ family, ...(nextHop === undefined ? {} : { nextHop }), ...(rawNextHop === undefined ? {} : { rawNextHop }) }, head)
  const overhead = HEADER_SIZE + LENGTH_FIELDS + attributes.length + (base ? 0 : ATTRIBUTE_HEAD + head.length)
  return split(family, nlri, overhead, options, false).map((chunk) => {
    const body = new ByteWriter(overhead + chunk.length).u16(0)
    const close = body.reserveU16()
    if (!base) writeAttribute(body, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpReachNlri, concat(head.view(), chunk))
    body.octets(attributes.view())
    close()
    if (base) body.octets(chunk)
    return frameMessage(MESSAGE_TYPE.update, body.view())
  })
}

/** As `packUpdates`, for routes that are withdrawn. */
export function packWithdrawals(family: Family, nlri: readonly Nlri[], options: EncodeOptions = {}): Uint8Array[] {
  const base = family.key === IPV4_UNICAST.key
  const head = base ? new Uint8Array() : new ByteWriter(3).u16(family.afi).u8(family.safi).finish()
  const overhead = HEADER_SIZE + LENGTH_FIELDS + (base ? 0 : ATTRIBUTE_HEAD + head.length)
  return split(family, nlri, overhead, options, true).map((chunk) => {
    const body = new ByteWriter(overhead + chunk.length)
    if (base) return frameMessage(MESSAGE_TYPE.update, body.u16(chunk.length).octets(chunk).u16(0).view())
    const close = body.u16(0).reserveU16()
    writeAttribute(body, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpUnreachNlri, concat(head, chunk))
    close()
    return frameMessage(MESSAGE_TYPE.update, body.view())
  })
}

/** The message that ends the initial dump of a family (RFC 4724 §2). */
export function encodeEndOfRib(family: Family): Uint8Array {
  const body = new ByteWriter(16).u16(0)
  const close = body.reserveU16()
  if (family.key !== IPV4_UNICAST.key) {
    writeAttribute(body, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpUnreachNlri, new ByteWriter(3).u16(family.afi).u8(family.safi).view())
  }
  close()
  return frameMessage(MESSAGE_TYPE.update, body.view())
}

/** NLRI as octets, cut where a message with `overhead` octets beside them is full. */
function split(family: Family, nlri: readonly Nlri[], overhead: number, options: EncodeOptions, withdraw: boolean): Uint8Array[] {
  const limit = options.extended === true ? MAX_MESSAGE_SIZE.extended : MAX_MESSAGE_SIZE.standard
  const room = limit - overhead
  const mode = { addPath: usesPathIds(options, family.key), withdraw }
  const chunks: Uint8Array[] = []
  const out = new ByteWriter(1024)
  for (const entry of nlri) {
    const before = out.length
    encodeNlri(entry, out, family, mode)
    if (out.length - before > room)
      throw new ValueError('bgp.update.too-large', `${overhead + out.length - before} octets`, `at most ${limit}`)
    if (out.length <= room) continue
    const whole = out.view()
    const last = whole.slice(before)
    chunks.push(whole.slice(0, before))
    out.truncate(0).octets(last)
  }
  if (out.length > 0) chunks.push(out.finish())
  return chunks
}

function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const out = new Uint8Array(head.length + tail.length)
  out.set(head)
  out.set(tail, head.length)
  return out
}
