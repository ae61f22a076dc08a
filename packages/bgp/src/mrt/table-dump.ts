import { IpAddress, IpPrefix, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AFI } from '../iana.js'
import type { MrtTableDump } from './record.js'

/**
 * TABLE_DUMP (RFC 6396 §4.2); the subtype is the AFI.
 *
 *     +----------+--------------+----------------+-------------------+------------+
 *     | view (2) | sequence (2) | prefix (4, 16) | prefix length (1) | status (1) |
 *     +----------+--------------+----------------+-------------------+------------+
 *     | originated (4) | peer address (4, 16) | peer AS (2) | length (2) | attributes |
 *     +----------------+----------------------+-------------+------------+------------+
 *
 * @returns `undefined` for another subtype
 * @throws WireError `mrt.prefix`, `wire.truncated`
 */
export function decodeTableDump(subtype: number, input: ByteReader): Omit<MrtTableDump, 'timestamp'> | undefined {
  if (subtype !== AFI.ipv4 && subtype !== AFI.ipv6) return undefined
  const size = subtype === AFI.ipv4 ? 4 : 16
  const [view, sequence] = [input.u16(), input.u16()]
  const address = IpAddress.fromBytes(input.octets(size))
  const length = input.u8()
  if (length > size * 8) input.fail('mrt.prefix', 'RFC 6396 §4.2')
  return {
    kind: 'table-dump',
    view,
    sequence,
    prefix: IpPrefix.of(address, length),
    address,
    status: input.u8(),
    originated: input.u32(),
    peerAddress: IpAddress.fromBytes(input.octets(size)),
    peerAs: input.u16(),
    attributes: input.octets(input.u16()).slice(),
  }
}

/** Writes what stands behind the header. */
export function encodeTableDump(record: MrtTableDump, out: ByteWriter): void {
  out.u16(record.view).u16(record.sequence).octets(record.address.toBytes()).u8(record.prefix.length).u8(record.status)
  out.u32(record.originated).octets(record.peerAddress.toBytes()).u16(record.peerAs)
  out.u16(record.attributes.length).octets(record.attributes)
}
