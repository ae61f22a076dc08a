import { IpAddress, RouteDistinguisher, type ByteReader, type ByteWriter } from '@heddle/wire'
import { BMP_PEER_FLAG, BMP_PEER_TYPE } from './iana.js'

/** Of whom, and of which table, a message speaks (RFC 7854 §4.2). */
export interface BmpPeer {
  /** One of `BMP_PEER_TYPE`; others are kept as they are. */
  readonly peerType: number
  /** As on the wire; `isPostPolicy`, `isAdjRibOut` and `hasTwoOctetAs` read them. */
  readonly flags: number
  /** Of the VRF that the peer is in; all zero for a global instance. */
  readonly distinguisher: RouteDistinguisher
  /** Unspecified IPv6 for Loc-RIB. */
  readonly address: IpAddress
  readonly as: number
  readonly routerId: IpAddress
  /** When the routes were received: seconds since 1970, 0 where it is not known. */
  readonly seconds: number
  readonly microseconds: number
}

/**
 * Per-peer header (RFC 7854 §4.2), 42 octets.
 *
 *     +---------------+-----------+--------------------+---------------------------+
 *     | peer type (1) | flags (1) | distinguisher (8)  | address (16)              |
 *     +---------------+-----------+--------------------+---------------------------+
 *     | AS (4)        | BGP identifier (4)             | seconds (4) | micros. (4) |
 *     +---------------+--------------------------------+---------------------------+
 */
export function decodePeer(input: ByteReader): BmpPeer {
  const peerType = input.u8()
  const flags = input.u8()
  const distinguisher = RouteDistinguisher.fromWords(input.u32(), input.u32())
  return {
    peerType,
    flags,
    distinguisher,
    address: readAddress(input, isIpv6({ peerType, flags })),
    as: input.u32(),
    routerId: IpAddress.v4(input.u32()),
    seconds: input.u32(),
    microseconds: input.u32(),
  }
}

/** Writes 42 octets. */
export function encodePeer(peer: BmpPeer, out: ByteWriter): void {
  out.u8(peer.peerType).u8(peer.flags).u32(peer.distinguisher.high).u32(peer.distinguisher.low)
  writeAddress(peer.address, out)
  out.u32(peer.as).u32(peer.routerId.w0).u32(peer.seconds).u32(peer.microseconds)
}

/** Twelve octets of zero and an IPv4 address, or an IPv6 address. */
export function readAddress(input: ByteReader, ipv6: boolean): IpAddress {
  const bytes = input.octets(16)
  // Octets where zeros belong: it is no IPv4 address, whatever the flag says, and must not be lost.
  const four = !ipv6 && bytes.subarray(0, 12).every((octet) => octet === 0)
  return IpAddress.fromBytes(four ? bytes.subarray(12) : bytes)
}

/** Writes sixteen octets. */
export function writeAddress(address: IpAddress, out: ByteWriter): void {
  if (address.family === 4) out.u32(0).u32(0).u32(0)
  out.octets(address.toBytes())
}

/** Whether addresses of the peer are IPv6; those of Loc-RIB are written so. */
export function isIpv6({ peerType, flags }: Pick<BmpPeer, 'peerType' | 'flags'>): boolean {
  return peerType === BMP_PEER_TYPE.locRib || (flags & BMP_PEER_FLAG.ipv6) !== 0
}

/** The routes are those that the speaker itself has chosen (RFC 9069 §4). */
export function isLocRib({ peerType }: Pick<BmpPeer, 'peerType'>): boolean {
  return peerType === BMP_PEER_TYPE.locRib
}

/** The routes are those after the import (or export) policy. */
export function isPostPolicy({ peerType, flags }: BmpPeer): boolean {
  return peerType !== BMP_PEER_TYPE.locRib && (flags & BMP_PEER_FLAG.postPolicy) !== 0
}

/** The routes are those sent to the peer (RFC 8671 §4). */
export function isAdjRibOut({ peerType, flags }: BmpPeer): boolean {
  return peerType !== BMP_PEER_TYPE.locRib && (flags & BMP_PEER_FLAG.adjRibOut) !== 0
}

/** AS_PATH in the routes has two-octet AS numbers (RFC 7854 §4.2); never for Loc-RIB (RFC 9069 §5.4). */
export function hasTwoOctetAs({ peerType, flags }: BmpPeer): boolean {
  return peerType !== BMP_PEER_TYPE.locRib && (flags & BMP_PEER_FLAG.as2) !== 0
}
