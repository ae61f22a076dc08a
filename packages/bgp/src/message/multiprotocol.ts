import { ByteWriter } from '@heddle/wire'
import { writeAttribute } from '../attribute/encode.js'
import { ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import { encodeNextHop } from '../next-hop/codec.js'
import { encodeNlri } from '../nlri/registry.js'
import type { Announcement, Withdrawal } from './message.js'
import { usesPathIds, type EncodeOptions } from './options.js'

/** Writes AFI, SAFI, next hop and reserved octet of MP_REACH_NLRI (RFC 4760 §3). */
export function writeReachHead({ family, nextHop, rawNextHop }: Omit<Announcement, 'nlri' | 'multiprotocol'>, out: ByteWriter): void {
  out.u16(family.afi).u8(family.safi)
  const close = out.reserveU8()
  if (nextHop !== undefined) encodeNextHop(nextHop, out, family)
  else if (rawNextHop !== undefined) out.octets(rawNextHop)
  close()
  out.u8(0)
}

/** Writes MP_REACH_NLRI, head included. */
export function encodeMpReach(group: Announcement, out: ByteWriter, options: EncodeOptions): void {
  const value = new ByteWriter()
  writeReachHead(group, value)
  const mode = { addPath: usesPathIds(options, group.family.key), withdraw: false }
  for (const nlri of group.nlri) encodeNlri(nlri, value, group.family, mode)
  writeAttribute(out, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpReachNlri, value.view())
}

/** Writes MP_UNREACH_NLRI, head included (RFC 4760 §4). */
export function encodeMpUnreach({ family, nlri }: Withdrawal, out: ByteWriter, options: EncodeOptions): void {
  const value = new ByteWriter().u16(family.afi).u8(family.safi)
  const mode = { addPath: usesPathIds(options, family.key), withdraw: true }
  for (const entry of nlri) encodeNlri(entry, value, family, mode)
  writeAttribute(out, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpUnreachNlri, value.view())
}
