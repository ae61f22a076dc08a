// What most compositions need, from one package; everything else is in the packages by its name.
export {
  Agent,
  AgentError,
  SpeakerNode,
  type AgentConfig,
  type AgentEvents,
  type AgentOptions,
  type SpeakerNodeConfig,
} from '@heddle/agent'
export { Speaker, decodeMessage, encodeMessage, type SpeakerConfig } from '@heddle/bgp'
export {
  ConfigError,
  createNode,
  createSpeaker,
  loadNode,
  loadSpeaker,
  parseNode,
  parseSpeaker,
  type NodeDocument,
  type NodeHandle,
  type SpeakerDocument,
  type SpeakerHandle,
} from '@heddle/cli'
export {
  DataplaneError,
  EndpointError,
  OverlayModel,
  type Dataplane,
  type EndpointRequest,
  type EndpointService,
  type EndpointView,
} from '@heddle/core'
export { captureUnderlay, memoryDataplane, memoryHost, memoryUnderlay, withFaults, withTrace } from '@heddle/dataplane-memory'
export { ebpfDataplane } from '@heddle/dataplane-ebpf'
export { tunDataplane, underlayMtu } from '@heddle/dataplane-tun'
export { fromBgp, toBgp } from '@heddle/exchange'
export { nodeClock, nodeRandom, nodeTcpTransport, textLogger } from '@heddle/io/node'
export { nativeAvailability } from '@heddle/linux'
export { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
