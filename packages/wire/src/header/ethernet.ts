import type { ByteReader } from '../byte-reader.js'
import { MacAddress } from '../value/mac-address.js'
import { ETHER_TYPE_SERVICE_VLAN, ETHER_TYPE_VLAN } from './iana.js'
import { u16At } from './octets.js'

/**
 * Ethernet II header, with the 802.1Q tags that may stand before the EtherType.
 *
 *     +-------------------+-------------------+ - - - - - - - - - - +-----------+
 *     | destination, 6    | source, 6         | TPID, 2  | TCI, 2   | EtherType |
 *     +-------------------+-------------------+ - - - - - - - - - - +-----------+
 *                                               0, 1 or 2 tags
 *     TCI: priority, 3 bits; drop eligible, 1; VLAN id, 12
 */
export interface EthernetHeader {
  readonly destination: MacAddress
  readonly source: MacAddress
  /** From the outside in; at most two. */
  readonly tags: readonly VlanTag[]
  /** 1,536–65,535. */
  readonly etherType: number
}

/** A VLAN tag (IEEE 802.1Q-2022 §9.6). */
export interface VlanTag {
  /** `ETHER_TYPE_VLAN` or `ETHER_TYPE_SERVICE_VLAN`. */
  readonly protocol: number
  /** 0–7. */
  readonly priority: number
  readonly dropEligible: boolean
  /** 0–4,095; 0: priority only. */
  readonly id: number
}

/** Octets of a header without tags. */
export const ETHERNET_HEADER_SIZE = 14
/** Octets of an IEEE 802.1Q tag. */
export const VLAN_TAG_SIZE = 4
/** A customer's tag inside a provider's; more are refused. */
export const MAX_VLAN_TAGS = 2

const FIRST_ETHER_TYPE = 0x0600

/** Octets that `encodeEthernetHeader` writes. */
export function ethernetHeaderSize({ tags }: EthernetHeader): number {
  return ETHERNET_HEADER_SIZE + tags.length * VLAN_TAG_SIZE
}

/** Writes `header` at `offset`; returns the offset behind it. */
export function encodeEthernetHeader(header: EthernetHeader, out: DataView, offset: number): number {
  let at = header.destination.writeTo(out, offset)
  at = header.source.writeTo(out, at)
  for (const { protocol, priority, dropEligible, id } of header.tags) {
    out.setUint16(at, protocol)
    out.setUint16(at + 2, (priority << 13) | (dropEligible ? 0x1000 : 0) | id)
    at += VLAN_TAG_SIZE
  }
  out.setUint16(at, header.etherType)
  return at + 2
}

/**
 * Reads a header with its VLAN tags.
 *
 * @throws WireError `wire.truncated`; `wire.ethernet.length-field` for an IEEE 802.3 length where an EtherType must be; `wire.ethernet.tags` for
 * more than two tags
 */
export function decodeEthernetHeader(input: ByteReader): EthernetHeader {
  const destination = MacAddress.fromBytes(input.octets(6))
  const source = MacAddress.fromBytes(input.octets(6))
  const tags: VlanTag[] = []
  for (;;) {
    const etherType = input.u16()
    if (!isVlan(etherType)) {
      if (etherType < FIRST_ETHER_TYPE) input.fail('wire.ethernet.length-field', 'IEEE 802.3-2022 §3.2.6')
      return { destination, source, tags, etherType }
    }
    if (tags.length === MAX_VLAN_TAGS) input.fail('wire.ethernet.tags', 'IEEE 802.1Q-2022 §9.3')
    const control = input.u16()
    tags.push({ protocol: etherType, priority: control >>> 13, dropEligible: (control & 0x1000) !== 0, id: control & 0xfff })
  }
}

/* The hot path. */

/** Octets up to the payload, tags included; -1 when the frame ends before, or has more than two tags. */
export function ethernetHeaderLength(bytes: Uint8Array, at: number, end: number): number {
  for (let tags = 0; tags <= MAX_VLAN_TAGS; tags++) {
    const type = at + 12 + tags * VLAN_TAG_SIZE
    if (type + 2 > end) return -1
    if (!isVlan(u16At(bytes, type))) return type + 2 - at
  }
  return -1
}

/** The EtherType behind the tags of a frame whose header has `headerLength` octets. */
export function ethernetEtherType(bytes: Uint8Array, at: number, headerLength: number): number {
  return u16At(bytes, at + headerLength - 2)
}

/** Whether the frame is for a group: multicast or broadcast. */
export function ethernetIsGroup(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] & 1) === 1
}

function isVlan(etherType: number): boolean {
  return etherType === ETHER_TYPE_VLAN || etherType === ETHER_TYPE_SERVICE_VLAN
}
