/** LINKTYPE registry values whose packets are taken apart. */
export const LINK_TYPE = {
  null: 0,
  ethernet: 1,
  ppp: 9,
  rawBsd: 12,
  rawOpenBsd: 14,
  pppHdlc: 50,
  raw: 101,
  cHdlc: 104,
  loop: 108,
  linuxSll: 113,
  ipv4: 228,
  ipv6: 229,
  linuxSll2: 276,
} as const

const ETHER_TYPE = { ipv4: 0x0800, ipv6: 0x86dd, mpls: 0x8847, mplsUpstream: 0x8848, pppoe: 0x8864 } as const
const TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100])
/** Octets of a label stack entry, and the bit that says that it is the last one (RFC 3032 §2.1). */
const LABEL = 4
const BOTTOM = 0x01

/**
 * The IP packet in a captured packet: behind Ethernet (with VLAN tags, MPLS labels, PPPoE), Linux's cooked headers, the headers of loopback devices
 * and serial links, or nothing at all.
 *
 * @returns `undefined` when there is none, or the link type is another one
 */
export function ipPacketOf(linkType: number, bytes: Uint8Array): Uint8Array | undefined {
  switch (linkType) {
    case LINK_TYPE.ethernet:
      return behindEtherType(bytes, 12)
    case LINK_TYPE.linuxSll:
    case LINK_TYPE.cHdlc:
      return behindEtherType(bytes, linkType === LINK_TYPE.linuxSll ? 14 : 2)
    case LINK_TYPE.linuxSll2:
      return behindEtherType(bytes, 0, 20)
    case LINK_TYPE.null:
    case LINK_TYPE.loop:
      return byVersion(bytes.subarray(4))
    case LINK_TYPE.ppp:
    case LINK_TYPE.pppHdlc:
      return behindPpp(bytes)
    case LINK_TYPE.raw:
    case LINK_TYPE.rawBsd:
    case LINK_TYPE.rawOpenBsd:
    case LINK_TYPE.ipv4:
    case LINK_TYPE.ipv6:
      return byVersion(bytes)
    default:
      return undefined
  }
}

/** @param at of the EtherType @param from of what it names, behind the EtherType if left out */
function behindEtherType(bytes: Uint8Array, at: number, from = at + 2): Uint8Array | undefined {
  let [type, next] = [u16(bytes, at), from]
  while (TAGS.has(type)) {
    type = u16(bytes, next + 2)
    next += 4
  }
  switch (type) {
    case ETHER_TYPE.ipv4:
    case ETHER_TYPE.ipv6:
      return byVersion(bytes.subarray(next))
    case ETHER_TYPE.mpls:
    case ETHER_TYPE.mplsUpstream:
      return behindLabels(bytes.subarray(next))
    case ETHER_TYPE.pppoe:
      return behindPpp(bytes.subarray(next + 6))
    default:
      return undefined
  }
}

function behindLabels(bytes: Uint8Array): Uint8Array | undefined {
  for (let at = 0; at + LABEL <= bytes.length; at += LABEL) {
    if ((bytes[at + 2] & BOTTOM) !== 0) return byVersion(bytes.subarray(at + LABEL))
  }
  return undefined
}

/** PPP in HDLC-like framing or without (RFC 1662 §3.2). */
function behindPpp(bytes: Uint8Array): Uint8Array | undefined {
  const from = bytes[0] === 0xff && bytes[1] === 0x03 ? 2 : 0
  const protocol = u16(bytes, from)
  return protocol === 0x0021 || protocol === 0x0057 ? byVersion(bytes.subarray(from + 2)) : undefined
}

function byVersion(bytes: Uint8Array): Uint8Array | undefined {
  const version = bytes.length === 0 ? 0 : bytes[0] >>> 4
  return version === 4 || version === 6 ? bytes : undefined
}

function u16(bytes: Uint8Array, at: number): number {
  return at + 2 > bytes.length ? 0 : (bytes[at] << 8) | bytes[at + 1]
}
