export { Agent, type AgentEvents, type AgentOptions } from './agent.js'
export { AgentError, type AgentErrorCode } from './agent-error.js'
export type { ConfigChange } from './bgp/config-change.js'
export { SpeakerNode, type StopOptions } from './bgp/speaker-node.js'
export type { AgentConfig, NetworkConfig, SpeakerNodeConfig } from './config.js'
export type { DataplaneSource } from './dataplane/dataplane-keeper.js'
export { endpointRow } from './view/model-views.js'
export type {
  DataplaneRow,
  DropRow,
  EndpointRow,
  LabelRow,
  NeighborRow,
  RouteRow,
  TunnelRow,
  ViewName,
  Views,
  VrfRow,
} from './view/rows.js'
export type { World } from './world.js'
