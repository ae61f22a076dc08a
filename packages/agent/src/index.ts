export type { BgpConfig, NeighborConfig, NetworkConfig, NodeConfig, SpeakerConfig, VrfConfig } from './config.js'
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
