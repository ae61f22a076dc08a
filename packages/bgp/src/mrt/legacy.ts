import { IpAddress, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { HEADER_SIZE, MAX_MESSAGE_SIZE, MESSAGE_TYPE } from '../iana.js'
import { frameMessage } from '../message/header.js'
import type { MrtLegacyMessage, MrtLegacyStateChange } from './record.js'

type Body<T> = Omit<T, 'timestamp' | 'microseconds'>

const STATE_CHANGE = 3

/** Types of BGP messages by subtype (RFC 6396 appendix B.2). */
const MESSAGE_OF: ReadonlyMap<number, number> = new Map([
  [1, MESSAGE_TYPE.update],
  [5, MESSAGE_TYPE.open],
  [6, MESSAGE_TYPE.notification],
  [7, MESSAGE_TYPE.keepalive],
])
const SUBTYPE_OF = new Map([...MESSAGE_OF].map(([subtype, type]) => [type, subtype]))

/**
 * What stands behind the header of the type BGP, which was in use before BGP4MP (RFC 6396 appendix B.2): IPv4 and two-octet AS numbers only.
 *
 *     +-------------+----------------+--------------+-----------------+--------------------------------+
 *     | peer AS (2) | peer address   | local AS (2) | local address   | BGP message without its header |
 *     +-------------+----------------+--------------+-----------------+--------------------------------+
 *     | peer AS (2) | peer address   | old, new state (2 octets each)  |
 *     +-------------+----------------+---------------------------------+
 *
 * @returns `undefined` for a subtype that is not taken apart
 * @throws WireError `mrt.length`, `wire.truncated`
 */
export function decodeLegacy(subtype: number, input: ByteReader): Body<MrtLegacyMessage> | Body<MrtLegacyStateChange> | undefined {
  const type = MESSAGE_OF.get(subtype)
  if (type === undefined && subtype !== STATE_CHANGE) return undefined
  const peerAs = input.u16()
  const peerAddress = IpAddress.v4(input.u32())
  if (type === undefined) return { kind: 'legacy-state-change', peerAs, peerAddress, oldState: input.u16(), newState: input.u16() }
  const localAs = input.u16()
  const localAddress = IpAddress.v4(input.u32())
  if (input.remaining > MAX_MESSAGE_SIZE.extended - HEADER_SIZE) input.fail('mrt.length', 'RFC 4271 §4.1')
  return { kind: 'legacy-message', peerAs, peerAddress, localAs, localAddress, pdu: frameMessage(type, input.rest()) }
}

/** The subtype of a record. @throws ValueError `mrt.message` for a message that has none */
export function legacySubtype(record: MrtLegacyMessage | MrtLegacyStateChange): number {
  if (record.kind === 'legacy-state-change') return STATE_CHANGE
  const subtype = SUBTYPE_OF.get(record.pdu[HEADER_SIZE - 1])
  if (subtype === undefined)
    throw new ValueError('mrt.message', String(record.pdu[HEADER_SIZE - 1]), 'OPEN, UPDATE, NOTIFICATION or KEEPALIVE')
  return subtype
}

/** Writes what stands behind the header. */
export function encodeLegacy(record: MrtLegacyMessage | MrtLegacyStateChange, out: ByteWriter): void {
  out.u16(record.peerAs).u32(record.peerAddress.w0)
  if (record.kind === 'legacy-state-change') out.u16(record.oldState).u16(record.newState)
  else out.u16(record.localAs).u32(record.localAddress.w0).octets(record.pdu.subarray(HEADER_SIZE))
}
