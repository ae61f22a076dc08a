export { HEADROOM, MAX_LABEL_STACK_DEPTH } from './encapsulate.js'
export { loadFlows, saveFlows, sharedFlowMemory, type FlowMemory } from './flow/flow-memory.js'
export { ForwardingEngine, type ForwardingOptions } from './engine.js'
export { explain, type ExplainOptions } from './explain-state.js'
export type { Explanation, PacketInput } from './explain.js'
export { BfdSessions, type BfdSessionsOptions } from './bfd/sessions.js'
export { answerNeighbour, NEIGHBOUR_ANSWER_SIZE, type LinkPort } from './link/neighbour-proxy.js'
export {
  bfdPacket,
  detectionTime,
  newBfdSession,
  SLOW_INTERVAL,
  stepBfd,
  transmitInterval,
  type BfdConfig,
  type BfdEvent,
  type BfdSession,
  type BfdStep,
} from './bfd/session.js'
export { DELIVER, DROP, FRAGMENT, PacketOut, SEND, type AddressWords, type Verdict } from './packet-out.js'
export { probePacket, type ProbeDescription } from './probe-packet.js'
export { EGRESS_STEPS, INGRESS_STEPS, type Step, type StepName } from './trace/trace.js'
export type { OuterHeaders } from './tunnel-hop.js'
export type { RouteTable } from './tables.js'
export { Sequences } from './sequences.js'
