// Codecs
export {
  AFI,
  AS_TRANS,
  ATTRIBUTE,
  ATTRIBUTE_FLAG,
  CAPABILITY,
  CEASE,
  HEADER_ERROR,
  HEADER_SIZE,
  MAX_MESSAGE_SIZE,
  MESSAGE_TYPE,
  NOTIFICATION,
  OPEN_ERROR,
  SAFI,
  TUNNEL_TYPE,
  UPDATE_ERROR,
  WELL_KNOWN_COMMUNITY,
} from './iana.js'
export { strongestHandling, type BgpError, type ErrorHandling, type NotificationCode } from './validate/bgp-error.js'
export {
  BGP_LS,
  FAMILIES,
  IPV4_FLOWSPEC,
  IPV4_LABELED_UNICAST,
  IPV4_MULTICAST,
  IPV4_UNICAST,
  IPV6_FLOWSPEC,
  IPV6_LABELED_UNICAST,
  IPV6_MULTICAST,
  IPV6_UNICAST,
  L2VPN_EVPN,
  L2VPN_VPLS,
  RTC,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  familyByName,
  familyKey,
  familyOf,
  type Family,
} from './nlri/family.js'
export type { Nlri } from './nlri/nlri.js'
export type { UnicastNlri } from './nlri/unicast.js'
export type { LabeledUnicastNlri } from './nlri/labeled-unicast.js'
export type { VpnNlri } from './nlri/vpn.js'
export type { RawNlri } from './nlri/raw.js'
export { RTC_DEFAULT, routeTargetMembership, routeTargetOf, type RouteTargetMembershipNlri } from './nlri/route-target-membership.js'
export type {
  EvpnEthernetAutoDiscovery,
  EvpnEthernetSegment,
  EvpnInclusiveMulticast,
  EvpnIpPrefix,
  EvpnMacIp,
  EvpnNlri,
  EvpnOther,
} from './nlri/evpn.js'
export type { NextHop } from './next-hop/next-hop.js'
export type { ExtendedCommunity } from './community/extended.js'
export type { LargeCommunity } from './community/large.js'
export type { Aggregator, AsPathSegment, Origin, PathAttributes, PmsiTunnel, UnknownAttribute } from './attribute/path-attributes.js'
export type { Tunnel, TunnelEncapsulation, TunnelSubTlv } from './attribute/tunnel-encapsulation.js'
export type {
  AddPathEntry,
  BgpRole,
  Capability,
  ExtendedNextHopEntry,
  GracefulRestartCapability,
  LlgrEntry,
  OutboundRouteFilteringEntry,
} from './capability/capability.js'
export type { NegotiatedSession } from './capability/negotiated-session.js'
export type {
  Announcement,
  BgpMessage,
  KeepaliveMessage,
  NotificationMessage,
  OpenMessage,
  RouteRefreshMessage,
  UpdateMessage,
  Withdrawal,
} from './message/message.js'
export type { DecodeOptions, EncodeOptions } from './message/options.js'
export type { DecodeResult } from './message/result.js'
export { decodeMessage, encodeMessage } from './decode.js'
export { decodeLine, decodeToJson } from './decode-line.js'
export { messageToJson, resultToJson, type Json, type JsonError, type JsonResult } from './message/json.js'
export { readHeader, type HeaderResult, type MessageHeader } from './message/header.js'
export { KEEPALIVE } from './message/keepalive.js'
export { ROUTE_REFRESH_SUBTYPE } from './message/route-refresh.js'
export { decodeUpdate, endOfRibOf, readNextHop, withdrawMalformed } from './message/update.js'
export { walkUpdate, type AttributeSpan, type NlriSpan, type ReachSpan, type UpdateView, type WalkResult } from './message/update-view.js'
export { encodeEndOfRib, packUpdates, packWithdrawals, type RouteGroup } from './message/pack.js'
export { decodeAttributes, type AttributesResult } from './validate/attributes.js'
export { checkNlriFields, judgeUpdate } from './validate/update.js'
export { canonicalAttributes, decodeAttributeSet, type AttributeSet } from './attribute/attribute-set.js'
export { passOn } from './attribute/pass-on.js'
export { ORIGIN_CODE } from './attribute/origin.js'
export { asPathLength, formatAsPath } from './attribute/as-path.js'
export { negotiate } from './capability/negotiate.js'
export { checkNlri, isVisitable, visitNlri, type NlriCursor, type NlriFault } from './nlri/visit.js'
export type { NlriMode } from './nlri/nlri-mode.js'
export { encapsulationsOf, extendedCommunityFromWords, extendedCommunityWords, routeTargetsOf } from './community/extended.js'
export { formatCommunity, parseCommunity } from './community/standard.js'
export { formatLargeCommunity } from './community/large.js'
