import { IpAddress, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { decodeText, encodeText } from '../message/text.js'
import { IPV4_MULTICAST, IPV4_UNICAST, IPV6_MULTICAST, IPV6_UNICAST, familyOf, type Family } from '../nlri/family.js'
import { entrySize } from '../nlri/framing.js'
import { MRT_PEER_FLAG, TABLE_DUMP_V2 } from './iana.js'
import type { MrtPeer, MrtPeerIndexTable, MrtRib, MrtRibEntry } from './record.js'

type Body<T> = Omit<T, 'timestamp' | 'microseconds'>

/** Families that have subtypes of their own: without and with path identifiers. */
const FAMILY_OF: ReadonlyMap<number, Family> = new Map([
  [TABLE_DUMP_V2.ipv4Unicast, IPV4_UNICAST],
  [TABLE_DUMP_V2.ipv4Multicast, IPV4_MULTICAST],
  [TABLE_DUMP_V2.ipv6Unicast, IPV6_UNICAST],
  [TABLE_DUMP_V2.ipv6Multicast, IPV6_MULTICAST],
])
const SUBTYPE_OF = new Map([...FAMILY_OF].map(([subtype, { key }]) => [key, subtype]))

/** Whether a family has subtypes of its own; others are written in generic records (RFC 6396 §4.3.3). */
export function hasOwnSubtype({ key }: Family): boolean {
  return SUBTYPE_OF.has(key)
}

/** From a subtype to that with path identifiers. */
const ADD_PATH_STEP = TABLE_DUMP_V2.ipv4UnicastAddPath - TABLE_DUMP_V2.ipv4Unicast

/**
 * What stands behind the header of TABLE_DUMP_V2.
 *
 * @returns `undefined` for a subtype that is not taken apart
 * @throws WireError `mrt.*`, `bgp.nlri.*`, `wire.truncated`
 */
export function decodeTableDumpV2(subtype: number, input: ByteReader): Body<MrtPeerIndexTable> | Body<MrtRib> | undefined {
  if (subtype === TABLE_DUMP_V2.peerIndexTable) return decodePeerIndexTable(input)
  const addPath = subtype >= TABLE_DUMP_V2.ipv4UnicastAddPath
  const plain = addPath ? subtype - ADD_PATH_STEP : subtype
  const own = FAMILY_OF.get(plain)
  const generic = plain === TABLE_DUMP_V2.generic
  if (own === undefined && !generic) return undefined
  const sequence = input.u32()
  const family = own ?? familyOf(input.u16(), input.u8())
  const size = entrySize(family, input)
  if (size === undefined) return input.fail('mrt.family', 'RFC 6396 §4.3.3')
  const nlri = input.octets(size).slice()
  return { kind: 'rib', generic, addPath, sequence, family, nlri, entries: decodeEntries(input, addPath) }
}

/**
 *     +------------------+-----------------+-----------+------------+------------------------------------------+
 *     | collector ID (4) | name length (2) | view name | count (2)  | peers: type (1), BGP identifier (4),     |
 *     |                  |                 |           |            | address (4 or 16), AS (2 or 4)           |
 *     +------------------+-----------------+-----------+------------+------------------------------------------+
 */
function decodePeerIndexTable(input: ByteReader): Body<MrtPeerIndexTable> {
  const collectorId = IpAddress.v4(input.u32())
  const viewName = decodeText(input.octets(input.u16())) ?? input.fail('mrt.view-name', 'RFC 6396 §4.3.1')
  const peers: MrtPeer[] = []
  for (let left = input.u16(); left > 0; left--) {
    const type = input.u8()
    if (type > (MRT_PEER_FLAG.ipv6 | MRT_PEER_FLAG.as4)) input.fail('mrt.peer-type', 'RFC 6396 §4.3.1')
    const routerId = IpAddress.v4(input.u32())
    const address = IpAddress.fromBytes(input.octets((type & MRT_PEER_FLAG.ipv6) === 0 ? 4 : 16))
    const as4 = (type & MRT_PEER_FLAG.as4) !== 0
    peers.push({ routerId, address, as: as4 ? input.u32() : input.u16(), as4 })
  }
  return { kind: 'peer-index-table', collectorId, viewName, peers }
}

/**
 *     +-----------+------------------------------------------------------------------------------------+
 *     | count (2) | peer index (2), originated (4), [path identifier (4)], length (2), attributes      |
 *     +-----------+------------------------------------------------------------------------------------+
 */
function decodeEntries(input: ByteReader, addPath: boolean): MrtRibEntry[] {
  const entries: MrtRibEntry[] = []
  for (let left = input.u16(); left > 0; left--) {
    const [peerIndex, originated] = [input.u16(), input.u32()]
    const path = addPath ? { pathId: input.u32() } : {}
    entries.push({ peerIndex, originated, ...path, attributes: input.octets(input.u16()).slice() })
  }
  return entries
}

/** The subtype of a record. @throws ValueError `mrt.family` for a family that has none of its own, unless generic */
export function tableDumpV2Subtype(record: MrtPeerIndexTable | MrtRib): number {
  if (record.kind === 'peer-index-table') return TABLE_DUMP_V2.peerIndexTable
  const subtype = record.generic ? TABLE_DUMP_V2.generic : SUBTYPE_OF.get(record.family.key)
  if (subtype === undefined) throw new ValueError('mrt.family', record.family.name, 'a generic record')
  return record.addPath ? subtype + ADD_PATH_STEP : subtype
}

/** Writes what stands behind the header. @throws ValueError `mrt.peer-as` */
export function encodeTableDumpV2(record: MrtPeerIndexTable | MrtRib, out: ByteWriter): void {
  if (record.kind === 'peer-index-table') return encodePeerIndexTable(record, out)
  out.u32(record.sequence)
  if (record.generic) out.u16(record.family.afi).u8(record.family.safi)
  out.octets(record.nlri).u16(record.entries.length)
  for (const { peerIndex, originated, pathId = 0, attributes } of record.entries) {
    out.u16(peerIndex).u32(originated)
    if (record.addPath) out.u32(pathId)
    out.u16(attributes.length).octets(attributes)
  }
}

function encodePeerIndexTable({ collectorId, viewName, peers }: MrtPeerIndexTable, out: ByteWriter): void {
  const name = encodeText(viewName)
  out.u32(collectorId.w0).u16(name.length).octets(name).u16(peers.length)
  for (const { routerId, address, as, as4 } of peers) {
    if (!as4 && as > 0xffff) throw new ValueError('mrt.peer-as', String(as), '0–65,535, or as4')
    out.u8((address.family === 6 ? MRT_PEER_FLAG.ipv6 : 0) | (as4 ? MRT_PEER_FLAG.as4 : 0))
    out.u32(routerId.w0).octets(address.toBytes())
    if (as4) out.u32(as)
    else out.u16(as)
  }
}
