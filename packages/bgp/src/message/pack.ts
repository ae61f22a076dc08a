import { ByteWriter } from '@heddle/wire'
import { encodeAttributes, writeAttribute } from '../attribute/encode.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { ATTRIBUTE, ATTRIBUTE_FLAG, MESSAGE_TYPE } from '../iana.js'
import type { NextHop } from '../next-hop/next-hop.js'
import { IPV4_UNICAST, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { encodeNlri } from '../nlri/registry.js'
import { frameMessage, messagesIn } from './header.js'
import { writeReachHead } from './multiprotocol.js'
import { usesPathIds, type EncodeOptions } from './options.js'
import { NO_ENTRY, UpdateBatch, frameSize, sizeLimit, withdrawalFrame, type EncodedNlri, type UpdateFrame } from './update-batch.js'

/** Routes of one family that share everything but their NLRI. */
export interface RouteGroup {
  readonly family: Family
  readonly attributes: PathAttributes
  /** Absent where the family has none. */
  readonly nextHop?: NextHop
  readonly rawNextHop?: Uint8Array
  readonly nlri: readonly Nlri[]
}

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
  const reach = new ByteWriter()
  if (!base)
    writeReachHead({ family, ...(nextHop === undefined ? {} : { nextHop }), ...(rawNextHop === undefined ? {} : { rawNextHop }) }, reach)
  return packed(nlri, family, options, false, { attributes, ...(base ? {} : { reach }) })
}

/** As `packUpdates`, for routes that are withdrawn. */
export function packWithdrawals(family: Family, nlri: readonly Nlri[], options: EncodeOptions = {}): Uint8Array[] {
  return packed(nlri, family, options, true, withdrawalFrame(family))
}

function packed(nlri: readonly Nlri[], family: Family, options: EncodeOptions, withdraw: boolean, frame: UpdateFrame): Uint8Array[] {
  const octets = new ByteWriter(1024)
  const mode = { addPath: usesPathIds(options, family.key), withdraw }
  const ends = nlri.map((entry) => {
    encodeNlri(entry, octets, family, mode)
    return octets.length
  })
  const batch = new UpdateBatch(sizeLimit(options), frameSize(frame) + octets.length)
  const encoded: EncodedNlri = {
    octets: octets.buffer,
    next: (entry) => (entry + 1 === ends.length ? NO_ENTRY : entry + 1),
    startOf: (entry) => ends[entry - 1] ?? 0,
    endOf: (entry) => ends[entry],
  }
  batch.write(frame, encoded, ends.length === 0 ? NO_ENTRY : 0)
  return messagesIn(batch.finish())
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
