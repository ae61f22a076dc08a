export {
  PORT_COUNTERS,
  TABLE_COUNTERS,
  countersOf,
  dropsOf,
  type CounterRows,
  type CounterSnapshot,
  type PortCounter,
  type TableCounter,
} from './dataplane/counters.js'
export { DataplaneError } from './dataplane/dataplane.js'
export type {
  Dataplane,
  DataplaneCapabilities,
  DataplaneErrorCode,
  DataplaneEvent,
  DataplaneLimits,
  DataplaneState,
  DeviceFacts,
  DeviceRequest,
  Detour,
  PathMtu,
} from './dataplane/dataplane.js'
export { DROP_REASONS, dropReasonIndex, type DropReason } from './dataplane/drop-reason.js'
export { DATAPLANE_FEATURES, hasFeature, unsupportedObjects, type DataplaneFeature } from './dataplane/feature.js'
export { ENCAPSULATIONS, keepsFlows } from './dataplane/objects.js'
export type {
  Encapsulation,
  GroupObject,
  LabelObject,
  NextHopAction,
  NextHopObject,
  PortObject,
  TunnelModel,
  TunnelSourcesObject,
  VniObject,
  VrfObject,
} from './dataplane/objects.js'
export {
  isInspectable,
  type DataplaneChoice,
  type InspectableDataplane,
  type KernelInspection,
  type KernelPart,
} from './dataplane/inspection.js'
export { pathName, type PathIntent } from './fib/liveness-objects.js'
export { LIVENESS_EVENTS, type LivenessObject } from './dataplane/liveness.js'
export type { MirrorDirection, MirroredPacket, MirrorObject, MirrorSink } from './dataplane/mirror.js'
export type { NatPoolObject } from './dataplane/nat-pool.js'
export type { NumberRange, PolicyObject, PolicyRule, PolicyVerdict } from './dataplane/policy.js'
export { policyProblems } from './dataplane/policy-problems.js'
export { defaultBurst, isRateLimited, isSameRateLimit, rateLimitProblems, type RateLimit, type RateLimits } from './dataplane/rate-limit.js'
export { serviceProblems, type ServiceProblem } from './dataplane/service-problems.js'
export { NO_GROUP, RouteBatch } from './dataplane/route-batch.js'
export { SERVICE_PROTOCOLS, type ServiceBackend, type ServiceObject, type ServiceProtocol } from './dataplane/service.js'
export type { TracedPacket, TraceFilter, TraceObject, TraceStep } from './dataplane/trace.js'
export { OBJECT_KINDS } from './dataplane/transaction.js'
export type { ApplyFailure, ApplyReport, FibTransaction, ObjectChanges, ObjectKind, ObjectName } from './dataplane/transaction.js'
export {
  ENDPOINT_LINKS,
  EndpointError,
  type EndpointErrorCode,
  type EndpointLink,
  type EndpointRequest,
  type EndpointService,
  type EndpointView,
} from './endpoint-service.js'
export type { RoutePreference, VpnRoute, VpnRouteChange, VpnRouteKey } from './vpn-route.js'
export { FibCompiler, routeName } from './fib/fib-compiler.js'
export { heapMemory, type FibMemory, type FibReaders } from './fib/trie/fib-memory.js'
export { FibReader, type FamilyRegions, type FibRegions } from './fib/trie/fib-reader.js'
export { FibTable } from './fib/trie/fib-table.js'
export type { HostWriter } from './fib/trie/insert-many.js'
export type { Columns4, Prefixes4, Values4 } from './fib/trie/near.js'
export { inParts4 } from './fib/trie/parts.js'
export { runsOf, values4, type RouteRun } from './fib/trie/route-runs.js'
export { NO_MATCH, StrideTrie } from './fib/trie/stride-trie.js'
export { checkVrfs, IntentError } from './intent/intents.js'
export { checkEndpoints } from './model/admission.js'
export { ROUTER_MAC } from './model/endpoint-state.js'
export type { HealthCheckIntent } from './intent/health-check.js'
export { checkTraffic, type TrafficSurroundings } from './intent/check-traffic.js'
export type {
  DirectionIntent,
  LivenessIntent,
  MirrorIntent,
  NatIntent,
  PolicyIntent,
  PolicyRuleIntent,
  ServiceIntent,
  TraceIntent,
  TrafficIntents,
} from './intent/traffic.js'
export type { EndpointIntent, IntentProblem, StaticRouteIntent, VrfIntent } from './intent/intents.js'
export { checkVirtualNetworks, vrfOf, vrfsOf } from './intent/virtual-network.js'
export type { NodeIdentity, VirtualNetworkIntent, VirtualNetworkTopology } from './intent/virtual-network.js'
export { FIRST_LABEL, LabelError, LabelSpace, LAST_LABEL, type LabelErrorCode, type LabelSpaceOptions } from './label/label-space.js'
export { LOCAL_PREFERENCE } from './model/exports.js'
export type { Observation } from './model/observations.js'
export { OverlayModel, UPLINK_PORT, type OverlayModelOptions } from './model/overlay-model.js'
export type { EndpointRow, LabelRow, RouteRow, TunnelRow, VrfRow, WatchedPathRow } from './model/views.js'
export type { WatchedPaths } from './model/watched-paths.js'
export { chooseEncapsulation } from './nexthop/encapsulation-choice.js'
export { endpointMtu, leastUnderlayMtu, type EndpointMtuOptions, type TunnelKinds } from './nexthop/endpoint-mtu.js'
export { compareRoutes, selectRoutes } from './table/best-path.js'
export { TargetIndex } from './target/target-index.js'
