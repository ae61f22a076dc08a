/** Message types (RFC 7854 §4.1). */
export const BMP_TYPE = {
  routeMonitoring: 0,
  statisticsReport: 1,
  peerDown: 2,
  peerUp: 3,
  initiation: 4,
  termination: 5,
  routeMirroring: 6,
} as const

/** The version of RFC 7854. */
export const BMP_VERSION = 3

/** Octets of version, length and type (RFC 7854 §4.1). */
export const BMP_HEADER_SIZE = 6

/** Peer types (RFC 7854 §4.2, RFC 9069 §4.1). */
export const BMP_PEER_TYPE = { global: 0, rd: 1, local: 2, locRib: 3 } as const

/** Peer flags (RFC 7854 §4.2, RFC 8671 §4); for Loc-RIB the first bit means "filtered" (RFC 9069 §4.2). */
export const BMP_PEER_FLAG = { ipv6: 0x80, postPolicy: 0x40, as2: 0x20, adjRibOut: 0x10, filtered: 0x80 } as const

/** Information TLVs of initiation, peer up and peer down (RFC 7854 §4.4, RFC 9069 §5.2.1). */
export const BMP_INFORMATION = { text: 0, systemDescription: 1, systemName: 2, tableName: 3 } as const

/** Reasons of peer down (RFC 7854 §4.9, RFC 9069 §5.3). */
export const BMP_PEER_DOWN = {
  localNotification: 1,
  localFsm: 2,
  remoteNotification: 3,
  remoteClosed: 4,
  deconfigured: 5,
  locRib: 6,
} as const

/** TLVs of route mirroring (RFC 7854 §4.7). */
export const BMP_MIRRORING = { message: 0, information: 1 } as const
