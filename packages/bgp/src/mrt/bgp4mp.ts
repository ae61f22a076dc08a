import { IpAddress, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AFI } from '../iana.js'
import { BGP4MP } from './iana.js'
import type { MrtMessage, MrtSession, MrtStateChange } from './record.js'

type Body<T> = Omit<T, 'timestamp' | 'microseconds'>

/** What the subtypes of messages say. */
const MESSAGES: ReadonlyMap<number, { readonly as4: boolean; readonly local: boolean; readonly addPath: boolean }> = new Map([
  [BGP4MP.message, { as4: false, local: false, addPath: false }],
  [BGP4MP.messageAs4, { as4: true, local: false, addPath: false }],
  [BGP4MP.messageLocal, { as4: false, local: true, addPath: false }],
  [BGP4MP.messageAs4Local, { as4: true, local: true, addPath: false }],
  [BGP4MP.messageAddPath, { as4: false, local: false, addPath: true }],
  [BGP4MP.messageAs4AddPath, { as4: true, local: false, addPath: true }],
  [BGP4MP.messageLocalAddPath, { as4: false, local: true, addPath: true }],
  [BGP4MP.messageAs4LocalAddPath, { as4: true, local: true, addPath: true }],
])

/**
 * What stands behind the header of BGP4MP (RFC 6396 §4.4).
 *
 *     +------------------+-------------------+---------------------+---------+------------------------+--------+
 *     | peer AS (2 or 4) | local AS (2 or 4) | interface index (2) | AFI (2) | peer, local address    | …      |
 *     +------------------+-------------------+---------------------+---------+------------------------+--------+
 *     … the BGP message, or the old and the new state (2 octets each)
 *
 * @returns `undefined` for a subtype that is not taken apart
 * @throws WireError `mrt.afi`, `wire.truncated`
 */
export function decodeBgp4mp(subtype: number, input: ByteReader): Body<MrtMessage> | Body<MrtStateChange> | undefined {
  const form = MESSAGES.get(subtype)
  if (form !== undefined) {
    const session = decodeSession(input, form.as4)
    return { kind: 'message', ...session, local: form.local, addPath: form.addPath, pdu: input.rest().slice() }
  }
  if (subtype !== BGP4MP.stateChange && subtype !== BGP4MP.stateChangeAs4) return undefined
  const session = decodeSession(input, subtype === BGP4MP.stateChangeAs4)
  return { kind: 'state-change', ...session, oldState: input.u16(), newState: input.u16() }
}

function decodeSession(input: ByteReader, as4: boolean): MrtSession {
  const peerAs = as4 ? input.u32() : input.u16()
  const localAs = as4 ? input.u32() : input.u16()
  const interfaceIndex = input.u16()
  const afi = input.u16()
  const size = afi === AFI.ipv4 ? 4 : afi === AFI.ipv6 ? 16 : input.fail('mrt.afi', 'RFC 6396 §4.4.1')
  const peerAddress = IpAddress.fromBytes(input.octets(size))
  return { peerAs, localAs, interfaceIndex, peerAddress, localAddress: IpAddress.fromBytes(input.octets(size)), as4 }
}

/** The subtype of a record. */
export function bgp4mpSubtype(record: MrtMessage | MrtStateChange): number {
  if (record.kind === 'state-change') return record.as4 ? BGP4MP.stateChangeAs4 : BGP4MP.stateChange
  const { as4, local, addPath } = record
  const base = local ? BGP4MP.messageLocal : BGP4MP.message
  const wide = local ? BGP4MP.messageAs4Local : BGP4MP.messageAs4
  if (!addPath) return as4 ? wide : base
  const withPath = local ? BGP4MP.messageLocalAddPath : BGP4MP.messageAddPath
  return as4 ? withPath + 1 : withPath
}

/** Writes what stands behind the header. @throws ValueError `mrt.address` for addresses of two IP versions, `mrt.as` */
export function encodeBgp4mp(record: MrtMessage | MrtStateChange, out: ByteWriter): void {
  const { peerAs, localAs, interfaceIndex, peerAddress, localAddress, as4 } = record
  if (peerAddress.family !== localAddress.family) throw new ValueError('mrt.address', `${peerAddress}, ${localAddress}`, 'one IP version')
  if (!as4 && (peerAs > 0xffff || localAs > 0xffff)) throw new ValueError('mrt.as', `${peerAs}, ${localAs}`, '0–65,535, or as4')
  if (as4) out.u32(peerAs).u32(localAs)
  else out.u16(peerAs).u16(localAs)
  out.u16(interfaceIndex).u16(peerAddress.family === 6 ? AFI.ipv6 : AFI.ipv4)
  out.octets(peerAddress.toBytes()).octets(localAddress.toBytes())
  if (record.kind === 'message') out.octets(record.pdu)
  else out.u16(record.oldState).u16(record.newState)
}
