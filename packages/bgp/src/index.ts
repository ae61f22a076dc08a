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
  BGP_LS_VPN,
  FAMILIES,
  IPV4_FLOWSPEC,
  IPV4_LABELED_UNICAST,
  IPV4_MCAST_VPN,
  IPV4_MULTICAST,
  IPV4_MUP,
  IPV4_SR_POLICY,
  IPV4_UNICAST,
  IPV6_FLOWSPEC,
  IPV6_LABELED_UNICAST,
  IPV6_MCAST_VPN,
  IPV6_MULTICAST,
  IPV6_MUP,
  IPV6_SR_POLICY,
  IPV6_UNICAST,
  L2VPN_EVPN,
  L2VPN_FLOWSPEC,
  L2VPN_VPLS,
  RTC,
  VPNV4_FLOWSPEC,
  VPNV4_MULTICAST,
  VPNV4_UNICAST,
  VPNV6_FLOWSPEC,
  VPNV6_MULTICAST,
  VPNV6_UNICAST,
  familyByName,
  familyKey,
  familyOf,
  type Family,
} from './nlri/family.js'
export type { Nlri } from './nlri/nlri.js'
export { formatNlri } from './nlri/text.js'
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
export type {
  EvpnLeaf,
  EvpnLeave,
  EvpnMembershipReport,
  EvpnMulticastNlri,
  EvpnPerRegion,
  EvpnSelectiveMulticast,
  EvpnSelectivePmsi,
  MulticastFlow,
} from './nlri/evpn-multicast.js'
export type { FlowspecNlri } from './nlri/flowspec.js'
export type {
  FlowspecBitmask,
  FlowspecBitmaskType,
  FlowspecComponent,
  FlowspecNumeric,
  FlowspecNumericType,
  FlowspecPrefix,
} from './nlri/flowspec-component.js'
export type { BitmaskMatch, NumericMatch } from './nlri/flowspec-operator.js'
export type { LinkStateNlri, LinkStateObject, LinkStateOther, LinkStateTlv } from './nlri/bgp-ls.js'
export type { MupNlri } from './nlri/mup.js'
export type { MvpnInterAs, MvpnIntraAs, MvpnJoin, MvpnLeaf, MvpnNlri, MvpnOther, MvpnSelective, MvpnSourceActive } from './nlri/mvpn.js'
export type { SrPolicyNlri } from './nlri/sr-policy.js'
export type { VplsDiscoveryNlri, VplsEdgeNlri, VplsNlri } from './nlri/vpls.js'
export type { NextHop } from './next-hop/next-hop.js'
export type { ExtendedCommunity } from './community/extended.js'
export type { EvpnCommunity } from './community/evpn-communities.js'
export type { FlowspecAction } from './community/flowspec-actions.js'
export type { Ipv6ExtendedCommunity } from './community/ipv6.js'
export type { JointLabelsCommunity } from './community/joint-labels.js'
export type { VpnCommunity } from './community/vpn-communities.js'
export type { LargeCommunity } from './community/large.js'
export type { AttrSet } from './attribute/attr-set.js'
export type { Aggregator, AsPathSegment, Origin, PathAttributes, UnknownAttribute } from './attribute/path-attributes.js'
export type { PmsiTunnel } from './attribute/pmsi-tunnel.js'
export type { PmsiTunnelIdentifier } from './attribute/pmsi-tunnel-identifier.js'
export type { Tunnel, TunnelEncapsulation } from './attribute/tunnel-encapsulation.js'
export type { TunnelLabel, TunnelSubTlv } from './attribute/tunnel-sub-tlv.js'
export type { SegmentSubTlv } from './attribute/segment-list.js'
export { transposeSid, type PrefixSidTlv } from './attribute/prefix-sid.js'
export type { Srv6ServiceSubTlv, Srv6SidStructure, Srv6Unknown } from './attribute/srv6-service.js'
export type { BfdDiscriminator } from './attribute/bfd-discriminator.js'
export type { Domain, DomainPath } from './attribute/domain-path.js'
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
export type { AddressPrefixFilter, OutboundRouteFilter, OutboundRouteFilters } from './message/outbound-route-filter.js'
export type { DecodeResult } from './message/result.js'
export { decodeMessage, encodeMessage } from './decode.js'
export { decodeLine, decodeToJson } from './decode-line.js'
export { messageToJson, resultToJson, toJson, type Json, type JsonError, type JsonResult } from './message/json.js'
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
export { jointLabelsCommunity, readsJointLabels } from './community/joint-labels.js'
export { formatCommunity, parseCommunity } from './community/standard.js'
export { formatLargeCommunity } from './community/large.js'
export type { CodecFault } from './codec-fault.js'

// Monitoring: BMP and MRT; origin validation: RTR
export {
  BMP_HEADER_SIZE,
  BMP_INFORMATION,
  BMP_MIRRORING,
  BMP_PEER_DOWN,
  BMP_PEER_FLAG,
  BMP_PEER_TYPE,
  BMP_TYPE,
  BMP_VERSION,
} from './bmp/iana.js'
export { decodeBmp, encodeBmp, readBmpHeader, type BmpHeaderResult, type BmpResult } from './bmp/codec.js'
export type { BmpInformation } from './bmp/information.js'
export type {
  BmpInitiation,
  BmpMessage,
  BmpMirroringTlv,
  BmpPeerDown,
  BmpPeerUp,
  BmpRouteMirroring,
  BmpRouteMonitoring,
  BmpStatisticsReport,
  BmpTermination,
  BmpTerminationTlv,
} from './bmp/message.js'
export { hasTwoOctetAs, isAdjRibOut, isPostPolicy, type BmpPeer } from './bmp/peer.js'
export { BmpStation, bmpMessage, type BmpItem } from './bmp/station.js'
export { BMP_STATISTIC, type BmpStatistic } from './bmp/statistics.js'
export { bmpToJson } from './bmp/json.js'
export { BmpClient, type BmpClientConfig, type BmpClientOptions } from './bmp/client.js'
export type { MonitoredTable } from './bmp/monitored-tables.js'
export { BGP4MP, MRT_HEADER_SIZE, MRT_PEER_FLAG, MRT_STATE, MRT_TYPE, TABLE_DUMP_V2 } from './mrt/iana.js'
export { decodeMrt, encodeMrt, readMrtHeader, type MrtHeader, type MrtResult } from './mrt/codec.js'
export { mrtAttributes, mrtMessage, mrtNlri, mrtTableDumpAttributes, type MrtAttributes } from './mrt/content.js'
export type {
  MrtLegacyMessage,
  MrtLegacyStateChange,
  MrtMessage,
  MrtOther,
  MrtPeer,
  MrtPeerIndexTable,
  MrtRecord,
  MrtRib,
  MrtRibEntry,
  MrtSession,
  MrtStateChange,
  MrtTableDump,
} from './mrt/record.js'
export { MrtStream } from './mrt/stream.js'
export { mrtToJson } from './mrt/json.js'
export { mrtTable, type MrtTableOptions } from './mrt/table-records.js'
export { mrtUpdates, type MrtUpdatesOptions } from './mrt/update-records.js'
export { RTR_HEADER_SIZE, RTR_MAX_VERSION, RTR_TYPE, type RtrPdu } from './rtr/pdu.js'
export { OriginAuthorizations, type OriginAuthorization } from './rtr/authorizations.js'
export { RtrClient, type RtrCacheConfig, type RtrClientOptions } from './rtr/client.js'
export { decodeRtr, encodeRtr, rtrLength, type RtrResult } from './rtr/codec.js'

export { TracePackets, type TraceEnds } from './pcap/trace-packets.js'
export { BgpCapture, type CapturedAt, type CapturedEnd, type CapturedItem } from './pcap/bgp-capture.js'
export { CaptureStream } from './pcap/capture-stream.js'
export type { CaptureResult, CapturedPacket } from './pcap/packet.js'
export { LINK_TYPE, ipPacketOf } from './pcap/link-layer.js'
export { tcpSegmentOf, type TcpSegment } from './pcap/tcp-segment.js'
export { TcpStream, type TcpStreamOutput } from './pcap/tcp-stream.js'
export { capturedToJson } from './pcap/json.js'

// State machine
export { DEFAULT_FSM_CONFIG, type FsmConfig } from './fsm/config.js'
export type { FsmEffect, FsmTimer } from './fsm/effect.js'
export { EVENT_NUMBER, type FsmEvent, type NotificationSummary, type OpenSummary } from './fsm/event.js'
export { INITIAL_FSM, stepFsm } from './fsm/fsm.js'
export type { FsmState, FsmStateName } from './fsm/state.js'
export type { Fsm, FsmStep } from './fsm/transition.js'

// Session
export { Framer, type FramerOutput } from './session/framer.js'

// Tables and rules
export { AttributeSets } from './rib/attribute-sets.js'
export { DEFAULT_LOCAL_PREF } from './attribute/decision-facts.js'
export { bestPath, type BestPath, type BestPathOptions, type BestPathStep, type Eliminations, type PathOrigin } from './rib/best-path.js'
export { LOCAL, RibTable, type PathSink } from './rib/rib-table.js'
export { exportSet, type ExportRefusal, type ExportResult, type ExportSignature, type RouteSource } from './policy/export-rules.js'
export { importSet, loopOf, type ImportResult, type ImportRules, type LoopIdentity } from './policy/import-rules.js'
export { compilePolicy, type CompiledPolicy, type PolicyResult, type PolicyRoute } from './policy/compiled-policy.js'
export type { CommunityChange, OriginValidation, Policy, PolicyChange, PolicyMatch, PolicyTerm, PolicyVerdict } from './policy/policy.js'
export { PolicyError, type PolicyErrorCode } from './policy/policy-error.js'
export { formatPolicy, parsePolicy } from './policy/policy-text.js'
export { communityTexts, type CommunityName } from './policy/community-kind.js'
export { AsPathPattern } from './policy/as-path-pattern.js'
export type { PrivateAsHandling } from './policy/as-path-rules.js'
export { RouteTargetFilter } from './policy/route-target-filter.js'

// Speaker
export { SPOKEN_FAMILIES } from './speaker/config.js'
export { checkSpeakerConfig } from './speaker/check-config.js'
export type {
  ConfederationConfig,
  DynamicNeighborConfig,
  FamilyName,
  GracefulRestartConfig,
  ListenConfig,
  MaxPrefixes,
  NeighborConfig,
  PeerLimits,
  SpeakerConfig,
  SpeakerDefaults,
  SpeakerGracefulRestartConfig,
  SpeakerOptions,
  VrfConfig,
} from './speaker/config.js'
export type { DecisionConfig, NextHopResolver } from './speaker/table/decision.js'
export { addressOf } from './speaker/zoned-address.js'
export type { BfdIntervals, BfdOptions, BfdPath, BfdSource, BfdState, BfdWatch } from './speaker/bfd-source.js'
export type { OriginValidator } from './speaker/origin-validator.js'
export type { SpeakerEvents } from './speaker/events.js'
export type { FamilyCounters, MessageCounters, NeighborView, NotificationView, SessionView } from './speaker/peer/neighbor-view.js'
export {
  LOCAL_PEER,
  type InvalidReason,
  type LocalRoute,
  type LocalRouteKey,
  type RouteAnnouncement,
  type RouteChange,
  type RouteView,
  type RouteWithdrawal,
} from './speaker/route.js'
export type {
  AdvertisementExplanation,
  Explanation,
  ImportExplanation,
  NotAdvertised,
  NotImported,
  PathExplanation,
  PathVerdict,
} from './speaker/query/explain.js'
export type { MessageTrace, TracedMessage } from './speaker/peer/message-trace.js'
export type { TableAccess, TableObserver } from './speaker/table/table-observers.js'
export {
  changedFixed,
  type ChangeImpact,
  type NeighborChange,
  type Reconciliation,
  type SpeakerSetting,
  type VrfChange,
} from './speaker/peer/reconcile.js'
export { Recorder, type RecordedInput, type RecordedMethod } from './speaker/recording.js'
export { replay, type ReplayClock, type ReplayOptions } from './speaker/replay.js'
export type { WatchEvent, WatchedRoute } from './speaker/follow/watch.js'
export type { FamilyMetrics, MemoryMetrics, QueueMetrics, SpeakerMetrics } from './speaker/query/metrics.js'
export type { ExplainQuery, RoutesQuery, StopOptions } from './speaker/query/queries.js'
export { Speaker } from './speaker/speaker.js'
export { SpeakerError, type SpeakerErrorCode } from './speaker/speaker-error.js'
