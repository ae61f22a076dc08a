export { PORT_COUNTERS, dropsOf, type CounterSnapshot, type PortCounter } from './dataplane/counters.js'
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
} from './dataplane/dataplane.js'
export { DROP_REASONS, dropReasonIndex, type DropReason } from './dataplane/drop-reason.js'
export { ENCAPSULATIONS } from './dataplane/objects.js'
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
export { NO_GROUP, RouteBatch } from './dataplane/route-batch.js'
export { OBJECT_KINDS } from './dataplane/transaction.js'
export type { ApplyFailure, ApplyReport, FibTransaction, ObjectChanges, ObjectKind, ObjectName } from './dataplane/transaction.js'
export { EndpointError, type EndpointErrorCode, type EndpointRequest, type EndpointService, type EndpointView } from './endpoint-service.js'
export type { RoutePreference, VpnRoute, VpnRouteChange, VpnRouteKey } from './vpn-route.js'
