/** Message types (RFC 4271 §4.1, RFC 2918 §3). */
export const MESSAGE_TYPE = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const

/** Address family identifiers (RFC 4760, IANA address-family-numbers). */
export const AFI = { ipv4: 1, ipv6: 2, l2vpn: 25, bgpLs: 16388 } as const

/** Subsequent address family identifiers (IANA safi-namespace). */
export const SAFI = {
  unicast: 1,
  multicast: 2,
  labeledUnicast: 4,
  mcastVpn: 5,
  vpls: 65,
  evpn: 70,
  bgpLs: 71,
  bgpLsVpn: 72,
  srPolicy: 73,
  mup: 85,
  vpn: 128,
  vpnMulticast: 129,
  rtc: 132,
  flowspec: 133,
  flowspecVpn: 134,
} as const

/** Path attribute type codes (IANA bgp-parameters). */
export const ATTRIBUTE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReachNlri: 14,
  mpUnreachNlri: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  pmsiTunnel: 22,
  tunnelEncapsulation: 23,
  ipv6ExtendedCommunities: 25,
  aigp: 26,
  bgpLs: 29,
  largeCommunities: 32,
  otc: 35,
  domainPath: 36,
  bfdDiscriminator: 38,
  nextHopCharacteristics: 39,
  prefixSid: 40,
  attrSet: 128,
} as const

/** Bits of the attribute flags octet (RFC 4271 §4.3); the low four are unused. */
export const ATTRIBUTE_FLAG = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const

/** AS_PATH segment types (RFC 4271 §4.3, RFC 5065 §3). */
export const AS_SEGMENT = { set: 1, sequence: 2, confedSequence: 3, confedSet: 4 } as const

/** Capability codes (IANA capability-codes). */
export const CAPABILITY = {
  multiprotocol: 1,
  routeRefresh: 2,
  outboundRouteFiltering: 3,
  extendedNextHop: 5,
  extendedMessage: 6,
  role: 9,
  gracefulRestart: 64,
  fourOctetAs: 65,
  dynamic: 67,
  addPath: 69,
  enhancedRouteRefresh: 70,
  longLivedGracefulRestart: 71,
  fqdn: 73,
  softwareVersion: 75,
  routeRefreshCisco: 128,
} as const

/** NOTIFICATION error codes (RFC 4271 §4.5, RFC 7313 §5, RFC 9687 §4.3). */
export const NOTIFICATION = { header: 1, open: 2, update: 3, holdTimer: 4, fsm: 5, cease: 6, routeRefresh: 7, sendHoldTimer: 8 } as const

/** Subcodes of a message header error (RFC 4271 §6.1). */
export const HEADER_ERROR = { notSynchronized: 1, badLength: 2, badType: 3 } as const

/** Subcodes of an OPEN error (RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §5). */
export const OPEN_ERROR = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedParameter: 4,
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
  roleMismatch: 11,
} as const

/** Subcodes of an UPDATE error (RFC 4271 §6.3). */
export const UPDATE_ERROR = {
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  attributeFlags: 4,
  attributeLength: 5,
  invalidOrigin: 6,
  invalidNextHop: 8,
  optionalAttribute: 9,
  invalidNetworkField: 10,
  malformedAsPath: 11,
} as const

/** Subcodes of Cease (RFC 4486 §4, RFC 8538 §3.1, RFC 9384 §3). */
export const CEASE = {
  maximumPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  otherConfigurationChange: 6,
  collisionResolution: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const

/** Stands in two-octet fields for an AS number above 65,535 (RFC 6793 §9). */
export const AS_TRANS = 23_456

/** Octets of marker, length and type (RFC 4271 §4.1). */
export const HEADER_SIZE = 19

/** Largest message without and with the extended message capability (RFC 4271 §4.1, RFC 8654 §3). */
export const MAX_MESSAGE_SIZE = { standard: 4096, extended: 65_535 } as const

/** Tunnel types of RFC 9012 §4.1 and of the tunnel encapsulation attribute (IANA bgp-tunnel-encapsulation). */
export const TUNNEL_TYPE = {
  l2tpv3: 1,
  gre: 2,
  ipInIp: 7,
  vxlan: 8,
  nvgre: 9,
  mpls: 10,
  mplsInGre: 11,
  vxlanGpe: 12,
  mplsInUdp: 13,
  geneve: 19,
} as const

/** Well-known communities (RFC 1997, RFC 7999, RFC 8326, RFC 9494). */
export const WELL_KNOWN_COMMUNITY = {
  gracefulShutdown: 0xffff_0000,
  llgrStale: 0xffff_0006,
  noLlgr: 0xffff_0007,
  blackhole: 0xffff_029a,
  noExport: 0xffff_ff01,
  noAdvertise: 0xffff_ff02,
  noExportSubconfed: 0xffff_ff03,
  noPeer: 0xffff_ff04,
} as const
