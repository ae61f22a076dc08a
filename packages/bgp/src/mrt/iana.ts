/** Record types (RFC 6396 §4, §5; `bgp` is the form of before, appendix B.2). */
export const MRT_TYPE = { bgp: 5, tableDump: 12, tableDumpV2: 13, bgp4mp: 16, bgp4mpEt: 17 } as const

/** Types whose records have microseconds behind the header (RFC 6396 §3). */
export const EXTENDED_TIMESTAMP: ReadonlySet<number> = new Set([17, 33, 49])

/** Subtypes of TABLE_DUMP_V2 (RFC 6396 §4.3, RFC 8050 §4). */
export const TABLE_DUMP_V2 = {
  peerIndexTable: 1,
  ipv4Unicast: 2,
  ipv4Multicast: 3,
  ipv6Unicast: 4,
  ipv6Multicast: 5,
  generic: 6,
  ipv4UnicastAddPath: 8,
  ipv4MulticastAddPath: 9,
  ipv6UnicastAddPath: 10,
  ipv6MulticastAddPath: 11,
  genericAddPath: 12,
} as const

/** Subtypes of BGP4MP (RFC 6396 §4.4, RFC 8050 §3). */
export const BGP4MP = {
  stateChange: 0,
  message: 1,
  messageAs4: 4,
  stateChangeAs4: 5,
  messageLocal: 6,
  messageAs4Local: 7,
  messageAddPath: 8,
  messageAs4AddPath: 9,
  messageLocalAddPath: 10,
  messageAs4LocalAddPath: 11,
} as const

/** Octets of timestamp, type, subtype and length (RFC 6396 §2). */
export const MRT_HEADER_SIZE = 12

/** Bits of a peer's type in the index (RFC 6396 §4.3.1). */
export const MRT_PEER_FLAG = { ipv6: 0x01, as4: 0x02 } as const

/** State numbers of a state change (RFC 6396 §4.4.1). */
export const MRT_STATE = { idle: 1, connect: 2, active: 3, openSent: 4, openConfirm: 5, established: 6 } as const
