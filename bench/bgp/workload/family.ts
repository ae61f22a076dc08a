import { FLAGS, TYPE, attribute, updateMessage, u16 } from './octets.ts'

/** An address family as its UPDATEs need it. */
export interface AddressFamily {
  readonly name: 'ipv4' | 'vpnv4'
  readonly afi: number
  readonly safi: number
  /** Octets of labels in an entry, behind its length. */
  readonly labelOctets: number
  /** Octets that announcing costs beside the entries and the path attributes of the set. */
  reachOverhead(nextHop: readonly number[]): number
  readonly unreachOverhead: number
  announce(attributes: readonly number[], nextHop: readonly number[], nlri: readonly number[]): Uint8Array
  withdraw(nlri: readonly number[]): Uint8Array
  /** The entry as a withdrawal names it. */
  withdrawn(entry: Uint8Array): Uint8Array
}

/** RFC 4271: NEXT_HOP and the NLRI field. */
export const IPV4: AddressFamily = {
  name: 'ipv4',
  afi: 1,
  safi: 1,
  labelOctets: 0,
  reachOverhead: () => 0,
  unreachOverhead: 0,
  announce: (attributes, _nextHop, nlri) => updateMessage([], attributes, nlri),
  withdraw: (nlri) => updateMessage(nlri, [], []),
  withdrawn: (entry) => entry,
}

/** Flags, type and two octets of length; AFI and SAFI. */
const MULTIPROTOCOL_HEAD = 4 + 3
/** RFC 8277 §2.4: what a withdrawal has in place of the label. */
const COMPATIBILITY = [0x80, 0, 0]

/** RFC 4364: MP_REACH_NLRI and MP_UNREACH_NLRI. */
export const VPNV4: AddressFamily = {
  name: 'vpnv4',
  afi: 1,
  safi: 128,
  labelOctets: 3,
  reachOverhead: (nextHop) => MULTIPROTOCOL_HEAD + 1 + nextHop.length + 1,
  unreachOverhead: MULTIPROTOCOL_HEAD,
  // MP_REACH_NLRI first, as RFC 7606 §5.1 wants it
  announce: (attributes, nextHop, nlri) =>
    updateMessage(
      [],
      [...attribute(FLAGS.optional, TYPE.mpReach, [...u16(1), 128, nextHop.length, ...nextHop, 0, ...nlri]), ...attributes],
      [],
    ),
  withdraw: (nlri) => updateMessage([], attribute(FLAGS.optional, TYPE.mpUnreach, [...u16(1), 128, ...nlri]), []),
  withdrawn: (entry) => {
    const out = entry.slice()
    out.set(COMPATIBILITY, 1)
    return out
  },
}
