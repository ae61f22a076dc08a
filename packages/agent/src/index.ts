export { Agent, type AgentEvents, type AgentOptions } from './agent.js'
export { AgentError, type AgentErrorCode } from './agent-error.js'
export type { ConfigChange } from './bgp/config-change.js'
export { SpeakerNode, type StopOptions } from './bgp/speaker-node.js'
export type { AgentConfig, NetworkConfig, SpeakerNodeConfig } from './config.js'
export type { CaptureRequest } from './observe/packet-observers.js'
export { ProbeError, transportProbe, type HealthProbe, type ProbeTarget } from './health/health-probe.js'
export type { DataplaneSource } from './dataplane/dataplane-keeper.js'
export { bgpAttributesRows, type BgpAttributesRow } from './view/bgp/attribute-rows.js'
export {
  bgpExplainRows,
  type BgpAdvertisementRow,
  type BgpExplainRow,
  type BgpImportRow,
  type BgpPathRow,
} from './view/bgp/explain-rows.js'
export { bgpNeighborRows, bgpPolicyRows, type BgpNeighborRow, type BgpPolicyRow } from './view/bgp/neighbor-rows.js'
export { BGP_TABLES, bgpRouteRows, type BgpRouteQuery, type BgpRouteRow, type BgpTable } from './view/bgp/route-rows.js'
export { bgpStatisticsRows, type BgpStatisticsRow } from './view/bgp/statistics-rows.js'
export { bgpWatchRows, type BgpWatchRow } from './view/bgp/watch-rows.js'
export { endpointRow } from './view/model-views.js'
export type {
  BfdRow,
  BpfRow,
  DataplaneRow,
  DropRow,
  EndpointRow,
  LabelRow,
  NeighborRow,
  RouteRow,
  ServiceRow,
  TunnelRow,
  ViewName,
  Views,
  VrfRow,
} from './view/rows.js'
export type { BfdView, LinkKnowledge, World } from './world.js'
