import type { Row } from './row.js'

/** Rows whose expectation is not met, and why that is right. */
export interface Exception {
  readonly why: string
  readonly applies: (row: Row, codes: readonly string[]) => boolean
}

const only = (codes: readonly string[], ...allowed: string[]): boolean => codes.length > 0 && codes.every((code) => allowed.includes(code))
const ids =
  (...list: string[]): ((row: Row) => boolean) =>
  ({ id }) =>
    list.includes(id)

/** Valid rows that are treated as withdraw or refused. `codes` are those of the errors that do it. */
export const VALID_BUT_REFUSED: readonly Exception[] = [
  {
    why: 'a monitoring station gets routes of a table written as UPDATEs: NEXT_HOP or AS_PATH is missing or unspecified there, as it never is between peers',
    applies: ({ origin, source }, codes) =>
      (origin === 'bmp-capture' || origin === 'peer-bmp' || source.includes('bmp-pkt')) &&
      only(codes, 'bgp.attribute.missing', 'bgp.attribute.next-hop'),
  },
  {
    why: 'the monitored session has two-octet AS numbers, which the row does not know; NEXT_HOP is unspecified as above',
    applies: ({ origin }, codes) =>
      (origin === 'peer-bmp' || origin === 'bmp-capture') &&
      only(codes, 'bgp.attribute.length', 'bgp.attribute.next-hop', 'bgp.attribute.missing'),
  },
  { why: 'a monitored speaker reports AS 0 for itself (RFC 7607 forbids it in OPEN)', applies: ids('s028033') },
  {
    why: 'the row does not know of path identifiers, and the octets have them',
    applies: ({ addpath, origin }, codes) =>
      addpath === null && (origin === 'bmp-capture' || origin === 'unittest') && only(codes, 'bgp.nlri.label', 'bgp.nlri.truncated'),
  },
  {
    why: 'the row does not know the width of AS numbers, and it is two octets',
    applies: ({ asn4 }, codes) =>
      asn4 === null &&
      only(codes, 'bgp.attribute.length', 'bgp.attribute.as-path.segment-type', 'bgp.attribute.next-hop', 'bgp.attribute.missing'),
  },
  {
    why: 'ExaBGP in its own tests announces 127.0.0.x as next hop (RFC 4271 §6.3)',
    applies: ({ origin }, codes) => origin === 'exabgp-qa' && only(codes, 'bgp.attribute.next-hop'),
  },
  {
    why: 'Ryu and ExaBGP write the whole address behind the offset of an IPv6 FlowSpec prefix; RFC 8956 §3.1 has only the bits behind it',
    applies: ids('s031010', 's031214'),
  },
  { why: 'an EVPN leave synch without the flags that RFC 9251 §9.3 has', applies: ids('s031189') },
  {
    why: 'GoBGP lost the path identifiers of FlowSpec and passed on the rules as one, run together (it crashed over it soon after)',
    applies: ({ source }, codes) => source.startsWith('peers/addpathcrash/') && only(codes, 'bgp.nlri.flowspec.type'),
  },
  { why: 'AS 0 in AS_PATH (RFC 7607 came later than the test)', applies: ids('s057617') },
]

/** Malformed rows that are accepted. */
export const MALFORMED_BUT_ACCEPTED: readonly Exception[] = [
  { why: 'the identifier of an mLDP tunnel is kept as octets; only the upstream project takes it apart', applies: ids('s057924') },
]

/** Valid rows of which a discarded attribute was all there was, so that what is written again is another message. */
export const EMPTIED: readonly string[] = ['s058224', 's058229']

/** Rows whose label stack reads otherwise in ExaBGP: without a bottom mark there is more than one way to take them apart. */
export const AMBIGUOUS_LABELS: readonly Exception[] = [
  {
    why: 'GoBGP took a top label of 524,288 for the withdrawn label and passed on what it then read; ExaBGP ends a stack at 0x000000, GoBGP at 0x800000',
    applies: ({ source, families }) => source.startsWith('peers/labels/') && families.includes('+2/128'),
  },
]

/** Rows of which tshark prints other attributes. */
export const TSHARK_DIFFERS: readonly Exception[] = [
  {
    why: 'tshark prints the attributes within ATTR_SET (RFC 6368) as if they were those of the message',
    applies: ids('s032666', 's057846'),
  },
  { why: 'tshark reads a CLUSTER_LIST of two-octet length one octet too early', applies: ids('s057906', 's057907') },
  {
    why: 'next hops of families whose routes are kept octet for octet are kept so too',
    applies: ({ families }) =>
      !families.every((family) => /^[+-](?:[12]\/(?:1|2|4|5|73|85|128|132|133|134)|25\/(?:65|70|134)|16388\/71)$/.test(family)),
  },
]
