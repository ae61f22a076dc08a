export { describeProblem, ConfigError, type ConfigProblem } from './config/config-error.js'
export type {
  AuthenticationSection,
  BgpSection,
  BgpVrfSection,
  BmpSection,
  BmpTable,
  DynamicNeighborSection,
  ListenSection,
  MrtSection,
  NeighborGroupSection,
  NeighborSection,
  NetworkSection,
  PolicyUse,
  RtrSection,
  SecretSection,
  TcpAoKeySection,
} from './config/bgp-document.js'
export type {
  DataplaneSection,
  EndpointSection,
  NodeDocument,
  NodeSection,
  SpeakerDocument,
  StaticRouteSection,
  VrfSection,
} from './config/document.js'
export { loadNode, loadSpeaker, parseNode, parseSpeaker } from './config/load.js'
export { resolveEndpoint, resolveNode, resolveSpeaker } from './config/resolve.js'
export { ControlClient } from './control/client.js'
export { findSocket, type NodeChoice } from './control/find-socket.js'
export { ControlError, RefusedError, type ControlErrorCode, type ControlHandler } from './control/protocol.js'
export { serveControl, type ControlServer } from './control/server.js'
export { decodeFiles, type DecodeFilesOptions } from './decode/decode-files.js'
export { FILE_FORMATS, type FileFormat } from './decode/records.js'
export { decodeStream } from './decode/decode-stream.js'
export { createNode } from './node/create-node.js'
export { createSpeaker } from './node/create-speaker.js'
export { hostBfd } from './node/host-bfd.js'
export { explainPacket, ExplainError, type ExplainAnswer, type ExplainRequest } from './node/explain.js'
export { handlerFor, type ProcessControls } from './node/handler.js'
export type {
  NodeHandle,
  NodeOptions,
  ReloadOptions,
  RoleHandle,
  RoleOptions,
  SpeakerHandle,
  SpeakerRoleOptions,
} from './node/role-handle.js'
export { processOutput, type Output } from './output/output.js'
export { formatView } from './output/views.js'
export { SCHEMAS } from './schema/schemas.js'
